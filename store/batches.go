package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-sql-driver/mysql"

	"lagerd/plan"
)

// batched is a webhook's hint as stored in a batch.
type batched struct {
	Kind   plan.Kind `json:"kind"`
	Number string    `json:"number"` // "": all items
	AtUS   int64     `json:"at_us"`  // microseconds since 1970
}

// everything reports whether a webhook names no number: it is about all items.
func (b batched) everything() bool { return b.Kind == plan.KindStock && b.Number == "" }

const (
	insertBatches   = "INSERT INTO hint_batches (shop, hints, first_at, data) VALUES "
	newBatch        = "(?,?,?,?)"
	newBatchArgs    = 4
	preparedBatches = 32 // most rows of a statement that stays prepared

	unpackedBatches = 250 // per transaction
)

// UnpackedHints is how many hints one Unpack records, rounded up to whole batches.
const UnpackedHints = 2000

// RecordWebhooks stores webhooks' hints as batches, one row per run of consecutive
// hints of a shop: a row per hint would cost more than everything else about a webhook. One of
// items without a number is about all of the shop's items.
// They are committed when it returns nil. A shop's pass unpacks them before it reads
// open hints (see Unpack), or a listing answers them in their batches (see Packed).
func (s *Store) RecordWebhooks(ctx context.Context, hints []HintRecord) error {
	var args []any
	var data []byte
	for from := 0; from < len(hints); {
		shop, first, begin := hints[from].Shop, hints[from].At, from
		data = data[:0]
		for ; from < len(hints) && hints[from].Shop == shop; from++ {
			h := hints[from]
			if h.At.Before(first) {
				first = h.At
			}
			var err error
			if data, err = appendBatched(data, h); err != nil {
				return fmt.Errorf("record webhooks of %s: %w", shop, err)
			}
		}
		args = append(args, shop, from-begin, At(first), string(append(data, ']')))
	}
	for chunk := range slices.Chunk(args, rowsPerStatement*newBatchArgs) {
		if err := s.insertBatches(ctx, len(chunk)/newBatchArgs, chunk); err != nil {
			return fmt.Errorf("record %d webhooks: %w", len(hints), err)
		}
	}
	return nil
}

// appendBatched appends a hint to the JSON of a batch: the same text that json writes
// for a list of batched, in a fifth of the time.
func appendBatched(data []byte, h HintRecord) ([]byte, error) {
	separator := byte(',')
	if len(data) == 0 {
		separator = '['
	}
	data = append(append(data, separator), `{"kind":`...)
	data, err := jsontext.AppendQuote(data, string(h.Kind))
	if err != nil {
		return nil, fmt.Errorf("kind %q: %w", h.Kind, err)
	}
	if data, err = jsontext.AppendQuote(append(data, `,"number":`...), h.Number); err != nil {
		return nil, fmt.Errorf("number %q: %w", h.Number, err)
	}
	data = strconv.AppendInt(append(data, `,"at_us":`...), h.At.UnixMicro(), 10)
	return append(data, '}'), nil
}

// insertBatches uses a prepared statement for few rows: MySQL and MariaDB take longer
// to parse the statement than to store them.
func (s *Store) insertBatches(ctx context.Context, rows int, args []any) error {
	query := insertBatches + repeat(newBatch, rows)
	if rows > preparedBatches {
		_, err := s.exec(ctx, query, args...)
		return err
	}
	err := s.retry(ctx, func() error {
		stmt, err := s.keep(ctx, query) //nolint:sqlclosecheck // kept open for the next call
		if err == nil {
			_, err = stmt.ExecContext(ctx, args...)
		}
		if err == nil {
			err = s.moved()
		}
		return err
	})
	if notPrepared(err) {
		_, err = s.exec(ctx, query, args...)
	}
	return err
}

// notPrepared reports whether the server refused a prepared statement and might accept
// it as text: there may be too many of them, or a proxy may not support them.
func notPrepared(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && !retryable(refused)
}

// notKept reports whether the server no longer knew, or refused to prepare again, a
// statement that had been prepared. It has executed nothing then and the transaction
// continues; after other errors the server may have ended the transaction silently.
func notKept(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains([]uint16{errUnknownStatement, errCannotPrepare, errTooManyStatements, errPrepareAgain}, refused.Number)
}

// Unpacked is the result of an Unpack.
type Unpacked struct {
	Hints      int      // that got rows
	Overflow   Overflow // the others
	Compacted  bool     // CompactBatches has made a mark
	Unreadable []error  // one per batch set aside
	More       bool     // there may be further batches
}

// Unpack records the hints of the shop's oldest batches, as far as the caps admit them, each in
// its own row, in one transaction under the fence: whole batches until there are least hints.
// It skips batches up to after, which a listing has claimed. It marks the shop for webhooks that
// name no number. It sets aside a batch that cannot be read, with the error, and marks the shop
// for it.
func (s *Store) Unpack(ctx context.Context, f Fence, after int64, least int, caps Caps) (Unpacked, error) {
	var ids []any
	var bad []unreadable
	d := distinct{at: map[hintKey]int{}}
	read, count, compacted := 0, 0, false
	err := s.eachBatch(ctx, f.Shop, after, unpackedBatches, func(b waitingBatch) bool {
		read++
		if b.unreadable != nil {
			bad = append(bad, unreadable{b.id, b.hints, b.firstAt, b.unreadable})
			return true
		}
		ids = append(ids, b.id)
		count, compacted = count+len(b.content), compacted || len(b.content) == 0
		d.add(f.Shop, b.content)
		return count < least
	})
	if err != nil || read == 0 {
		return Unpacked{}, err
	}
	a, err := s.Admit(ctx, f.Shop, Datasets{Items: f.StockDataset, Invoices: f.Dataset}, caps, d.hints)
	if err != nil {
		return Unpacked{}, err
	}
	if d.everything.Hints > 0 {
		a.mark(d.everything)
	}
	for _, b := range bad {
		for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
			a.mark(Mark{Kind: kind, Hints: b.hints, FirstAt: b.firstAt, LastAt: b.firstAt})
		}
	}
	sortHints(a.Hints)
	err = s.inFencedTx(ctx, f, func(t *tx) error {
		t.recordHints(a.Hints)
		t.putOverflow(f.Shop, a.Overflow)
		for _, b := range bad {
			t.exec("UPDATE hint_batches SET set_aside = 1, error = ? WHERE id = ?", shorten(b.err.Error(), 500), b.id)
		}
		t.deleteBatches(ids)
		return nil
	})
	if err != nil {
		return Unpacked{}, fmt.Errorf("unpack webhooks of %s: %w", f.Shop, err)
	}
	u := Unpacked{Hints: len(a.Hints), Overflow: a.Overflow, Compacted: compacted, More: count >= least || read == unpackedBatches}
	for _, b := range bad {
		u.Unreadable = append(u.Unreadable, fmt.Errorf("row %d of hint_batches: %w", b.id, b.err))
	}
	return u, nil
}

type unreadable struct {
	id      int64
	hints   int64
	firstAt time.Time
	err     error
}

// deleteBatches deletes batches one by one by id, not up to the last id: a batch with
// a lower id may be committed after these were read.
func (t *tx) deleteBatches(ids []any) {
	for chunk := range slices.Chunk(ids, rowsPerStatement) {
		t.exec("DELETE FROM hint_batches WHERE id IN "+placeholders(1, len(chunk)), chunk...)
	}
}

// distinct collects one hint per number, in the order in which the numbers came, and one mark
// for the webhooks that name none.
type distinct struct {
	hints      []HintRecord
	at         map[hintKey]int
	everything Mark
}

type hintKey struct {
	kind   plan.Kind
	number string
}

func (d *distinct) add(shop string, batch []batched) {
	for _, one := range batch {
		k, received := hintKey{one.Kind, one.Number}, time.UnixMicro(one.AtUS)
		if one.everything() {
			d.addEverything(received)
			continue
		}
		if n, known := d.at[k]; known {
			d.hints[n].merge(received)
			continue
		}
		d.at[k] = len(d.hints)
		d.hints = append(d.hints, HintRecord{Shop: shop, Kind: one.Kind, Number: one.Number, Cause: plan.CauseWebhook, At: received})
	}
}

func (d *distinct) addEverything(received time.Time) {
	m := Mark{Kind: plan.KindStock, Hints: 1, Everything: 1, FirstAt: received, LastAt: received}
	if d.everything.Hints == 0 {
		d.everything = m
		return
	}
	d.everything.merge(m)
}

// sortHints orders hints so that all transactions lock rows in the same order.
func sortHints(hints []HintRecord) {
	slices.SortFunc(hints, func(a, b HintRecord) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number))
	})
}

// waitingBatch is a row of hint_batches.
type waitingBatch struct {
	id, hints  int64
	firstAt    time.Time
	content    []batched
	unreadable error // why there is none
}

// eachBatch yields a shop's batches with ids above after, oldest first and at most limit,
// until yield returns false.
func (s *Store) eachBatch(ctx context.Context, shop string, after int64, limit int, yield func(waitingBatch) bool) error {
	fail := func(err error) error { return fmt.Errorf("read webhooks of %s: %w", shop, err) }
	rows, err := s.conn.QueryContext(ctx, "SELECT id, hints, first_at, data FROM hint_batches WHERE shop = ? AND set_aside = 0 AND id > ? ORDER BY id LIMIT ?", shop, after, limit)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b waitingBatch
		var first Time
		var data sql.RawBytes
		if err := rows.Scan(&b.id, &b.hints, &first, &data); err != nil {
			return fail(err)
		}
		b.firstAt = first.Time
		b.content, b.unreadable = readBatch(data)
		if !yield(b) {
			return nil
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return nil
}

// readBatch decodes a batch. It refuses one that no lagerd has written, however large, without
// using much more memory than the batch itself.
func readBatch(data []byte) (batch []batched, err error) {
	if len(data) > longestBatch {
		return nil, fmt.Errorf("it has %d bytes: expected at most %d", len(data), longestBatch)
	}
	if err := json.Unmarshal(data, &batch); err != nil {
		return nil, err
	}
	for _, b := range batch {
		if b.Kind != plan.KindStock && b.Kind != plan.KindInvoice || b.Number == "" && !b.everything() || len(b.Number) > longestNumber {
			return nil, fmt.Errorf("webhook of kind %.40q and number %.40q (%d bytes): expected stock or invoice, and a number unless it is stock", b.Kind, b.Number, len(b.Number))
		}
	}
	return batch, nil
}

const (
	// longestBatch is far above what the webhooks of one commit take: at most 500 of them.
	longestBatch = 1 << 20
	// longestNumber is that of a number, in bytes: 64 characters (hints.number).
	longestNumber = 4 * 64
)

// Packed are a shop's webhooks that are still in batches.
type Packed struct {
	Batches []int64                            // oldest first
	Hints   map[plan.Kind]map[string]plan.Hint // by kind and number; they have no generation
	More    bool                               // there are newer batches

	Everything bool // one of them names no number: it is about all items
	Compacted  bool // CompactBatches has made a mark
}

// Packed returns the shop's webhooks that are still in batches, oldest first: whole batches
// until they name most numbers. A caller that also reads hints calls Packed first: a hint
// unpacked in between is then seen twice, not missed.
func (s *Store) Packed(ctx context.Context, shop string, most int) (Packed, error) {
	p := Packed{Hints: map[plan.Kind]map[string]plan.Hint{plan.KindStock: {}, plan.KindInvoice: {}}}
	err := s.eachBatch(ctx, shop, 0, math.MaxInt32, func(b waitingBatch) bool {
		if b.unreadable != nil {
			return true // Unpack sets it aside
		}
		if p.More = len(p.Hints[plan.KindStock])+len(p.Hints[plan.KindInvoice]) >= most; p.More {
			return false
		}
		p.Batches, p.Compacted = append(p.Batches, b.id), p.Compacted || len(b.content) == 0
		for _, one := range b.content {
			p.add(one)
		}
		return true
	})
	return p, err
}

// PackedSince returns when the first webhook of a number, or of all, that is still in batches
// came, zero if there is none.
func (s *Store) PackedSince(ctx context.Context, shop string, kind plan.Kind, number string) (first time.Time, err error) {
	err = s.eachBatch(ctx, shop, 0, math.MaxInt32, func(b waitingBatch) bool {
		for _, one := range b.content {
			if received := time.UnixMicro(one.AtUS); one.Kind == kind && (one.Number == number || one.everything()) && (first.IsZero() || received.Before(first)) {
				first = received
			}
		}
		return true
	})
	return first, err
}

func (p *Packed) add(one batched) {
	if one.everything() {
		p.Everything = true
		return
	}
	received := time.UnixMicro(one.AtUS)
	h, known := p.Hints[one.Kind][one.Number]
	if !known {
		h = plan.Hint{Kind: one.Kind, Number: one.Number, Cause: plan.CauseWebhook, FirstAt: received, WebhookAt: received}
	}
	if received.Before(h.FirstAt) {
		h.FirstAt = received
	}
	if received.After(h.WebhookAt) {
		h.WebhookAt = received
	}
	h.Webhooks++
	p.Hints[one.Kind][one.Number] = h
}

// Forget deletes batches whose hints have been answered or have their own rows, and marks, in
// one transaction under the fence.
func (s *Store) Forget(ctx context.Context, f Fence, batches, marks []int64) error {
	err := s.inFencedTx(ctx, f, func(t *tx) error {
		t.deleteBatches(values(batches))
		t.unmark(marks)
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %d answered batches of %s: %w", len(batches), f.Shop, err)
	}
	return nil
}

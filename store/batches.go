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

	"lagerd/reconcile/plan"
)

// batched is a webhook's hint as it is kept in a batch.
type batched struct {
	Kind   plan.Kind `json:"kind"`
	Number string    `json:"number"`
	AtUS   int64     `json:"at_us"` // microseconds since 1970
}

const (
	insertBatches   = "INSERT INTO hint_batches (shop, hints, first_at, data) VALUES "
	newBatch        = "(?,?,?,?)"
	newBatchArgs    = 4
	preparedBatches = 32 // rows at most of a statement that is kept prepared

	// in one transaction; the last batch may hold more hints
	unpackedBatches = 250
	unpackedHints   = 2000
)

// RecordWebhooks stores webhooks' hints as they came, a row to a shop: storing each
// in its own row would cost more than all else a webhook costs. When it returns nil
// they are committed. Whoever works on the shop unpacks them before it looks for
// hints (see Unpack). A shop's hints share a row where they follow each other.
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

// appendBatched appends a hint to the JSON of a batch, as json would write a list of
// batched, at a fifth of what that takes for each webhook.
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

// insertBatches uses a prepared statement for few rows: a server of MySQL's kind
// takes longer to parse the statement than to store them.
func (s *Store) insertBatches(ctx context.Context, rows int, args []any) error {
	query := insertBatches + repeat(newBatch, rows)
	if rows > preparedBatches {
		_, err := s.exec(ctx, query, args...)
		return err
	}
	err := s.retry(ctx, func() error {
		stmt, err := s.keep(ctx, query)
		if err == nil {
			_, err = stmt.ExecContext(ctx, args...)
		}
		return err
	})
	if notPrepared(err) {
		_, err = s.exec(ctx, query, args...)
	}
	return err
}

// notPrepared reports whether the server refused a statement that was prepared and
// might take it as text: there may be too many, or a proxy may know none.
func notPrepared(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && !retryable(refused)
}

// notKept reports whether the server did not know, or would not prepare, a statement that
// is kept prepared. It has done nothing then, and the transaction goes on; after other
// errors it may have ended without a word.
func notKept(err error) bool {
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && slices.Contains([]uint16{errUnknownStatement, errCannotPrepare, errTooManyStatements, errPrepareAgain}, refused.Number)
}

// Unpacked is what came of the oldest of a shop's batches.
type Unpacked struct {
	Hints      int
	Unreadable []error // of batches that are set aside
	More       bool    // there may be further batches
}

// Unpack records each hint of the shop's oldest batches in its own row, in one
// transaction under the fence. A batch that cannot be read is kept with the error
// and not looked at again.
func (s *Store) Unpack(ctx context.Context, f Fence) (Unpacked, error) {
	b, err := s.batches(ctx, f.Shop, unpackedBatches, unpackedHints)
	if err != nil || len(b.ids)+len(b.unreadable) == 0 {
		return Unpacked{}, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			return err
		}
		t.recordHints(b.hints)
		for _, bad := range b.unreadable {
			t.exec("UPDATE hint_batches SET set_aside = 1, error = ? WHERE id = ?", clip(bad.err.Error(), 500), bad.id)
		}
		// By their numbers, not up to the last: one with a lower number may be
		// committed after those that were read.
		for chunk := range slices.Chunk(b.ids, rowsPerStatement) {
			t.exec("DELETE FROM hint_batches WHERE id IN "+placeholders(1, len(chunk)), chunk...)
		}
		return nil
	})
	if err != nil {
		return Unpacked{}, fmt.Errorf("unpack the webhooks of %s: %w", f.Shop, err)
	}
	u := Unpacked{Hints: len(b.hints), More: b.more}
	for _, bad := range b.unreadable {
		u.Unreadable = append(u.Unreadable, fmt.Errorf("row %d of hint_batches: %w", bad.id, bad.err))
	}
	return u, nil
}

// batches are some of a shop's.
type batches struct {
	ids        []any
	hints      []HintRecord // one to a number, sorted, so that rows are locked in one order
	unreadable []unreadable
	more       bool
}

type unreadable struct {
	id  int64
	err error
}

// batches reads a shop's oldest batches, so many rows at most and until they hold
// so many hints.
func (s *Store) batches(ctx context.Context, shop string, mostRows, mostHints int) (batches, error) {
	var b batches
	fail := func(err error) (batches, error) {
		return batches{}, fmt.Errorf("read the webhooks of %s: %w", shop, err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id, data FROM hint_batches WHERE shop = ? AND set_aside = 0 ORDER BY id LIMIT ?", shop, mostRows)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	type key struct {
		kind   plan.Kind
		number string
	}
	at := map[key]int{}
	read, count := 0, 0
	for ; count < mostHints && rows.Next(); read++ {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return fail(err)
		}
		batch, err := readBatch(data)
		if err != nil {
			b.unreadable = append(b.unreadable, unreadable{id, err})
			continue
		}
		b.ids = append(b.ids, id)
		count += len(batch)
		for _, one := range batch {
			k, received := key{one.Kind, one.Number}, time.UnixMicro(one.AtUS)
			if n, known := at[k]; known {
				b.hints[n].again(received)
				continue
			}
			at[k] = len(b.hints)
			b.hints = append(b.hints, HintRecord{Shop: shop, Kind: one.Kind, Number: one.Number, Cause: plan.CauseWebhook, At: received})
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	b.more = count >= mostHints || read == mostRows
	slices.SortFunc(b.hints, func(a, b HintRecord) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Number, b.Number))
	})
	return b, nil
}

func readBatch(data []byte) (batch []batched, err error) {
	if err := json.Unmarshal(data, &batch); err != nil {
		return nil, err
	}
	for _, b := range batch {
		if b.Kind != plan.KindStock && b.Kind != plan.KindInvoice || b.Number == "" {
			return nil, fmt.Errorf("a webhook of kind %q and number %q: expected stock or invoice, and a number", b.Kind, b.Number)
		}
	}
	return batch, nil
}

// WaitingWebhooks returns the numbers for which webhooks wait to be unpacked, and
// when the first of each was received. Whoever looks at hints too looks here first:
// what is unpacked in between is seen twice then, and not missed.
func (s *Store) WaitingWebhooks(ctx context.Context, shop string, kind plan.Kind) (map[string]time.Time, error) {
	b, err := s.batches(ctx, shop, math.MaxInt32, math.MaxInt)
	waiting := map[string]time.Time{}
	for _, h := range b.hints {
		if h.Kind == kind {
			waiting[h.Number] = h.firstAt()
		}
	}
	return waiting, err
}

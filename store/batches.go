package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
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
	insertBatches    = "INSERT INTO hint_batches (shop, hints, first_at, data) VALUES "
	newBatch         = "(?,?,?,?)"
	newBatchArgs     = 4
	preparedBatches  = 32     // rows at most of a statement that is kept prepared
	unpackedTogether = 10_000 // hints, in one transaction, if one batch has no more
)

// RecordWebhooks stores webhooks' hints as they came, a row to a shop: storing each
// in its own row would cost more than all else a webhook costs. When it returns nil
// they are committed. Whoever works on the shop unpacks them before it looks for
// hints (see Unpack). The hints of a shop have to follow each other.
func (s *Store) RecordWebhooks(ctx context.Context, hints []HintRecord) error {
	var args []any
	for from := 0; from < len(hints); {
		shop, first := hints[from].Shop, hints[from].At
		var batch []batched
		for ; from < len(hints) && hints[from].Shop == shop; from++ {
			h := hints[from]
			if h.At.Before(first) {
				first = h.At
			}
			batch = append(batch, batched{h.Kind, h.Number, h.At.UnixMicro()})
		}
		data, err := json.Marshal(batch)
		if err != nil {
			return fmt.Errorf("record webhooks of %s: %w", shop, err)
		}
		args = append(args, shop, len(batch), At(first), string(data))
	}
	for chunk := range slices.Chunk(args, rowsPerStatement*newBatchArgs) {
		if err := s.insertBatches(ctx, len(chunk)/newBatchArgs, chunk); err != nil {
			return fmt.Errorf("record %d webhooks: %w", len(hints), err)
		}
	}
	return nil
}

// insertBatches uses a prepared statement for few rows: a server of MySQL's kind
// takes longer to parse the statement than to store them.
func (s *Store) insertBatches(ctx context.Context, rows int, args []any) error {
	query := insertBatches + repeat(newBatch, rows)
	if rows > preparedBatches || s.dialect.isSQLite() {
		_, err := s.exec(ctx, query, args...)
		return err
	}
	err := s.retry(ctx, func() error {
		stmt, err := s.batchStatement(ctx, rows, query)
		if err == nil {
			_, err = stmt.ExecContext(ctx, args...)
		}
		return err
	})
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && !retryable(refused) {
		// Of prepared statements there may be too many, or a proxy may know none.
		_, err = s.exec(ctx, query, args...)
	}
	return err
}

func (s *Store) batchStatement(ctx context.Context, rows int, query string) (*sql.Stmt, error) {
	if stmt := s.batchStatements[rows].Load(); stmt != nil {
		return stmt, nil
	}
	// database/sql prepares it again on every connection that has not seen it.
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if !s.batchStatements[rows].CompareAndSwap(nil, stmt) {
		_ = stmt.Close() // another writer was first
		stmt = s.batchStatements[rows].Load()
	}
	return stmt, nil
}

// Unpack records each hint of the shop's oldest batches in its own row, in one
// transaction under the fence, and returns how many there were. more reports that
// there may be further batches. A batch that cannot be read is an error and stays.
func (s *Store) Unpack(ctx context.Context, f Fence) (hints int, more bool, err error) {
	ids, list, more, err := s.batches(ctx, f.Shop, unpackedTogether)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			return err
		}
		t.recordHints(list)
		// By their numbers, not up to the last: one with a lower number may be
		// committed after those that were read.
		for chunk := range slices.Chunk(ids, rowsPerStatement) {
			t.exec("DELETE FROM hint_batches WHERE id IN "+placeholders(1, len(chunk)), chunk...)
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("unpack the webhooks of %s: %w", f.Shop, err)
	}
	return len(list), more, nil
}

// batches reads a shop's oldest batches until they hold so many hints, and returns
// their ids and one record to a number.
func (s *Store) batches(ctx context.Context, shop string, most int) (ids []any, list []HintRecord, more bool, err error) {
	fail := func(err error) ([]any, []HintRecord, bool, error) {
		return nil, nil, false, fmt.Errorf("read the webhooks of %s: %w", shop, err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id, data FROM hint_batches WHERE shop = ? ORDER BY id LIMIT ?", shop, rowsPerStatement)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	type key struct {
		kind   plan.Kind
		number string
	}
	at := map[key]int{}
	for count := 0; rows.Next(); {
		if count >= most {
			return ids, list, true, nil
		}
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return fail(err)
		}
		batch, err := readBatch(data)
		if err != nil {
			return fail(fmt.Errorf("row %d of hint_batches: %w: it can be deleted, the next sweep finds what it told of", id, err))
		}
		ids = append(ids, id)
		count += len(batch)
		for _, b := range batch {
			h := HintRecord{Shop: shop, Kind: b.Kind, Number: b.Number, Cause: plan.CauseWebhook, At: time.UnixMicro(b.AtUS)}
			n, again := at[key{b.Kind, b.Number}]
			if !again {
				at[key{b.Kind, b.Number}] = len(list)
				list = append(list, h)
				continue
			}
			list[n].merge(h)
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return ids, list, len(ids) == rowsPerStatement, nil
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
// when the first of each was received.
func (s *Store) WaitingWebhooks(ctx context.Context, shop string, kind plan.Kind) (map[string]time.Time, error) {
	_, list, _, err := s.batches(ctx, shop, unpackedTogether)
	waiting := map[string]time.Time{}
	for _, h := range list {
		if h.Kind == kind {
			waiting[h.Number] = h.firstAt()
		}
	}
	return waiting, err
}

package chaos_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"lagerd/test/sandboxtest"
)

// hint identifies what a webhook is about.
type hint struct{ shop, kind, number string }

// webhooks sends the test's own webhooks. It records the acknowledged ones, which must never be
// lost.
type webhooks struct {
	client  *http.Client
	sending chan struct{} // bounds the running calls
	running sync.WaitGroup

	mu           sync.Mutex
	acknowledged map[hint]time.Time // when the latest acknowledged call began
	answers      map[int]int        // by status; 0: no answer
}

func newWebhooks() *webhooks {
	return &webhooks{
		client:       &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
		sending:      make(chan struct{}, 64),
		acknowledged: map[hint]time.Time{},
		answers:      map[int]int{},
	}
}

// send sends a webhook. It waits only if too many calls are running.
func (w *webhooks) send(to *lagerd, s shop, kind, number string) {
	w.sending <- struct{}{}
	w.running.Go(func() {
		defer func() { <-w.sending }()
		began := time.Now()
		status, _, _ := to.Call(w.client, s.name, s.code, kind, number)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.answers[status]++
		if status != http.StatusOK {
			return
		}
		h := hint{s.name, "stock", number}
		if kind == "orderPdf" {
			h.kind = "invoice"
		}
		if began.After(w.acknowledged[h]) {
			w.acknowledged[h] = began
		}
	})
}

func (w *webhooks) counts() map[int]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.answers)
}

// lost looks for every acknowledged webhook in the database. It is lost if its number has no
// hint at least as recent and has not changed since; it waits if that hint is open or webhooks
// have not been unpacked yet.
func (w *webhooks) lost(ctx context.Context, db *sql.DB) (lost, waiting []string, err error) {
	var batches int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM hint_batches").Scan(&batches); err != nil {
		return nil, nil, fmt.Errorf("look for webhooks that wait: %w", err)
	}
	if batches > 0 {
		return nil, []string{fmt.Sprintf("%d batches to be unpacked", batches)}, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for h, began := range w.acknowledged {
		var last sql.NullString
		var open sql.NullBool
		err := db.QueryRowContext(ctx, "SELECT MAX(told_at), MAX(open) FROM (SELECT last_at AS told_at, open FROM hints WHERE shop = ? AND kind = ? AND number = ?"+
			" UNION ALL SELECT observed_at, 0 FROM changes WHERE shop = ? AND kind = ? AND number = ?) AS told", h.shop, h.kind, h.number, h.shop, h.kind, h.number).Scan(&last, &open)
		if err != nil {
			return nil, nil, fmt.Errorf("look for an acknowledged webhook: %w", err)
		}
		if !last.Valid {
			lost = append(lost, fmt.Sprintf("%v: acknowledged, and there is neither a hint nor a change", h))
			continue
		}
		at, err := storedTime(last.String)
		if err != nil {
			return nil, nil, fmt.Errorf("look for an acknowledged webhook: %w", err)
		}
		if at.Before(began.Add(-5 * time.Second)) {
			lost = append(lost, fmt.Sprintf("%v: acknowledged at %s, the last hint or change is of %s", h, began, at))
		}
		if open.Bool {
			waiting = append(waiting, fmt.Sprint(h))
		}
	}
	return lost, waiting, nil
}

// storedTime parses a time in any form that the databases' drivers return.
func storedTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("read the stored time %q: unknown form", text)
}

// trader trades in one shop and sends its own webhooks.
type trader struct {
	shop    shop
	sandbox sandboxtest.Client
	send    *webhooks
	to      []*lagerd
	hold    *sync.RWMutex // locked to pause trade
	rest    time.Duration // between two trades, on average

	mu     sync.Mutex
	count  map[string]int // the latest stock of each counter
	trades int
}

func (t *trader) run(ctx context.Context, rnd *rand.Rand) error {
	for ctx.Err() == nil {
		if err := t.trade(rnd); err != nil {
			return fmt.Errorf("trade in %s: %w", t.shop.name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(t.rest/2 + time.Duration(rnd.Int64N(int64(t.rest)))):
		}
	}
	return nil
}

func (t *trader) trade(rnd *rand.Rand) error {
	t.hold.RLock()
	defer t.hold.RUnlock()
	t.mu.Lock()
	t.trades++
	t.mu.Unlock()
	to := t.to[rnd.IntN(len(t.to))]
	item := t.shop.items[rnd.IntN(len(t.shop.items))]
	switch dice := rnd.IntN(10); {
	case dice < 4:
		number := t.shop.counters[rnd.IntN(len(t.shop.counters))]
		return t.countUp(to, number)
	case dice < 7:
		what := []string{"sell", "restock"}[rnd.IntN(2)]
		if err := t.sandbox.Post(t.shop.agreement, what, map[string]any{"number": item, "quantity": 1 + rnd.IntN(9)}, nil); err != nil {
			return err
		}
		t.send.send(to, t.shop, "stockUpdate", item)
		return nil
	case dice < 8:
		var booked struct {
			Number int64 `json:"number"`
		}
		if err := t.sandbox.Post(t.shop.agreement, "book", map[string]any{"orderRef": strconv.Itoa(10_000 + rnd.IntN(90_000)),
			"lines": []map[string]any{{"number": item, "quantity": 1 + rnd.IntN(3)}}}, &booked); err != nil {
			return err
		}
		t.send.send(to, t.shop, "orderPdf", strconv.FormatInt(booked.Number, 10))
		return nil
	default: // the sandbox's own trade, with e-conomic's webhooks only
		return t.sandbox.Post(t.shop.agreement, "trade", map[string]int{"count": 2}, nil)
	}
}

// countUp increments a counter's stock. Unless something older overwrites something newer, the
// shop never sees a counter go down.
func (t *trader) countUp(to *lagerd, number string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := max(t.count[number], 1) + 1
	if err := t.sandbox.Post(t.shop.agreement, "adjust", map[string]any{"number": number, "inStock": next}, nil); err != nil {
		return err
	}
	t.count[number] = next
	t.send.send(to, t.shop, "stockUpdate", number)
	return nil
}

func (t *trader) counted(number string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.count[number], 1)
}

func (t *trader) traded() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trades
}

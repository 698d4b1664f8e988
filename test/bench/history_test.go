package bench_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

const (
	historyShops = 20
	historyItems = 1500 // more than a page, so that a tick makes a change query
	historyCalls = 500
)

// BenchmarkHistory measures a webhook and a tick with a little history and with ten times as
// much, a year's of busy shops.
func BenchmarkHistory(b *testing.B) {
	once(b, func() {
		s := binary.Sandbox(b, fmt.Sprint("--agreements=", historyShops), fmt.Sprint("--products=", historyItems), noLimit)
		l := install(b, false, s.URL, historyShops, never)
		l.start()
		l.read(historyShops)
		requests := webhookCalls(historyShops, stocked(b, l, historyCalls))
		webhooks := growth{what: "webhook, by stored history", reach: "no slower"}
		ticks := growth{what: "tick, by stored history", reach: "no slower"}
		figure, stored := 1000, 0
		for _, changes := range []int{100_000, 1_000_000} {
			l.writeHistory(stored, changes)
			stored = changes
			var p50, took []float64
			for range *rounds {
				figure++
				importAll(b, s, figure)
				with := send(b, l.Webhook, 1, requests)
				if with.refused > 0 {
					b.Errorf("%d webhooks were refused", with.refused)
				}
				p50 = append(p50, quantile(with.latencies, 0.5))
				l.settled()
				l.tick(historyShops) // reads the rest of the import's changes
				l.settled()
				took = append(took, milliseconds(l.tick(historyShops)))
			}
			what := fmt.Sprintf(" with %d stored changes", changes)
			note(b, "one webhook at a time, p50"+what, "ms", p50, "no slower with more")
			note(b, fmt.Sprintf("tick of %d shops", historyShops)+what, "ms", took, "no slower with more")
			webhooks.add(b, changes, p50)
			ticks.add(b, changes, took)
		}
	})
}

// writeHistory adds changes of the past year, alternating between shops and items.
func (l *lagerd) writeHistory(from, to int) {
	l.b.Helper()
	const piece = 50_000
	for ; from < to; from += piece {
		l.exec(fmt.Sprintf(`INSERT INTO changes (shop, token, seq, n, kind, number, what, old_stock, new_stock, old_in_stock, new_in_stock,
			old_state, new_state, cause, webhook, observed_at, committed_at)
			SELECT CONCAT('shop', LPAD(seq %% %d, 5, '0')), 0, seq, 0, 'stock', CONCAT('past-', seq %% %d), 'stock', seq %% 100, seq %% 100 + 1, seq %% 100, seq %% 100 + 1,
			'ok', 'ok', 'webhook', 'came', UTC_TIMESTAMP(6) - INTERVAL seq %% 31000000 SECOND, UTC_TIMESTAMP(6) - INTERVAL seq %% 31000000 SECOND
			FROM seq_%d_to_%d`, historyShops, historyItems, from+1, min(to, from+piece)))
	}
	l.exec("ANALYZE TABLE changes")
}

// tick reconciles every shop now and returns how long that took.
func (l *lagerd) tick(shops int) time.Duration {
	l.b.Helper()
	passes := l.metric("lagerd_passes_total")
	must(l.b, l.proc.Signal(syscall.SIGUSR1))
	began := time.Now()
	for l.metric("lagerd_passes_total") < passes+float64(shops) {
		if time.Since(began) > time.Minute {
			l.b.Fatal("the tick does not end")
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

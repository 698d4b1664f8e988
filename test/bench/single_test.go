package bench_test

import (
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"lagerd/economic"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

const singleItems = 2000

// BenchmarkOneAtATime compares one webhook after another with one autocommitted insert after
// another.
func BenchmarkOneAtATime(b *testing.B) {
	once(b, func() {
		s := binary.Sandbox(b, "--agreements=1", fmt.Sprint("--products=", singleItems*3/2), noLimit)
		l := install(b, false, s.URL, 1, never)
		l.start()
		l.read(1)
		requests := webhookCalls(1, stocked(b, l, singleItems))
		l.exec("CREATE TABLE bench_rows LIKE hints")
		insert := l.inserts()
		plain := startPlain(b, 0)
		var p50 []row
		var alone []float64
		for n := range *rounds {
			l.settled()
			l.exec("DELETE FROM hints")
			must(b, s.Post(first, "import", map[string]int{"inStock": 1000 + n}, nil))
			alone = append(alone, quantile(send(b, plain, 1, requests).latencies, 0.5))
			l.exec("DELETE FROM bench_rows")
			rows := make([]time.Duration, singleItems)
			for i := range rows {
				began := time.Now()
				insert(i)
				rows[i] = time.Since(began)
			}
			with := send(b, l.Webhook, 1, requests)
			if with.refused > 0 {
				b.Errorf("%d webhooks were refused", with.refused)
			}
			p50 = append(p50, row{quantile(with.latencies, 0.5), quantile(rows, 0.5)})
		}
		report(b, "one webhook at a time, p50", "ms", p50, "≤ 1.3")
		note(b, "one at a time to the same server that stores nothing, p50", "ms", alone, "for comparison")
	})
}

// inserts returns a function that inserts a row like a hint's and commits it.
func (l *lagerd) inserts() func(n int) {
	l.b.Helper()
	l.db.SetMaxIdleConns(2)
	stmt, err := l.db.PrepareContext(l.b.Context(), "INSERT INTO bench_rows (shop, kind, number, cause, first_at, last_at, webhook_at, seen_gen, open, due_at) VALUES (?,?,?,?,?,?,?,1,1,?)")
	must(l.b, err)
	l.b.Cleanup(func() { _ = stmt.Close() })
	return func(n int) {
		now := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
		_, err := stmt.ExecContext(l.b.Context(), shopName(0), "stock", fmt.Sprint(n), "webhook", now, now, now, now)
		must(l.b, err)
	}
}

const (
	freshSamples = 40 // per round
	apiLatency   = 5 * time.Millisecond
)

// BenchmarkFreshness compares the time from a webhook's answer until its change is in the
// database with one read of the item and one committed row.
func BenchmarkFreshness(b *testing.B) {
	once(b, func() {
		s := binary.Sandbox(b, "--agreements=1", "--products=300", "--latency="+apiLatency.String())
		l := install(b, false, s.URL, 1, never)
		l.start()
		l.read(1)
		list := stocked(b, l, 200)
		l.exec("CREATE TABLE bench_rows LIKE hints")
		insert := l.inserts()
		fresh := l.freshness(s)
		var p50 []row
		var all []time.Duration
		var p99 []float64
		sample := 0
		for range *rounds {
			var times, alone []time.Duration
			for range freshSamples {
				number := list[sample%len(list)]
				sample++
				time.Sleep(30 * time.Millisecond)
				began := time.Now()
				get(b, s.URL+"/products/"+economic.EscapeNumber(number))
				insert(sample)
				alone = append(alone, time.Since(began))
				times = append(times, fresh(number, 100_000+sample))
			}
			all = append(all, times...)
			p50 = append(p50, row{quantile(times, 0.5), quantile(alone, 0.5)})
			p99 = append(p99, quantile(times, 0.99))
		}
		report(b, "freshness, p50", "ms", p50, "≤ 2")
		note(b, "freshness, p99", "ms", p99, "< 100")
		recordSamples(b, "freshness", all)
	})
}

const (
	slowAnswer     = 300 * time.Millisecond
	besideProducts = 40_000
	besideMost     = 1500 * time.Millisecond // between two webhooks
)

// BenchmarkFreshnessBesideSweep measures how long a webhook waits for a sweep of its shop if
// e-conomic is slow for each page.
func BenchmarkFreshnessBesideSweep(b *testing.B) {
	once(b, func() {
		s := binary.Sandbox(b, "--agreements=1", fmt.Sprint("--products=", besideProducts), noLimit)
		l := install(b, false, s.URL, 1, never)
		l.start()
		l.read(1)
		list := stocked(b, l, 200)
		fresh := l.freshness(s)
		var p50, longest []float64
		sample := 0
		chance := rand.New(rand.NewPCG(1, 2))
		for range *rounds {
			must(b, s.Faults(map[string]any{"slow": slowAnswer.String(), "slowProbability": 1}))
			swept := l.sweptAt()
			l.sweep()
			var times []time.Duration
			for {
				time.Sleep(time.Duration(chance.Int64N(int64(besideMost)))) // so that nothing is in step with the sweep
				sample++
				took := fresh(list[sample%len(list)], 100_000+sample)
				if l.sweptAt() != swept {
					break // the last one may not have waited
				}
				times = append(times, took)
			}
			must(b, s.Faults(map[string]any{"slow": "0s", "slowProbability": 0}))
			p50 = append(p50, quantile(times, 0.5))
			longest = append(longest, quantile(times, 1))
		}
		what := fmt.Sprintf("freshness beside a sweep of the shop, e-conomic answering in %s", slowAnswer)
		note(b, what+", p50", "ms", p50, "for comparison")
		note(b, what+", longest", "ms", longest, "for comparison")
	})
}

// freshness returns a function that gives an item another stock at e-conomic, calls the
// webhook, and returns how long after the answer the new stock is in the database.
func (l *lagerd) freshness(s sandboxtest.Client) func(number string, stock int) time.Duration {
	b := l.b
	stored, err := l.db.PrepareContext(b.Context(), "SELECT stock FROM items WHERE shop = ? AND number = ?")
	must(b, err)
	b.Cleanup(func() { _ = stored.Close() })
	return func(number string, stock int) time.Duration {
		b.Helper()
		figure := fmt.Sprintf("%d.0000", stock)
		must(b, s.Post(first, "adjust", map[string]any{"number": number, "inStock": stock}, nil))
		sent := send(b, l.Webhook, 1, webhookCalls(1, []string{number}))
		answeredAt := time.Now()
		if sent.refused > 0 {
			b.Fatal("a webhook was refused")
		}
		for {
			var is string
			must(b, stored.QueryRowContext(b.Context(), shopName(0), number).Scan(&is))
			if is == figure {
				return time.Since(answeredAt)
			}
			if time.Since(answeredAt) > time.Minute {
				b.Fatalf("%s is %s, expected %s", number, is, figure)
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
}

// stocked returns the numbers of the given count of items that carry a figure.
func stocked(b *testing.B, l *lagerd, count int) []string {
	b.Helper()
	rows, err := l.db.QueryContext(b.Context(), "SELECT number FROM items WHERE "+hinted+" ORDER BY number")
	must(b, err)
	defer rows.Close()
	list, err := scanAll(rows)
	must(b, err)
	if len(list) < count {
		b.Fatalf("%d items carry a figure, expected %d", len(list), count)
	}
	return list[:count]
}

func scanAll(rows *sql.Rows) (list []string, err error) {
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// get reads from the sandbox as the first agreement.
func get(b *testing.B, url string) []byte {
	b.Helper()
	body, err := fetch(url, 1)
	must(b, err)
	return body
}

// fetch reads from the sandbox as an agreement, counted from 1.
func fetch(url string, agreement int) ([]byte, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-AppSecretToken", lagerdtest.AppToken)
	req.Header.Set("X-AgreementGrantToken", fmt.Sprint("sandbox-grant-", agreement))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return body, err
}

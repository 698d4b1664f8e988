package e2e_test

import (
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

var (
	illShops = flag.Int("ill.shops", 12, "shops of TestIllNeighbors: half of them have an ill e-conomic")
	illFor   = flag.Duration("ill.for", 15*time.Second, "how long TestIllNeighbors lasts")
)

const (
	illMemory = 150.0 // MiB, the most that lagerd may take
	illFresh  = 6 * time.Second
	illOld    = 30 // invoices of each agreement from before its shop's start
)

// illnesses are the ways in which an e-conomic may be ill, those that concern whole listings of
// invoices first.
var illnesses = []map[string]any{
	{"ignoreFilter": 1},
	{"ignoreFilter": 0.5, "repeated": 0.5},
	{"emptyPage": 0.5},
	{"ignoreFilter": 0.5, "ignoreSort": 0.5, "garbled": 0.3}, // with odd dates too, nobody could tell an old invoice
	{"padding": 31},
	{"endless": 1},
	{"ignoreSort": 1},
	{"halfPage": 0.5},
	{"repeated": 1},
	{"oddDates": 1},
	{"endless": 0.5, "ignoreFilter": 1},
	{"padding": 20},
	{"hang": "60s"},
	{"slow": "2s", "slowProbability": 0.5},
	{"rateLimit": 0.5},
	{"rateLimit": 0.5, "noRetryAfter": true, "noLimitHeaders": true},
	{"serverError": 0.5},
	{"unauthorized": 0.3},
	{"forbidden": 0.3},
	{"cut": 0.3},
	{"garbled": 0.3},
	{"padding": 5},
	{"zeroStock": true},
	{"noFigures": true},
	{"truncate": 0.5},
	{"poison": []string{"00001", "00002"}},
	{"pdfHTML": 1},
	{"pdfCut": 1},
	{"clockSkew": "48h"},
	{"frozenUpdated": true, "readLag": "3s", "pdfLag": "1h"},
}

// TestIllNeighbors: half of the shops have an e-conomic that misbehaves in every way. The others'
// changes are stored as fast as ever, the memory stays small, and no shop stores an invoice from
// before its start, since none is hinted at.
func TestIllNeighbors(t *testing.T) {
	s := startSandbox(t, fmt.Sprint("--agreements=", *illShops), "--products=100")
	i := install(t, s, mariadbtest.New(t), pace)
	i.start()
	well := *illShops / 2
	today := time.Now().Format(time.DateOnly)
	old := make([]int64, *illShops) // the highest number from before the start
	codes := make([]string, *illShops)
	var adding sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n := range *illShops {
		adding.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for range illOld {
				var booked struct{ Number int64 }
				body := map[string]any{"date": "2020-01-02", "lines": []any{map[string]any{"number": "00003", "quantity": 1}}}
				if err := s.Post(first+n, "book", body, &booked); err != nil {
					t.Error(err)
					return
				}
				old[n] = max(old[n], booked.Number)
			}
			if n < well {
				codes[n] = i.AddShop(s.Client, shopOf(n), first+n, "--invoices-from", "1")
				return
			}
			if err := s.Send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/faults", first+n), illnesses[(n-well)%len(illnesses)], nil); err != nil {
				t.Error(err)
			}
			from := today
			if n%4 == 3 {
				from = fmt.Sprint(old[n] + 1)
			}
			i.Write(shopOf(n), grant(first+n))
			if out, code := run(t, i.Env, "", "shops", "add", shopOf(n), "--offline", "--grant-token-file", filepath.Join(i.dir, shopOf(n)), "--invoices-from", from); code != 0 {
				t.Errorf("shops add %s: exit %d\n%s", shopOf(n), code, out)
			}
		})
	}
	adding.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for n := range well {
		settled(t, i, s, shopOf(n), first+n)
	}
	db := i.database()
	defer db.Close()
	items := numbersOf(t, db, shopOf(0))
	began := time.Now().UTC()
	for n := 0; time.Since(began) < *illFor; n++ {
		for shop := range *illShops {
			s.post(first+shop, "adjust", map[string]any{"number": items[n%len(items)], "inStock": 1000 + n})
			if n%5 == 0 {
				s.post(first+shop, "book", map[string]any{"lines": []any{map[string]any{"number": "00003", "quantity": 1}}})
			}
		}
		time.Sleep(time.Second)
	}
	f := &flood{t: t, i: i, most: illMemory}
	lagerdtest.Eventually(t, time.Minute, "the well ones' hints are answered", func() bool {
		var open int
		err := db.QueryRow("SELECT COUNT(*) FROM hints WHERE open = 1 AND shop < ?", shopOf(well)).Scan(&open)
		return err == nil && open == 0
	})
	f.peak("at the end")
	var list []time.Duration
	fresh, err := db.Query("SELECT hinted_at, committed_at FROM changes WHERE shop < ? AND webhook = 'came' AND committed_at >= ?", shopOf(well), began.Format("2006-01-02 15:04:05.000000"))
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	for fresh.Next() {
		var hinted, committed sql.NullTime
		if err := fresh.Scan(&hinted, &committed); err != nil {
			t.Fatal(err)
		}
		list = append(list, committed.Time.Sub(hinted.Time))
	}
	if err := fresh.Err(); err != nil {
		t.Fatal(err)
	}
	p99 := quantileOf(list, 0.99)
	t.Logf("%d well shops beside %d ill ones: %d changes stored within %s (p99)", well, *illShops-well, len(list), p99)
	if len(list) == 0 || p99 > illFresh*patience {
		t.Errorf("expected at most %s", illFresh*patience)
	}
	stored, later := map[string]int{}, map[string]int{}
	rows, err := db.Query("SELECT shop, number FROM invoices")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var shop string
		var number int64
		if err := rows.Scan(&shop, &number); err != nil {
			t.Fatal(err)
		}
		for n := range old {
			if shop == shopOf(n) && number <= old[n] {
				stored[shop]++
			} else if shop == shopOf(n) {
				later[shop]++
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("later invoices of the ill shops: %v", later)
	for n := range old {
		if n >= well && stored[shopOf(n)] > 0 {
			t.Errorf("%s has %d invoices from before its start", shopOf(n), stored[shopOf(n)])
		}
		if n < well {
			i.equal(s, shopOf(n), first+n, 20*time.Second)
		}
	}
}

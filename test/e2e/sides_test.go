package e2e_test

import (
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"sync"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

var (
	sidesShops = flag.Int("sides.shops", 60, "shops of TestSides: half of them keep their stock at Rackbeat")
	sidesFor   = flag.Duration("sides.for", 0, "how long TestSides measures while a service hangs; 0: it is skipped")
)

const (
	sidesRatio = 1.2
	sidesTicks = 10 * time.Second
	sidesEvery = 3 * time.Second // between two changes of a shop
)

// ordinary are numbers of items that either service reads alone: ".." is in no path.
var ordinary = regexp.MustCompile(`^\d+$`)

// side are the shops whose stock is kept in one of the services.
type side struct {
	name   string
	faults string // path of the service's faults
	adjust string
	shops  []int
	items  [][]string
}

// TestSides measures how long webhooks take until they are stored, of shops of both sources in one
// lagerd, while both services answer and while one of them accepts calls and never answers: the
// other side is not slower. Shops at Rackbeat have their invoices at e-conomic, so that their own
// calls to it hang, too.
func TestSides(t *testing.T) {
	if *sidesFor == 0 {
		t.Skip("NOT TESTED: one service hanging beside the other: -sides.for is not set (`make rackbeat-sides` sets it)")
	}
	half := *sidesShops / 2
	s := startSandbox(t, fmt.Sprint("--agreements=", *sidesShops), fmt.Sprint("--rackbeat=", half), "--rackbeat-rate=0", "--products=200")
	i := &installation{Installation: lagerdtest.Install(t, lagerdtest.Setup{DSN: mariadbtest.New(t), REST: s.URL,
		Extra: fmt.Sprintf("reconcile: {schedule: \"@every %s\"}\n", sidesTicks)}), t: t}
	i.Lagerd, i.dir = binary.Command(t), i.Dir
	i.start()
	economic := &side{name: "e-conomic", faults: "/sandbox/faults", adjust: "adjust"}
	rackbeat := &side{name: "Rackbeat", faults: "/sandbox/rackbeat/faults", adjust: "rackbeat/adjust"}
	var adding sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n := range *sidesShops {
		of, add := economic, i.AddShop
		if n >= half { // the sandbox's last agreements
			of, add = rackbeat, i.AddRackbeatShop
		}
		of.shops = append(of.shops, n)
		adding.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			add(s.Client, shopOf(n), first+n, "--invoices-from", "1")
		})
	}
	adding.Wait()
	db := i.database()
	defer db.Close()
	lagerdtest.Eventually(t, 3*time.Minute, "all items are read", func() bool {
		var read int
		return db.QueryRow("SELECT COUNT(*) FROM progress WHERE swept_at IS NOT NULL").Scan(&read) == nil && read == *sidesShops
	})
	for _, of := range []*side{rackbeat, economic} {
		for _, n := range of.shops {
			stored := i.view(shopOf(n))
			maps.DeleteFunc(stored, func(number, stock string) bool { return stock == "" || !ordinary.MatchString(number) })
			of.items = append(of.items, slices.Sorted(maps.Keys(stored)))
		}
	}
	answer := map[string]any{"slow": "100ms", "slowProbability": 1}
	for _, of := range []*side{rackbeat, economic} {
		s.send(http.MethodPut, of.faults, answer, nil)
	}
	m := &sidesMeasured{t: t, i: i, s: s, db: db, sides: []*side{rackbeat, economic}, both: map[*side][]time.Duration{}, beside: map[*side][]time.Duration{}}
	m.measure("both answer", nil)
	m.measure("Rackbeat hangs", rackbeat)
	m.measure("both answer", nil)
	m.measure("e-conomic hangs", economic)
	m.measure("both answer", nil)
	for _, of := range m.sides {
		well, beside := quantileOf(m.both[of], 0.99), quantileOf(m.beside[of], 0.99)
		ratio := float64(beside) / float64(well)
		t.Logf("%s: while both answer %s", of.name, tails(m.both[of]))
		t.Logf("%s: while the other hangs %s: p99 %.2f times as long", of.name, tails(m.beside[of]), ratio)
		if len(m.beside[of]) == 0 || ratio > sidesRatio {
			t.Errorf("expected at most %v times", sidesRatio)
		}
	}
	for n := range *sidesShops {
		i.equal(s, shopOf(n), first+n, time.Minute)
	}
}

// sidesMeasured is a measurement of both sides.
type sidesMeasured struct {
	t      *testing.T
	i      *installation
	s      *sandbox
	db     *sql.DB
	sides  []*side
	traded int
	both   map[*side][]time.Duration // while both services answer
	beside map[*side][]time.Duration // while the other one hangs
}

// measure trades at both sides for a while, in which hangs, if not nil, does not answer.
func (m *sidesMeasured) measure(what string, hangs *side) {
	m.t.Helper()
	howLong := *sidesFor
	if hangs == nil {
		howLong /= 2
	} else {
		m.s.send(http.MethodPut, hangs.faults, map[string]any{"hang": "1h"}, nil)
	}
	var trading sync.WaitGroup
	made := map[*side][]traded{}
	var mu sync.Mutex
	began := time.Now().UTC()
	for _, of := range m.sides {
		for n := range of.shops {
			from := m.traded
			trading.Go(func() {
				list := m.trade(of, n, from, began.Add(howLong))
				mu.Lock()
				defer mu.Unlock()
				made[of] = append(made[of], list...)
			})
		}
	}
	trading.Wait()
	m.traded += int(howLong / sidesEvery)
	if hangs != nil {
		m.s.send(http.MethodPut, hangs.faults, map[string]any{"hang": "0s"}, nil)
	}
	for _, of := range m.sides {
		list := slices.Collect(maps.Values(awaitAges(m.t, m.db, made[of], began, 3*time.Minute)))
		m.t.Logf("%s: %s %s", what, of.name, tails(list))
		switch hangs {
		case nil:
			m.both[of] = append(m.both[of], list...)
		case of:
		default:
			m.beside[of] = append(m.beside[of], list...)
		}
	}
}

// trade changes items of a shop, each with its webhook, at regular moments that differ from shop
// to shop. from is how many it has changed before.
func (m *sidesMeasured) trade(of *side, n, from int, end time.Time) (made []traded) {
	shop := of.shops[n]
	next := time.Now().Add(sidesEvery * time.Duration(n) / time.Duration(len(of.shops)))
	for ; next.Before(end); next = next.Add(sidesEvery) {
		time.Sleep(time.Until(next))
		at := from + len(made)
		c := traded{shop: shopOf(shop), number: of.items[n][at%len(of.items[n])], stock: int64(10_000 + at), at: time.Now()}
		if err := m.s.Post(first+shop, of.adjust, map[string]any{"number": c.number, "inStock": c.stock}, nil); err != nil {
			m.t.Error(err)
			return made
		}
		made = append(made, c)
	}
	return made
}

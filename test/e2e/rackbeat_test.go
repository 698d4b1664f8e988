package e2e_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

var (
	rackbeatTrades = flag.Int("rackbeat.trades", 200, "trades of TestRackbeat")
	rackbeatKills  = flag.Int("rackbeat.kills", 2, "how often TestRackbeat kills lagerd")
	rackbeatSeed   = flag.Uint64("rackbeat.seed", 0, "what TestRackbeat draws its kills and waits from; 0: another each time")
)

// atRackbeat starts a sandbox whose agreements all keep their stock at Rackbeat.
func atRackbeat(t *testing.T, agreements int, args ...string) *sandbox {
	t.Helper()
	return startSandbox(t, append([]string{fmt.Sprint("--agreements=", agreements), fmt.Sprint("--rackbeat=", agreements), "--rackbeat-rate=0"}, args...)...)
}

func (i *installation) addRackbeatShop(s *sandbox, name string, agreement int, args ...string) string {
	i.t.Helper()
	return i.AddRackbeatShop(s.Client, name, agreement, args...)
}

// lossyRackbeat are the fates of Rackbeat's webhooks: 30 % are suppressed or lost.
var lossyRackbeat = map[string]any{"suppress": 0.15, "lose": 0.18, "double": 0.1, "late": 0.1, "lateBy": "2s", "reorder": 0.1, "firstRetry": "1s", "body": "mixed"}

// illRackbeat are faults of Rackbeat, each for a part of the trades.
var illRackbeat = []map[string]any{
	{"rateLimit": 0.03, "serverError": 0.1, "html": 0.05, "htmlErrors": true, "slow": "300ms", "slowProbability": 0.1, "cut": 0.05, "garbled": 0.05, "readLag": "300ms"},
	{"halfPage": 0.2, "emptyPage": 0.1, "endless": 0.1, "otherItem": 0.2, "createPaging": 0.1, "deletePaging": 0.1, "maxLimit": 50, "deleted": "listed"},
	{"unauthorized": 0.1, "forbidden": 0.1, "rateLimit": 0.03, "retryAfter": "date", "missingKeys": []string{"stock_quantity"}, "integerNumbers": true, "textPlaces": true},
	{"figures": "absent", "unevenPlaces": []string{"*"}, "partial": "always", "isoTimes": true, "textFigures": true, "decimals": 4},
	{"figures": "null", "truncate": 0.5, "deleted": "alone", "partial": "never", "clockSkew": "1h", "frozenUpdated": true, "placeIDs": true},
	{"zeroStock": true, "ownPlaces": true, "occupiedPlaces": true, "filters": true, "encodedSlash": true, "checkingTotal": true, "checkingFigure": true, "orderChanges": true},
	{"hang": "6s", "missingKeys": []string{"number", "total"}},
}

// illEconomic are faults of e-conomic meanwhile.
var illEconomic = map[string]any{
	"lose": 0.3, "double": 0.1, "late": 0.1, "lateBy": "2s", "rateLimit": 0.03, "serverError": 0.1, "cut": 0.05, "garbled": 0.05,
	"halfPage": 0.1, "emptyPage": 0.05, "slow": "300ms", "slowProbability": 0.1, "lateInvoice": 0.2, "invoiceLag": "3s",
	"pdfLag": "1s", "pdfHTML": 0.1, "pdfCut": 0.1,
}

// TestRackbeat trades at Rackbeat while webhooks are lost, both services show every fault the
// sandbox knows, and lagerd is killed. Once the faults stop everything becomes equal; nothing
// was counted as gone that is not, and lagerd has written nothing to Rackbeat.
func TestRackbeat(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	seed := *rackbeatSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		t.Logf("kills and waits are those of -rackbeat.seed=%d", seed)
		draw := rand.New(rand.NewPCG(seed, 0))
		s := atRackbeat(t, 2, "--products=300", "--seed=20")
		i := install(t, s, dsn, pace+"lease: {beat: 200ms, ttl: 1s}\n")
		i.start()
		i.addRackbeatShop(s, "shop1234", first, "--invoices-from", "1")
		i.addRackbeatShop(s, "shop5678", first+1, "--invoices-from", "1", "--places", "4,1")
		i.equalAtRackbeat(s, "shop1234", first, "", 30*time.Second)
		i.equalAtRackbeat(s, "shop5678", first+1, "4,1", 30*time.Second)
		s.send(http.MethodPut, "/sandbox/faults", illEconomic, nil)
		rounds, within := illRackbeat, 40*time.Second
		if *rackbeatTrades >= trades { // the long form: such an answer stops all calls for a minute or more
			rounds = append(slices.Clone(rounds), map[string]any{"retryAfter": "none", "force": map[string]int{"rateLimit": 2}})
			within = 5 * time.Minute
		}
		kills := map[int]bool{}
		for _, round := range draw.Perm(len(rounds))[:min(*rackbeatKills, len(rounds))] {
			kills[round] = true
		}
		for round, ill := range rounds {
			faults := maps.Clone(lossyRackbeat)
			maps.Copy(faults, ill)
			s.send(http.MethodDelete, "/sandbox/rackbeat/faults", nil, nil)
			s.send(http.MethodPut, "/sandbox/rackbeat/faults", faults, nil)
			trade(s, *rackbeatTrades/len(rounds)+1)
			time.Sleep(time.Duration(1500+draw.IntN(1500)) * time.Millisecond) // about a tick
			if kills[round] {
				i.daemon.kill()
				i.start()
			}
		}
		s.send(http.MethodDelete, "/sandbox/rackbeat/faults", nil, nil)
		s.send(http.MethodDelete, "/sandbox/faults", nil, nil)
		began := time.Now()
		i.equalAtRackbeat(s, "shop1234", first, "", within)
		i.equalAtRackbeat(s, "shop5678", first+1, "4,1", within)
		t.Logf("equal %s after the last fault", time.Since(began).Round(10*time.Millisecond))
		for n, shop := range []string{"shop1234", "shop5678"} {
			lagerdtest.Eventually(t, 20*time.Second, "no hint is left open", func() bool {
				st := i.status(shop)
				return st.OpenHints == 0 && st.State == "running"
			})
			if st := i.status(shop); st.MissedWebhooks == 0 {
				t.Errorf("%s: webhooks were lost, but none is counted as missed", shop)
			}
			i.noneFalselyGone(s, shop, first+n)
		}
		readOnly(t, s)
		noSecrets(t, i, s)
	})
}

// truthAtRackbeat is what a shop's views are to show that sells by these places, "" for an item's
// own figure.
func (s *sandbox) truthAtRackbeat(agreement int, places string) sandboxtest.Truth {
	s.t.Helper()
	is := s.truth(agreement)
	if places == "" {
		return is
	}
	at, err := s.RackbeatTruth(agreement)
	if err != nil {
		s.t.Fatal(err)
	}
	sums := map[string]decimal.Decimal{}
	for _, item := range at.Items {
		for place := range strings.SplitSeq(places, ",") {
			sums[item.Number] = sums[item.Number].Add(item.Places[place])
		}
	}
	for n := range is.Products {
		if p := &is.Products[n]; p.InStock != nil {
			sum := sums[p.Number]
			p.InStock = &sum
		}
	}
	return is
}

// equalAtRackbeat is equal for a shop that sells by these places.
func (i *installation) equalAtRackbeat(s *sandbox, shop string, agreement int, places string, within time.Duration) {
	i.t.Helper()
	i.eventuallyNone(within, shop+": not equal", func() []string {
		return append(i.differencesFrom(s.truthAtRackbeat(agreement, places), shop), i.placesDiffer(s, shop, agreement, places)...)
	})
}

// placesDiffer compares what the shop's software reads of each place with the places of Rackbeat
// that the shop sells by, "" for an item's own figure.
func (i *installation) placesDiffer(s *sandbox, shop string, agreement int, places string) (differ []string) {
	i.t.Helper()
	at, err := s.RackbeatTruth(agreement)
	if err != nil {
		i.t.Fatal(err)
	}
	seen := i.byPlace(shop)
	for _, item := range at.Items {
		for place := range strings.SplitSeq(places, ",") {
			key := item.Number + " in " + place
			if places == "" || !item.Enabled {
				continue
			}
			if held, shown := seen[key]; !shown || !held.Equal(item.Places[place]) {
				differ = append(differ, fmt.Sprintf("item %s: %s (shown: %t), expected %s", key, held, shown, item.Places[place]))
			}
			delete(seen, key)
		}
	}
	for key, held := range seen {
		differ = append(differ, fmt.Sprintf("item %s: %s, expected nothing", key, held))
	}
	return differ
}

// byPlace returns what a shop's software reads of each place, by number and place.
func (i *installation) byPlace(shop string) map[string]decimal.Decimal {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	rows, err := db.QueryContext(i.t.Context(), "SELECT item_number, place, in_stock FROM shop_stock_places WHERE shop = ?", shop)
	if err != nil {
		i.t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]decimal.Decimal{}
	for rows.Next() {
		var number, place string
		var held decimal.Decimal
		if err := rows.Scan(&number, &place, &held); err != nil {
			i.t.Fatal(err)
		}
		seen[number+" in "+place] = held
	}
	if err := rows.Err(); err != nil {
		i.t.Fatal(err)
	}
	return seen
}

// TestTransferBetweenPlaces moves goods between two chosen places, which changes no figure: the
// webhook of it, and without one the next listing, shows in the view, `why` and `diff`.
func TestTransferBetweenPlaces(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		s := atRackbeat(t, 1, "--products=40")
		i := install(t, s, dsn, pace)
		i.start()
		i.addRackbeatShop(s, "shop1234", first, "--invoices-from", "1", "--places", "1,4")
		i.equalAtRackbeat(s, "shop1234", first, "1,4", 30*time.Second)
		figures := i.view("shop1234")
		number := s.truth(first).Products[0].Number
		for _, announced := range []bool{true, false} {
			if !announced {
				s.post(first, "rackbeat/set", map[string]any{"active": false}) // the listing must find it
			}
			before := i.byPlace("shop1234")
			s.post(first, "rackbeat/transfer", map[string]any{"number": number, "quantity": 3, "place": 1, "to": 4})
			i.equalAtRackbeat(s, "shop1234", first, "1,4", 15*time.Second)
			after, three := i.byPlace("shop1234"), decimal.NewFromInt(3)
			if !after[number+" in 4"].Equal(before[number+" in 4"].Add(three)) || !after[number+" in 1"].Equal(before[number+" in 1"].Sub(three)) {
				t.Errorf("announced: %t: the places of %q are %v", announced, number, after)
			}
			if now := i.view("shop1234"); !maps.Equal(now, figures) {
				t.Errorf("announced: %t: a transfer changes the figures of %d items", announced, len(now)-same(now, figures))
			}
			in := fmt.Sprintf(" place 1 %s, place 4 %s", after[number+" in 1"], after[number+" in 4"])
			if out := i.command("why", "shop1234", number); !strings.Contains(out, in) || !strings.Contains(out, "Goods were moved between places; ") {
				t.Errorf("announced: %t: why says, without %q:\n%s", announced, in, out)
			}
		}
		if out := i.command("diff", "shop1234"); !strings.Contains(out, "stored: equal") {
			t.Errorf("diff says:\n%s", out)
		}
		i.daemon.kill()
		s.post(first, "rackbeat/transfer", map[string]any{"number": number, "quantity": 1, "place": 4, "to": 1})
		out, code := run(t, i.Env, "", "diff", "shop1234", "--item", number)
		if code != 1 || !strings.Contains(out, "places") || !strings.Contains(out, ", place 4 ") {
			t.Errorf("diff exits with %d and says:\n%s", code, out)
		}
		readOnly(t, s)
	})
}

// differencesFrom compares what the shop's software reads with a truth.
func (i *installation) differencesFrom(is sandboxtest.Truth, shop string) []string {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	differ, err := sandboxtest.Differences(i.t.Context(), db, is, shop)
	if err != nil {
		return []string{err.Error()}
	}
	return differ
}

// eventuallyNone waits until there are no differences any more.
func (i *installation) eventuallyNone(within time.Duration, what string, differ func() []string) {
	i.t.Helper()
	within *= lagerdtest.Slack
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		list := differ()
		if len(list) == 0 {
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("%s within %s: %d differences, such as\n  %s", what, within, len(list), strings.Join(list[:min(5, len(list))], "\n  "))
		}
	}
}

// noneFalselyGone checks that no item was ever counted as gone that is there. Numbers are not
// used twice in the test.
func (i *installation) noneFalselyGone(s *sandbox, shop string, agreement int) {
	i.t.Helper()
	there := map[string]bool{}
	for _, p := range s.truth(agreement).Products {
		there[p.Number] = true
	}
	db := i.database()
	defer db.Close()
	rows, err := db.QueryContext(i.t.Context(), "SELECT number FROM changes WHERE shop = ? AND kind = 'stock' AND what = 'gone'", shop)
	if err != nil {
		i.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var number string
		if err := rows.Scan(&number); err != nil {
			i.t.Fatal(err)
		}
		if there[number] {
			i.t.Errorf("%s: item %q was counted as gone because of faulty answers", shop, number)
		}
	}
	if err := rows.Err(); err != nil {
		i.t.Fatal(err)
	}
}

// sandboxStats is what the sandbox counted for an agreement.
type sandboxStats struct {
	Agreement  int      `json:"agreement"`
	Violations []string `json:"violations"`
	Rackbeat   struct {
		Calls          map[string]int `json:"calls"`
		Writes         map[string]int `json:"writes"`
		Busiest        int            `json:"busiest"`
		Limited        int            `json:"limited"`
		WithoutContact int            `json:"withoutContact"`
		Violations     []string       `json:"violations"`
	} `json:"rackbeat"`
}

func (s *sandbox) stats() (stats []sandboxStats) {
	s.t.Helper()
	s.send(http.MethodGet, "/sandbox/stats", nil, &stats)
	return stats
}

// readOnly checks that lagerd only reads at Rackbeat, says who it is, and makes no call that the
// real services would refuse.
func readOnly(t *testing.T, s *sandbox) {
	t.Helper()
	for n, of := range s.stats() {
		if of.Rackbeat.Calls["items"] == 0 {
			t.Errorf("agreement %d: no item was read at Rackbeat", first+n)
		}
		if len(of.Rackbeat.Writes) > 0 || of.Rackbeat.WithoutContact > 0 {
			t.Errorf("agreement %d: calls that write: %v; without a contact: %d", first+n, of.Rackbeat.Writes, of.Rackbeat.WithoutContact)
		}
		if refused := slices.Concat(of.Violations, of.Rackbeat.Violations); len(refused) > 0 {
			t.Errorf("agreement %d: the real services would have refused: %q", first+n, refused)
		}
	}
}

// TestSidesOfRackbeatShop breaks one of the two services of a shop at a time: the other goes on.
func TestSidesOfRackbeatShop(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		s := atRackbeat(t, 1, "--products=100")
		i := install(t, s, dsn, pace)
		i.start()
		i.addRackbeatShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		of := func(kind string) func() []string { // differences of items or of invoices
			return func() []string {
				return slices.DeleteFunc(i.differences(s, "shop1234", first), func(d string) bool { return !strings.HasPrefix(d, kind+" ") })
			}
		}
		own := func(method, service string, faults map[string]any) {
			t.Helper()
			s.send(method, fmt.Sprintf("/sandbox/agreements/%d/%sfaults", first, service), faults, nil)
		}
		for _, c := range []struct {
			down   string
			faults map[string]any
			goesOn string
		}{
			{"", map[string]any{"hang": "1h"}, "item"},
			{"", map[string]any{"unauthorized": 1}, "item"},
			{"rackbeat/", map[string]any{"hang": "1h"}, "invoice"},
			{"rackbeat/", map[string]any{"unauthorized": 1}, "invoice"},
		} {
			own(http.MethodPut, c.down, c.faults)
			s.post(first, "rackbeat/set", map[string]any{"active": false}) // the listing must find it
			s.post(first, "trade", map[string]int{"count": 20})
			s.post(first, "rackbeat/sell", map[string]any{"orderRef": "4711", "lines": []map[string]any{{"number": s.truth(first).Products[0].Number, "quantity": 1}}})
			i.eventuallyNone(15*time.Second, fmt.Sprintf("%s%v stops each %s", c.down, c.faults, c.goesOn), of(c.goesOn))
			if len(i.differences(s, "shop1234", first)) == 0 {
				t.Errorf("%s%v: the side that is down is equal too", c.down, c.faults)
			}
			own(http.MethodDelete, c.down, nil)
			i.equal(s, "shop1234", first, 20*time.Second)
		}
		readOnly(t, s)
	})
}

// TestRackbeatKey has a key that Rackbeat refuses replaced.
func TestRackbeatKey(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		s := atRackbeat(t, 1, "--products=50")
		i := install(t, s, dsn, pace)
		i.start()
		i.addRackbeatShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		const newKey = "sandbox-new-key-of-rackbeat"
		s.post(first, "rackbeat/key", map[string]any{"key": newKey})
		s.post(first, "trade", map[string]int{"count": 20})
		lagerdtest.Eventually(t, 15*time.Second, "stock is held since the key is refused", func() bool {
			st := i.status("shop1234")
			return st.Held == "token_refused"
		})
		if out, _ := run(t, i.Env, "", "check"); !strings.Contains(out, "shop shop1234") || !strings.Contains(out, "key") {
			t.Errorf("check says nothing of the key:\n%s", out)
		}
		i.write("new.key", newKey)
		i.Secrets = append(i.Secrets, newKey)
		if out := i.command("shops", "set", "shop1234", "--rackbeat-key-file", i.Path("new.key")); !strings.Contains(out, "Rackbeat says: account") {
			t.Errorf("shops set says %q", out)
		}
		i.equal(s, "shop1234", first, 15*time.Second)
		lagerdtest.Eventually(t, 10*time.Second, "the hold ends", func() bool { return i.status("shop1234").State == "running" })
		readOnly(t, s)
		noSecrets(t, i, s)
	})
}

// TestRackbeatsWaitOutlivesLagerd kills lagerd while Rackbeat takes no calls: neither the next one nor
// a command makes any, and each says why.
func TestRackbeatsWaitOutlivesLagerd(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		s := atRackbeat(t, 1, "--products=20")
		i := install(t, s, dsn, pace)
		i.start()
		i.addRackbeatShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		db := i.database()
		defer db.Close()
		stored := func(query string) (n int) {
			t.Helper()
			if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		s.send(http.MethodPut, "/sandbox/rackbeat/faults", map[string]any{"rateLimit": 1, "retryAfter": "none"}, nil)
		lagerdtest.Eventually(t, 15*time.Second, "the 429 is stored", func() bool {
			return stored("SELECT COUNT(*) FROM rackbeat_calls WHERE blocked_until IS NOT NULL AND blocked_for_us >= 60000000") == 1
		})
		s.send(http.MethodDelete, "/sandbox/rackbeat/faults", nil, nil)
		i.daemon.kill()
		exec1(t, db, "UPDATE rackbeat_calls SET blocked_until = '2999-01-01 00:00:00', blocked_for_us = 600000000") // long enough for a slow machine
		before, booked := s.rackbeatCalls(), stored("SELECT calls FROM rackbeat_calls")
		i.start()
		s.post(first, "trade", map[string]int{"count": 5})
		if out, code := run(t, i.Env, "", "shops", "places", "shop1234"); code == 0 || !strings.Contains(out, "rate limit is reached, try again in") {
			t.Errorf("places: exit %d\n%s", code, out)
		}
		if out, _ := run(t, i.Env, "", "check"); !strings.Contains(out, "rate limit is reached, try again in") {
			t.Errorf("check says nothing of it:\n%s", out)
		}
		time.Sleep(5 * time.Second) // some ticks
		if after := s.rackbeatCalls(); after != before {
			t.Errorf("%d calls to Rackbeat were made", after-before)
		}
		if is := stored("SELECT calls FROM rackbeat_calls"); is < booked {
			t.Errorf("%d calls are booked, and %d were", is, booked)
		}
		i.daemon.kill()
		exec1(t, db, "UPDATE rackbeat_calls SET blocked_until = NULL")
		i.start()
		i.equal(s, "shop1234", first, 20*time.Second)
		i.command("shops", "places", "shop1234")
		readOnly(t, s)
	})
}

// rackbeatCalls returns how many calls have been made to Rackbeat.
func (s *sandbox) rackbeatCalls() (calls int) {
	s.t.Helper()
	var stats []struct {
		Rackbeat struct {
			Calls map[string]int `json:"calls"`
		} `json:"rackbeat"`
	}
	s.send(http.MethodGet, "/sandbox/stats", nil, &stats)
	for _, of := range stats {
		for _, n := range of.Rackbeat.Calls {
			calls += n
		}
	}
	return calls
}

// TestMoveToRackbeatAndBack moves a shop between its sources, whose figures all differ, and reads
// its view all the time: that never shows figures of both.
func TestMoveToRackbeatAndBack(t *testing.T) { //nolint:tparallel // its subtests do, in what databases calls
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		t.Parallel()
		s := startSandbox(t, "--agreements=1", "--products=400", "--rackbeat-rate=0")
		i := install(t, s, dsn, pace)
		i.start()
		code := i.addShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		economic := i.view("shop1234")
		key := lagerdtest.RackbeatKey(first)
		s.send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/rackbeat", first), map[string]any{"key": key, "staleInventory": true}, nil)
		at, err := s.RackbeatTruth(first)
		if err != nil {
			t.Fatal(err)
		}
		rackbeat := maps.Clone(economic)
		for _, item := range at.Items {
			if item.Enabled {
				stock := item.Stock.Add(decimal.NewFromInt(5000))
				rackbeat[item.Number] = stock.String()
				s.post(first, "rackbeat/adjust", map[string]any{"number": item.Number, "inStock": stock})
			}
		}
		i.write("rackbeat-key", key)
		i.write("tokens", "the-token-of-rackbeat-of-shop1234")
		i.Secrets = append(i.Secrets, key, "the-token-of-rackbeat-of-shop1234")
		i.EnterAtRackbeat(s.Client, "shop1234", first, code, "the-token-of-rackbeat-of-shop1234")
		move := func(from, to map[string]string, args ...string) {
			t.Helper()
			if out := i.command(append([]string{"shops", "set", "shop1234", "--yes"}, args...)...); !strings.Contains(strings.Join(strings.Fields(out), " "), "With the stock from there:") {
				t.Errorf("%q says nothing of what would change:\n%s", args, out)
			}
			for deadline := time.Now().Add(20 * time.Second); ; {
				seen := i.view("shop1234")
				if maps.Equal(seen, to) {
					break
				}
				if !maps.Equal(seen, from) {
					t.Fatalf("after %q the view shows neither the one source's figures nor the other's: %d items, %d as before, %d as after", args, len(seen), same(seen, from), same(seen, to))
				}
				if time.Now().After(deadline) {
					t.Fatalf("after %q the view shows the former source's figures for too long:\n%s", args, i.command("status", "shop1234"))
				}
			}
		}
		for n := range 2 {
			to := []string{"--stock-source", "rackbeat"}
			if n == 0 { // later it is stored
				to = append(to, "--rackbeat-key-file", i.Path("rackbeat-key"), "--rackbeat-webhook-token-file", i.Path("tokens"))
			}
			move(economic, rackbeat, to...)
			i.equal(s, "shop1234", first, 10*time.Second)
			move(rackbeat, economic, "--stock-source", "economic")
		}
		readOnly(t, s)
		noSecrets(t, i, s)
	})
}

// TestMoveInterrupted: a signal ends the comparison before a move within five seconds, whichever
// service it waits for, and nothing is stored.
func TestMoveInterrupted(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=50", "--rackbeat-rate=0")
	i := install(t, s, "", pace)
	i.start()
	i.addShop(s, "shop1234", first, "--invoices-from", "1")
	settled(t, i, s, "shop1234", first)
	key := lagerdtest.RackbeatKey(first)
	s.send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/rackbeat", first), map[string]any{"key": key, "staleInventory": true}, nil)
	i.write("rackbeat-key", key)
	interrupted := func(from string, signal syscall.Signal, waits func(p *process) bool, args ...string) {
		t.Helper()
		p := start(t, i.Env, append([]string{"shops", "set", "shop1234", "--yes"}, args...)...)
		lagerdtest.Eventually(t, 20*time.Second, "the comparison begins", func() bool { return waits(p) })
		time.Sleep(300 * time.Millisecond)
		p.signal(signal)
		if code := p.wait(5 * time.Second); code != 1 || !strings.Contains(p.out.String(), "nothing was changed for shop1234: compare its items with those to come: interrupted") {
			t.Errorf("%v, %s: exit %d\n%s", args, signal, code, p.out)
		}
		if show := i.command("shops", "show", "shop1234"); !strings.Contains(show, "on, in_stock, from "+from) {
			t.Errorf("%v, %s: something was stored:\n%s", args, signal, show)
		}
	}
	toRackbeat := []string{"--stock-source", "rackbeat", "--rackbeat-key-file", i.Path("rackbeat-key")}
	s.send(http.MethodPut, "/sandbox/rackbeat/faults", map[string]any{"slow": "3s", "slowProbability": 1}, nil)
	said := func(p *process) bool { return strings.Contains(p.out.String(), "Rackbeat says: account") }
	interrupted("economic\n", syscall.SIGTERM, said, toRackbeat...)
	interrupted("economic\n", syscall.SIGINT, said, toRackbeat...)
	s.send(http.MethodDelete, "/sandbox/rackbeat/faults", nil, nil)

	i.command(append([]string{"shops", "set", "shop1234", "--yes"}, toRackbeat...)...)
	s.send(http.MethodPut, "/sandbox/faults", map[string]any{"slow": "2s", "slowProbability": 1}, nil)
	i.write("grant", grant(first))
	asked := func(p *process) bool { return strings.Contains(p.out.String(), "e-conomic says: agreement") }
	interrupted("rackbeat ", syscall.SIGTERM, asked, "--stock-source", "economic", "--grant-token-file", i.Path("grant"))
}

// view returns the figures that a shop's software reads, by number, as of one moment.
func (i *installation) view(shop string) map[string]string {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	rows, err := db.QueryContext(i.t.Context(), "SELECT item_number, stock FROM shop_stock WHERE shop = ?", shop)
	if err != nil {
		i.t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]string{}
	for rows.Next() {
		var number string
		var stock decimal.NullDecimal
		if err := rows.Scan(&number, &stock); err != nil {
			i.t.Fatal(err)
		}
		seen[number] = ""
		if stock.Valid {
			seen[number] = stock.Decimal.String()
		}
	}
	if err := rows.Err(); err != nil {
		i.t.Fatal(err)
	}
	return seen
}

// same counts the items that both views show alike.
func same(a, b map[string]string) (n int) {
	for number, stock := range a {
		if other, there := b[number]; there && other == stock {
			n++
		}
	}
	return n
}

// TestPrintedCommandsOfRackbeat runs the commands that `shops add` prints as they are printed.
func TestPrintedCommandsOfRackbeat(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	t.Parallel()
	s := atRackbeat(t, 1, "--products=20")
	i := install(t, s, "", "reconcile: {schedule: \"0 0 1 1 *\"}\n") // no tick: only webhooks change a figure
	i.start()
	i.write("grant", grant(first))
	i.write("rackbeat-key", lagerdtest.RackbeatKey(first))
	printed := i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--stock-source", "rackbeat", "--rackbeat-key-file", i.Path("rackbeat-key"))
	begin, end := strings.Index(printed, "  umask 077\n"), strings.Index(printed, "  done\n")
	if begin < 0 || end < begin {
		t.Fatalf("no commands are printed:\n%s", printed)
	}
	sh := exec.CommandContext(t.Context(), "sh", "-e")
	sh.Dir, sh.Stdin = i.Dir, strings.NewReader(printed[begin:end]+"  done\n")
	if out, err := sh.CombinedOutput(); err != nil || strings.Count(string(out), `"is_active":true`) != 3 {
		t.Fatalf("%v:\n%s\nafter\n%s", err, out, printed[begin:end])
	}
	i.equal(s, "shop1234", first, 20*time.Second) // a new shop is read at once
	s.post(first, "rackbeat/adjust", map[string]any{"number": s.truth(first).Products[0].Number, "inStock": 77})
	i.equal(s, "shop1234", first, 20*time.Second)
}

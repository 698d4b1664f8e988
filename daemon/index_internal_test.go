package daemon

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
)

// TestUsesAreRecorded: the use of an only code is recorded once; while a shop has two
// codes, again after a minute. A wrong code is never recorded.
func TestUsesAreRecorded(t *testing.T) {
	t.Parallel()
	keys, err := secret.Load([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(nil, keys)
	live := func(shop, text string, among bool) *code {
		return &code{hash: keys.HashCode(shop, text), among: among}
	}
	x.codes = map[string][]*code{"one": {live("one", "a", false)}, "two": {live("two", "a", true), live("two", "b", true)}}
	for _, c := range []struct {
		shop, code string
		good       bool
		recorded   int
	}{
		{"one", "a", true, 1}, {"one", "a", true, 1}, {"one", "b", false, 1}, {"none", "a", false, 1}, {"one", "", false, 1},
		{"two", "b", true, 2}, {"two", "b", true, 2}, {"two", "a", true, 3}, {"two", "c", false, 3},
	} {
		if good := x.Authenticate(c.shop, c.code); good != c.good || len(x.uses) != c.recorded {
			t.Errorf("%s %s: %v, %d uses recorded, want %v and %d", c.shop, c.code, good, len(x.uses), c.good, c.recorded)
		}
	}
	long := time.Now().Add(-recordEvery).Unix()
	for _, shop := range []string{"one", "two"} {
		x.codes[shop][0].recorded.Store(long)
		x.Authenticate(shop, "a")
	}
	if n := len(x.uses); n != 4 {
		t.Errorf("a minute later %d uses are recorded, want 4: that of an only code is recorded once", n)
	}
	if u := x.uses[3]; u.Shop != "two" || string(u.CodeHash) != string(x.codes["two"][0].hash[:]) {
		t.Errorf("recorded: %+v", store.CodeUse{Shop: u.Shop})
	}
}

// TestHeaderCodesAreApart: a header code is good in a header alone and an entered one in the
// parameters alone, and the one does not make the other's use recorded again.
func TestHeaderCodesAreApart(t *testing.T) {
	t.Parallel()
	keys, err := secret.Load([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	must(t, err)
	x := newIndex(nil, keys)
	stored := func(text string, kind plan.Kind) store.ShopCode {
		hash := keys.HashCode("a", text)
		return store.ShopCode{Shop: "a", Kind: kind, CodeHash: hash[:]}
	}
	x.codes, x.inHeader = readCodes([]store.ShopCode{stored("entered", ""), stored("stock", plan.KindStock), stored("old", plan.KindInvoice), stored("new", plan.KindInvoice)})
	for _, c := range []struct {
		text              string
		entered, inHeader bool
	}{{"entered", true, false}, {"stock", false, true}, {"old", false, true}, {"new", false, true}, {"", false, false}, {"other", false, false}} {
		if entered, inHeader := x.Authenticate("a", c.text), x.AuthenticateHeader("a", c.text); entered != c.entered || inHeader != c.inHeader {
			t.Errorf("%s: as a password %t, in a header %t", c.text, entered, inHeader)
		}
	}
	if x.AuthenticateHeader("b", "stock") {
		t.Error("another shop's code is good")
	}
	var among []bool
	for _, c := range slices.Concat(x.codes["a"], x.inHeader["a"]) {
		among = append(among, c.among)
	}
	if !slices.Equal(among, []bool{false, false, true, true}) {
		t.Errorf("codes with others beside them: %v", among)
	}
}

// TestRackbeatTokens: of a shop that has tokens stored, one of them is needed; of any other, any
// is good.
func TestRackbeatTokens(t *testing.T) {
	t.Parallel()
	hashes := func(tokens ...string) (list []byte) {
		for _, token := range tokens {
			hash := sha256.Sum256([]byte(token))
			list = append(list, hash[:]...)
		}
		return list
	}
	x := newIndex(nil, nil)
	x.shops = map[string]store.Shop{"none": {}, "one": {RackbeatTokenHash: hashes("a")}, "two": {RackbeatTokenHash: hashes("a", "b")}, "cut off": {RackbeatTokenHash: hashes("a")[:31]}}
	for _, c := range []struct {
		shop, token string
		good        bool
	}{
		{"none", "", true}, {"none", "x", true}, {"one", "a", true}, {"one", "", false}, {"one", "A", false}, {"one", "ab", false},
		{"two", "a", true}, {"two", "b", true}, {"two", "c", false}, {"two", "", false}, {"cut off", "a", false},
	} {
		if good := x.AuthenticateToken(c.shop, c.token); good != c.good {
			t.Errorf("%s, token %q: %t", c.shop, c.token, good)
		}
	}
}

// TestRefresh: the index knows the shops and codes that are in the database, when they change
// and not before, and keeps what it knows if they cannot be read.
func TestRefresh(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := &watched{path: filepath.Join(t.TempDir(), "lagerd.db")}
	queries := 0
	w.before = func() { queries++ }
	s, err := store.Open(ctx, store.Options{Embedded: sql.OpenDB(w)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(ctx))
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	hash := func(shop, code string) []byte { h := keys.HashCode(shop, code); return h[:] }
	x := newIndex(s, keys)
	good := func(when string, want ...string) {
		t.Helper()
		for _, shop := range []string{"a", "b"} {
			known := false
			for _, code := range []string{"1", "2"} {
				is := slices.Contains(want, shop+code)
				known = known || is
				if x.Authenticate(shop, code) != is {
					t.Errorf("%s: code %s of %s is good: %t", when, code, shop, !is)
				}
			}
			if got, ok := x.Shop(shop); ok != known || known && got.Shop != shop {
				t.Errorf("%s: %s is known: %t, as %q", when, shop, ok, got.Shop)
			}
		}
	}
	must(t, x.Refresh(ctx))
	good("without shops")
	must(t, s.AddShop(ctx, store.Shop{Shop: "a", GrantToken: []byte{1}}, hash("a", "1"), time.Now()))
	must(t, s.AddShop(ctx, store.Shop{Shop: "b", GrantToken: []byte{1}}, hash("b", "2"), time.Now()))
	for failing := 0; ; failing++ { // each query in turn
		broken, stop := context.WithCancel(ctx)
		queries = 0
		w.before = func() {
			if queries++; queries > failing {
				stop()
			}
		}
		err := x.Refresh(broken)
		stop()
		w.before = func() { queries++ }
		if queries <= failing {
			must(t, err)
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("query %d failed: %v", failing+1, err)
		}
		good("a query failed")
	}
	good("two shops", "a1", "b2")
	if len(x.uses) != 2 {
		t.Errorf("%d uses are recorded", len(x.uses))
	}

	must(t, x.flush(ctx))
	if len(x.uses) != 0 {
		t.Error("saved uses are still pending")
	}
	queries = 0
	must(t, x.Refresh(ctx))
	if queries != 1 {
		t.Errorf("without a change it made %d queries", queries)
	}
	must(t, s.AddCode(ctx, "a", hash("a", "2"), time.Now()))
	must(t, s.RemoveShop(ctx, "b"))
	must(t, x.Refresh(ctx))
	recently := x.codes["a"][0].recorded.Load()
	if ago := time.Now().Unix() - recently; ago < 0 || ago > 60 || !x.codes["a"][0].among || x.codes["a"][1].recorded.Load() != 0 {
		t.Errorf("the first code was used %d s ago, among others: %t", ago, x.codes["a"][0].among)
	}
	good("a code more, a shop less", "a1", "a2")
	if len(x.uses) != 1 || string(x.uses[0].CodeHash) != string(hash("a", "2")) {
		t.Errorf("%d uses are recorded, expected that of the new code", len(x.uses))
	}
	generation, err := s.ShopsGeneration(ctx)
	must(t, err)
	if x.Generation() != generation {
		t.Errorf("its generation is %d, expected %d", x.Generation(), generation)
	}
}

// TestUsesAreSaved: uses that cannot be saved stay pending, in their order, with one warning;
// at the stop they are saved a last time.
func TestUsesAreSaved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	open := func() *store.Store {
		s, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "lagerd.db")})
		must(t, err)
		must(t, s.Migrate(ctx))
		return s
	}
	closed, s := open(), open()
	must(t, closed.Close())
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.AddShop(ctx, store.Shop{Shop: "a", GrantToken: []byte{1}}, []byte("1"), time.Now()))
	log, hook := test.NewNullLogger()
	x := newIndex(closed, nil)
	use := func(code string) { x.uses = append(x.uses, store.CodeUse{Shop: "a", CodeHash: []byte(code)}) }
	use("1")
	if err := x.flush(ctx); err == nil || len(x.uses) != 1 {
		t.Errorf("%v, %d pending", err, len(x.uses))
	}
	use("2")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		x.Run(ctx, log)
	})
	var said []string
	for _, e := range hook.AllEntries() {
		said = append(said, e.Message)
	}
	if want := []string{"cannot save uses of integration codes; will retry", "cannot save uses of integration codes"}; !slices.Equal(said, want) {
		t.Errorf("it logged %q, expected %q", said, want)
	}
	if len(x.uses) != 2 || string(x.uses[0].CodeHash) != "1" {
		t.Errorf("pending: %+v", x.uses)
	}
	x.store = s
	hook.Reset()
	stopped, stop := context.WithCancel(ctx)
	stop()
	x.Run(stopped, log)
	codes, err := s.CodesOf(ctx, "a")
	must(t, err)
	if len(codes) != 1 || codes[0].UsedAt.IsZero() || len(x.uses) != 0 || len(hook.AllEntries()) != 0 {
		t.Errorf("saved: %+v, %d pending, logged %v", codes, len(x.uses), hook.LastEntry())
	}
}

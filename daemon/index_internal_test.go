package daemon

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/storetest"
	"lagerd/webhook"
)

// TestUnchangedShopsAreShared: a reread keeps what it has of shops that have not changed, which those
// who reconcile them share. A rekeying changes no shop's generation, and yet what is kept of it.
func TestUnchangedShopsAreShared(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	for _, name := range []string{"changed", "resealed", "same"} {
		shop := store.Shop{Shop: name, GrantToken: []byte("grant"), StockOn: true, StockSource: store.SourceEconomic}
		if err := s.AddShop(t.Context(), shop, []byte("hash"), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	x := newIndex(s, nil)
	read := func() (changed, resealed, same *store.Shop) {
		if err := x.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		changed, _ = x.Shop("changed")
		resealed, _ = x.Shop("resealed")
		same, _ = x.Shop("same")
		return changed, resealed, same
	}
	changed, resealed, same := read()
	if err := s.SetShop(t.Context(), "changed", time.Now(), func(shop *store.Shop) error {
		shop.Email = "owner@shop.example"
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reseal(t.Context(), []store.Resealed{{Sealed: store.Sealed{Shop: "resealed", Kind: store.SecretGrant, Text: []byte("grant")}, Anew: []byte("anew")}}); err != nil {
		t.Fatal(err)
	}
	changedNow, resealedNow, sameNow := read()
	if changedNow == changed || changed.Email != "" || changedNow.Email != "owner@shop.example" {
		t.Errorf("changed: %+v, then %+v", changed, changedNow)
	}
	if resealedNow == resealed || string(resealedNow.GrantToken) != "anew" {
		t.Errorf("sealed anew: %+v", resealedNow)
	}
	if sameNow != same {
		t.Error("what is kept of a shop that has not changed is not shared")
	}
}

// TestRefreshSaysWhatFailed: of shops and codes, which are read side by side, the one that fails ends
// the other, and it is its error that is told.
func TestRefreshSaysWhatFailed(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"shops", "shop_codes"} {
		path := storetest.New(t)
		s, err := store.Open(t.Context(), store.Options{Path: path})
		must(t, err)
		t.Cleanup(func() { _ = s.Close() })
		db, err := sql.Open("sqlite", path)
		must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		_, err = db.ExecContext(t.Context(), "ALTER TABLE "+table+" RENAME TO away")
		must(t, err)
		if err := newIndex(s, nil).Refresh(t.Context()); err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), table) {
			t.Errorf("without %s: %v", table, err)
		}
	}
}

// TestUsesAreRecorded: the use of an only code is recorded once; while a shop has two
// codes, again after a minute. A wrong code is never recorded, nor what a person tries.
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
	x.callees = map[string]callee{"one": {codes: []*code{live("one", "a", false)}}, "two": {codes: []*code{live("two", "a", true), live("two", "b", true)}}}
	for shop := range x.callees {
		if _, good := x.Authenticate(shop, "a", true); !good || len(x.uses) > 0 {
			t.Errorf("%s tried by a person: %t, %d uses recorded, want none", shop, good, len(x.uses))
		}
	}
	for _, c := range []struct {
		shop, code string
		good       bool
		recorded   int
	}{
		{"one", "a", true, 1}, {"one", "a", true, 1}, {"one", "b", false, 1}, {"none", "a", false, 1}, {"one", "", false, 1},
		{"two", "b", true, 2}, {"two", "b", true, 2}, {"two", "a", true, 3}, {"two", "c", false, 3},
	} {
		if _, good := x.Authenticate(c.shop, c.code, false); good != c.good || len(x.uses) != c.recorded {
			t.Errorf("%s %s: %v, %d uses recorded, want %v and %d", c.shop, c.code, good, len(x.uses), c.good, c.recorded)
		}
	}
	long := time.Now().Add(-recordEvery).Unix()
	for _, shop := range []string{"one", "two"} {
		x.callees[shop].codes[0].recorded.Store(long)
		x.Authenticate(shop, "a", false)
	}
	if n := len(x.uses); n != 4 {
		t.Errorf("a minute later %d uses are recorded, want 4: that of an only code is recorded once", n)
	}
	if u := x.uses[3]; u.Shop != "two" || string(u.CodeHash) != string(x.callees["two"].codes[0].hash[:]) {
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
	entered, inHeader := readCodes([]store.ShopCode{stored("entered", ""), stored("stock", plan.KindStock), stored("old", plan.KindInvoice), stored("new", plan.KindInvoice)})
	x.callees = map[string]callee{"a": {codes: entered["a"], inHeader: inHeader["a"]}}
	for _, c := range []struct {
		text              string
		entered, inHeader bool
	}{{"entered", true, false}, {"stock", false, true}, {"old", false, true}, {"new", false, true}, {"", false, false}, {"other", false, false}} {
		_, entered := x.Authenticate("a", c.text, false)
		if _, inHeader := x.AuthenticateHeader("a", c.text); entered != c.entered || inHeader != c.inHeader {
			t.Errorf("%s: as a password %t, in a header %t", c.text, entered, inHeader)
		}
	}
	if _, good := x.AuthenticateHeader("b", "stock"); good {
		t.Error("another shop's code is good")
	}
	var among []bool
	for _, c := range slices.Concat(entered["a"], inHeader["a"]) {
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
	x.shops = map[string]*store.Shop{"none": {}, "one": {RackbeatTokenHash: hashes("a")}, "two": {RackbeatTokenHash: hashes("a", "b")}, "cut off": {RackbeatTokenHash: hashes("a")[:31]}}
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
	w := &watched{path: storetest.New(t)}
	queries := 0
	w.before = func() { queries++ }
	s, err := store.Open(ctx, store.Options{Embedded: sql.OpenDB(w)})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
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
				if _, ok := x.Authenticate(shop, code, false); ok != is {
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
	recently := x.callees["a"].codes[0].recorded.Load()
	if ago := time.Now().Unix() - recently; ago < 0 || ago > 60 || !x.callees["a"].codes[0].among || x.callees["a"].codes[1].recorded.Load() != 0 {
		t.Errorf("the first code was used %d s ago, among others: %t", ago, x.callees["a"].codes[0].among)
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

// TestWhatAnswersDependOn: the index knows a shop's language and what stops its parts, after a
// change of the shop and after one of what is held, which is not a change of the shop.
func TestWhatAnswersDependOn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := storetest.New(t)
	s, err := store.Open(ctx, store.Options{Path: path})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	hash := keys.HashCode("a", "1")
	must(t, s.AddShop(ctx, store.Shop{Shop: "a", GrantToken: []byte{1}, StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true, Lang: lang.English}, hash[:], time.Now()))
	x := newIndex(s, keys)
	says := func(when string, want webhook.Shop) {
		t.Helper()
		if got, ok := x.Authenticate("a", "1", false); !ok || got != want {
			t.Errorf("%s: %+v, %t, expected %+v", when, got, ok, want)
		}
		if got, ok := x.Authenticate("a", "2", false); ok || got != (webhook.Shop{}) {
			t.Errorf("%s: a wrong code tells of %+v", when, got)
		}
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	exec := func(statement string) {
		t.Helper()
		_, err := db.ExecContext(ctx, statement)
		must(t, err)
	}
	must(t, x.Refresh(ctx))
	must(t, x.refreshHolds(ctx))
	says("a new shop", webhook.Shop{Lang: lang.English})
	exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('a', 'stock', 'losses', '', '2026-11-23'), ('gone', 'shop', 'forbidden', '', '2026-11-23')")
	must(t, x.Refresh(ctx))
	says("held, before that is read", webhook.Shop{Lang: lang.English})
	must(t, x.refreshHolds(ctx))
	says("held", webhook.Shop{Lang: lang.English, Stock: webhook.NextHeld})
	must(t, s.SetShop(ctx, "a", time.Now(), func(shop *store.Shop) error { shop.Lang = lang.Danish; return nil }))
	must(t, x.Refresh(ctx))
	says("held, with another language", webhook.Shop{Lang: lang.Danish, Stock: webhook.NextHeld})
	must(t, s.SetShop(ctx, "a", time.Now(), func(shop *store.Shop) error { shop.PausedAt = store.At(time.Now()); return nil }))
	must(t, x.Refresh(ctx))
	says("paused", webhook.Shop{Lang: lang.Danish, Stock: webhook.NextPaused, Invoices: webhook.NextPaused})
	must(t, s.SetShop(ctx, "a", time.Now(), func(shop *store.Shop) error { shop.PausedAt = store.Time{}; return nil }))
	exec("UPDATE holds SET scope = 'pdf' WHERE shop = 'a'")
	must(t, x.Refresh(ctx))
	must(t, x.refreshHolds(ctx))
	says("PDFs are held", webhook.Shop{Lang: lang.Danish, Invoices: webhook.NextPDFHeld})
	exec("DELETE FROM holds")
	must(t, x.refreshHolds(ctx))
	says("no longer held", webhook.Shop{Lang: lang.Danish})
	must(t, s.Close())
	if err := x.refreshHolds(ctx); err == nil {
		t.Error("what is held was read from a closed database")
	}
	says("without the database", webhook.Shop{Lang: lang.Danish})
}

// TestUsesAreSaved: uses that cannot be saved stay pending, in their order, with one warning;
// at the stop they are saved a last time.
func TestUsesAreSaved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	closed, s := storetest.Open(t), storetest.Open(t)
	must(t, closed.Close())
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
	if want := []string{"cannot read what is held; will retry", "cannot save uses of integration codes; will retry", "cannot save uses of integration codes"}; !slices.Equal(said, want) {
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

package reconcile_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// small makes the shop one of a single page, which has been read.
func small(d *desk) {
	sweptShop(d)
	d.exec("UPDATE progress SET items = 2")
	for n, stock := range map[string]string{"a": "1", "b": "2"} {
		d.sells(n, stock)
		d.has(n, stock)
	}
}

// TestIdentity: whose the token is, is checked in the first pass, every hour, and to end a hold
// of the shop.
func TestIdentity(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, invoicesOff, func(d *desk) { d.exec("UPDATE progress SET agreement_number = 0") })
	d.refused["self"] = failed(plan.ClassInterrupted, "broken")
	d.step("it cannot be read", aTick)
	d.refused["self"] = failed(plan.ClassShop, "revoked")
	d.step("a token is refused", aTick)
	d.show(held)
	d.exec("UPDATE progress SET agreement_number = 7")
	d.take()
	d.step("of a second agreement, as far as is known", aTick)
	d.show(held)
	d.refused["self"] = failed(plan.ClassPart, "no role")
	d.step("held, and not due", aTick)
	d.step("another refusal", asked)
	d.show(held)
	clear(d.refused)
	d.agreement = 8
	d.later(10*time.Minute - time.Second)
	d.step("less than the delay later", aTick)
	d.later(time.Second)
	d.step("another agreement", aTick)
	d.show(held)
	d.agreement = 7
	d.step("the shop's own", asked)
	d.show(held)
	d.clock = time.Date(2026, 11, 20, 13, 10, 4, 0, time.UTC)
	d.step("less than an hour later", work)
	d.later(time.Second)
	d.step("an hour later", work)
	d.saw(`
== it cannot be read
person self
-> idle, stopped, failed: broken
== a token is refused
person self
warning: held detail=revoked reason=token_refused scope=shop
-> idle, stopped, failed: revoked
hold: shop | token_refused | revoked | 12:00:02
== of a second agreement, as far as is known
person self
error: several agreements answer 401 and none succeeds: probably the app's secret token is wrong, or e-conomic has withdrawn it: check economic.app_secret_token_file before you request new grants, then run 'systemctl reload lagerd' (restart it if the token is a systemd credential) agreements=2
-> idle, stopped, failed: revoked
hold: shop | token_refused | revoked | 12:00:02
== held, and not due
-> idle
== another refusal
person self
info: hold ended reason=token_refused scope=shop seen=self: 403
warning: held detail=no role reason=forbidden scope=shop
-> idle, stopped, failed: no role
hold: shop | forbidden | no role | 12:00:04
== less than the delay later
-> idle
== another agreement
person self
info: hold ended reason=forbidden scope=shop seen=other agreement
warning: held detail=the token answers for agreement 8, the shop is agreement 7 reason=agreement_changed scope=shop
-> idle, stopped, failed: shop shop1234: the token answers for agreement 8, the shop is agreement 7: if the change is intended, run 'lagerd shops set shop1234 --accept-agreement'
hold: shop | agreement_changed | the token answers for agreement 8, the shop is agreement 7 | 12:10:05
== the shop's own
person self
tick items
info: hold ended reason=agreement_changed scope=shop seen=self
-> ticked
no hold
== less than an hour later
->
== an hour later
person self
->
`)
}

// TestFirstAgreement: a new shop's agreement is stored before anything else.
func TestFirstAgreement(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.before["invoices newest"] = func() { d.show("agreement: SELECT agreement_number FROM progress") }
	d.step("the first pass", aTick)
	d.saw(`
agreement: 7
== the first pass
person self
invoice invoices newest
invoice invoices dated 2026-11-01
sweep items
-> ticked
`)
}

// TestRefusedToken: a refused read asks /self once a pass, and counts as a refusal of its part
// while that is well.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	narrowed := &source.Error{Class: plan.ClassPart, Err: errors.New("no role, it seems")}
	refused := &source.Error{Class: plan.ClassShop, Err: errors.New("refused"), Narrowed: narrowed}
	d.step("a good pass", aTick)
	d.refused["invoices above 0"], d.refused["changes since 11:55:00"] = refused, refused
	d.step("two reads are refused, and the token is good", aTick)
	d.show(held)
	d.exec("DELETE FROM holds")
	d.take()
	d.step("a good self", reconcile.Due{})
	d.refused["self"] = failed(plan.ClassInterrupted, "who knows")
	d.step("and nothing is known of the token", aTick)
	d.show(held)
	d.refused["self"] = failed(plan.ClassHanging, "silence")
	d.step("nor does it answer", aTick)
	d.refused["self"] = failed(plan.ClassShop, "revoked")
	d.step("and the token is bad", aTick)
	d.show(held)
	d.saw(`
== a good pass
person self
tick invoices above 0
tick changes since 11:55:00
-> ticked
== two reads are refused, and the token is good
tick invoices above 0
person self
tick changes since 11:55:00
warning: held detail=no role, it seems reason=forbidden scope=invoices
warning: held detail=no role, it seems reason=forbidden scope=stock
->
hold: invoices | forbidden | no role, it seems | 12:00:05
hold: stock | forbidden | no role, it seems | 12:00:06
== a good self
person self
->
== and nothing is known of the token
tick invoices above 0
person self
-> stopped, failed: refused; who knows
no hold
== nor does it answer
tick invoices above 0
person self
-> stopped, failed: refused; silence
== and the token is bad
tick changes since 11:55:00
person self
warning: held detail=revoked reason=token_refused scope=shop
-> stopped, failed: refused; revoked
hold: shop | token_refused | revoked | 12:00:13
`)
}

// TestPartsTakeTurns: after a part that hangs, the next pass starts with the part after it.
func TestPartsTakeTurns(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	d.lacks(1, false, true)
	d.exec("UPDATE invoices SET lines_read = 1")
	hangs := failed(plan.ClassHanging, "silence")
	d.refused["invoices above 0"] = hangs
	d.step("invoices hang", aTick)
	d.refused["changes since 11:55:00"] = hangs
	d.step("stock comes first, and hangs", aTick)
	d.refused["PDF 1"] = hangs
	d.step("PDFs come first, and hang", aTick)
	delete(d.refused, "changes since 11:55:00")
	d.step("invoices again", aTick)
	clear(d.refused)
	d.step("all are read", aTick)
	d.refused["changes since 11:55:00"] = failed(plan.ClassInterrupted, "broken")
	d.step("in their order", aTick)
	d.saw(`
== invoices hang
person self
tick invoices above 0
-> stopped, failed: silence
== stock comes first, and hangs
tick changes since 11:55:00
-> stopped, failed: silence
== PDFs come first, and hang
invoice PDF 1
warning: fetch of an invoice failed: postponed error=silence failures=1 kind=invoice number=1
-> stopped, failed: silence
== invoices again
tick invoices above 0
-> stopped, failed: silence
== all are read
tick changes since 11:55:00
tick invoices above 0
-> ticked
== in their order
tick invoices above 0
tick changes since 11:55:00
-> failed: broken
`)
}

// TestPanic: a pass that panics fails, and the next one reloads what is stored.
func TestPanic(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, invoicesOff)
	d.step("a tick", aTick)
	d.panics = "self"
	d.later(time.Hour)
	d.step("a pass panics", aTick)
	d.exec("UPDATE items SET stock = 9, in_stock = 9 WHERE number = 'a'") // by another holder
	d.step("the next one", aTick)
	d.show(stock)
	d.panics = "items"
	d.step("a page panics", aTick)
	d.step("the next one", aTick)
	d.lacks(1, false, true)
	d.fixture.Shop.InvoicesOn = true
	d.take()
	d.exec("UPDATE invoices SET lines_read = 1")
	d.panics = "PDF 1"
	d.step("a PDF panics", work)
	d.show(invoices)
	d.step("the next pass fetches it", work)
	d.saw(`
== a tick
person self
tick items
-> ticked
== a pass panics
person self
error: pass panicked
-> not tried, failed: shop shop1234: internal error: no self
== the next one
person self
tick items
told: changed stock a at 13:00:04
info: stored cause=sweep kind=stock new_stock=1 number=a old_stock=9 webhook=missed what=stock
-> ticked, 1 changes
item: a | 1 | ok | 13:00:03
item: b | 2 | ok | 2026-11-23 09:00:00
== a page panics
tick items
-> failed: shop shop1234: read a page of items: internal error: no items
== the next one
tick items
-> ticked
== a PDF panics
person self
invoice PDF 1
-> failed: shop shop1234: fetch invoice 1: internal error: no PDF 1
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 1970-01-01 00:00:00 | 0 | 0 |
== the next pass fetches it
invoice PDF 1
told: PDF of 8 bytes
->
`)
}

// TestSecretsAndSettings: what keeps a shop from being read at all, and how that ends.
func TestSecretsAndSettings(t *testing.T) {
	t.Parallel()
	bad := errors.New("it cannot be opened")
	d := newDesk(t, small, invoicesOff, func(d *desk) {
		d.Open = func(string, []byte) (string, error) {
			if bad != nil {
				return "", bad
			}
			return "grant", nil
		}
	})
	d.requested("r1", store.WantTick)
	d.step("the token cannot be opened", work)
	d.show(held, requests)
	bad = nil
	d.step("it can", aTick)
	d.show(held)
	shop := *d.Settings()
	shop.OrderPattern = "("
	d.Change(new(shop))
	d.step("a bad pattern", aTick)
	shop.OrderPattern, shop.PausedAt = "", store.At(d.now())
	d.Change(new(shop))
	d.webhook("a", "a")
	d.requested("r2", store.WantTick)
	d.step("paused", work)
	d.show(requests, "hint: SELECT number, open, seen_gen FROM hints")
	shop.PausedAt = store.Time{}
	d.Change(new(shop))
	d.step("resumed", work)
	d.show("hint: SELECT number, open, tries FROM hints")
	must(t, d.SaveFailure(t.Context(), errors.New("as it was")))
	d.show("failure: SELECT failures, failure FROM progress")
	d.exec("UPDATE leases SET token = token + 1")
	must(t, d.SaveFailure(t.Context(), errors.New("not this one")))
	d.show("failure: SELECT failures, failure FROM progress")
	d.requested("r3", store.WantTick)
	d.sells("a", "7")
	d.step("the lease is lost", work)
	d.show("request: SELECT request, done_at FROM requests WHERE request = 'r3'")
	d.saw(`
== the token cannot be opened
warning: held detail=it cannot be opened reason=token_unreadable scope=shop
-> not tried, failed: it cannot be opened
hold: shop | token_unreadable | it cannot be opened | 12:00:00
request: r1 | 12:00:00 | 0 | it cannot be opened
== it can
-> idle
hold: shop | token_unreadable | it cannot be opened | 12:00:00
== a bad pattern
-> not tried, failed: shop shop1234: order pattern: error parsing regexp: missing closing ): '(': correct it with 'lagerd shops set shop1234 --order-pattern …'
== paused
-> idle
request: r1 | 12:00:00 | 0 | it cannot be opened
request: r2 | 12:00:00 | 0 | the shop is paused: resume it with 'lagerd shops resume shop1234'
hint: a | 1 | 2
== resumed
person self
hint item a
info: hold ended reason=token_unreadable scope=shop seen=self
->
hint: a | 1 | 1
failure: 1 | as it was
failure: 1 | as it was
== the lease is lost
tick items
-> stopped, failed: apply changes of shop1234: the shop's lease has been lost
request: r3 | <nil>
`)
}

// TestTickCounts: a tick counts only if everything it covers was read.
func TestTickCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small)
	d.sells("a", "3")
	d.step("a tick with a change", aTick)
	d.step("a tick without", aTick)
	d.step("no tick", work)
	d.refused["invoices above 0"] = failed(plan.ClassInterrupted, "broken")
	d.step("invoices fail, and stock is read", aTick)
	d.refused["invoices above 0"] = &source.Error{Class: plan.ClassDay, Err: errors.New("the day is spent"), RetryAfter: 90 * time.Minute}
	d.sells("b", "5")
	d.step("the day is spent for invoices", aTick)
	d.refused["items"] = failed(plan.ClassPart, "no role")
	d.step("stock is held", aTick)
	d.show(held)
	d.saw(`
== a tick with a change
person self
tick invoices above 0
tick items
told: changed stock a at 12:00:03
info: stored cause=sweep kind=stock new_stock=3 number=a old_stock=1 webhook=missed what=stock
-> ticked, 1 changes
== a tick without
tick invoices above 0
tick items
-> ticked
== no tick
->
== invoices fail, and stock is read
tick invoices above 0
tick items
-> failed: broken
== the day is spent for invoices
tick invoices above 0
tick items
told: changed stock b at 12:00:09
info: stored cause=sweep kind=stock new_stock=5 number=b old_stock=2 webhook=missed what=stock
-> 1 changes, short: cut short: it waits until 2026-11-20 13:30:09 UTC: the day is spent
== stock is held
tick invoices above 0
tick items
warning: held detail=no role reason=forbidden scope=stock
-> short: cut short: it waits until 2026-11-20 13:30:11 UTC: the day is spent
hold: stock | forbidden | no role | 12:00:11
`)
}

// TestWebhooksAreUnpacked: no webhook stays in its batch when no listing will answer it.
func TestWebhooksAreUnpacked(t *testing.T) {
	t.Parallel()
	hold := func(reason string) func(d *desk) {
		return func(d *desk) {
			d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', ?, 'no', ?)", reason, store.At(d.clock))
			d.refused["items"], d.agreement = failed(plan.ClassPart, "no role"), 7
			d.take()
			_, _ = d.RunOnce(d.t.Context(), aSweep) // which is the try
		}
	}
	fails := func(class plan.Class) func(d *desk) {
		return func(d *desk) {
			d.refused["items"] = failed(class, "broken")
			_, _ = d.RunOnce(d.t.Context(), aSweep)
			clear(d.refused)
		}
	}
	for name, c := range map[string]struct {
		set  func(d *desk)
		rows int // of the webhooks; the others were answered from their batches
		open int
	}{
		"a burst":              {func(*desk) {}, 1, 0},
		"a new holder":         {func(d *desk) { d.take() }, 30, 0},
		"the last pass failed": {fails(plan.ClassNumber), 30, 0},
		"a listing is running": {fails(plan.ClassInterrupted), 30, 30},
		"paused":               {func(d *desk) { s := *d.Settings(); s.PausedAt = store.At(d.clock); d.Change(&s) }, 30, 30},
		"off": {func(d *desk) {
			s := *d.Settings()
			s.StockOn = false
			d.Change(&s)
			_, _ = d.RunOnce(d.t.Context(), reconcile.Due{})
		}, 30, 0},
		"held":          {hold("forbidden"), 30, 30},
		"a person asks": {func(d *desk) { d.requested("r", store.WantTick) }, 30, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, sweptShop, invoicesOff, func(d *desk) {
				d.UnpackAtOnce, d.itemsFit = 1, 5
				d.exec("UPDATE progress SET items = 30")
				for n := range 30 {
					d.sells(fmt.Sprintf("n%02d", n), "5")
					d.has(fmt.Sprintf("n%02d", n), "4")
				}
			})
			_, err := d.RunOnce(t.Context(), aTick)
			must(t, err)
			d.exec("UPDATE items SET stock = 3, in_stock = 3")
			c.set(d)
			d.later(time.Minute)
			for n := range 30 {
				d.webhook(fmt.Sprintf("n%02d", n))
			}
			_, err = d.RunOnce(t.Context(), work)
			must(t, err)
			d.are("SELECT COUNT(*), COALESCE(SUM(open), 0), (SELECT COUNT(*) FROM hint_batches) FROM hints", fmt.Sprintf("%d | %d | 0", c.rows, c.open))
		})
	}
}

// TestDueMerge: what is due of two is due of both.
func TestDueMerge(t *testing.T) {
	t.Parallel()
	var all reconcile.Due
	for _, d := range []reconcile.Due{{Tick: true}, {Sweep: true}, {Work: true}, {Requested: true}} {
		if a, b := d.Merge(reconcile.Due{}), (reconcile.Due{}).Merge(d); a != d || b != d {
			t.Errorf("%+v becomes %+v and %+v", d, a, b)
		}
		all = all.Merge(d)
	}
	if want := (reconcile.Due{Tick: true, Sweep: true, Work: true, Requested: true}); all != want {
		t.Errorf("%+v", all)
	}
}

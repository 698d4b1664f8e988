package web

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/act"
	"lagerd/config"
	"lagerd/engine"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// standingOf returns a shop that is well, and what is known of it, changed by change.
func standingOf(change func(*store.ShopStatus)) (status.Look, store.ShopStatus) {
	st := store.ShopStatus{Holder: "me", Shop: store.Shop{Shop: "shop1", StockOn: true, InvoicesOn: true, StockSource: store.SourceEconomic, Lang: lang.Danish, CreatedAt: store.At(noon.Add(-48 * time.Hour))}}
	st.Progress.TickAt, st.Progress.SweptAt = store.At(noon.Add(-30*time.Second)), store.At(noon.Add(-time.Hour))
	if change != nil {
		change(&st)
	}
	l := engine.LookOf(config.Default())
	l.Now, l.Shops, l.Living = noon, []store.ShopStatus{st}, map[string]store.Instance{"me": {Instance: "me"}}
	return l, st
}

// TestOwnersStates is the table of ownersState, and of what the owner is told to do.
func TestOwnersStates(t *testing.T) {
	t.Parallel()
	held := func(scope plan.Scope, reason plan.Reason) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) {
			st.Progress.Holds = plan.Holds{{Scope: scope, Reason: reason, Detail: "x", Since: noon.Add(-time.Hour)}}
		}
	}
	for name, c := range map[string]struct {
		change func(*store.ShopStatus)
		level  string
		state  string
		needs  string // names of what the owner has to do
		part   string // what is said of stock
		link   bool
	}{
		"well":   {nil, "good", "Alt er i orden.", "", "Lageret i webshoppen følger e-conomic.", false},
		"paused": {func(st *store.ShopStatus) { st.Shop.PausedAt = store.At(noon) }, "warn", "Butikken er sat på pause: det, der kommer, læses, når din webudbyder sætter den i gang igen.", "", "", false},
		"new":    {func(st *store.ShopStatus) { st.Progress.TickAt, st.Shop.CreatedAt = store.Time{}, store.At(noon) }, "warn", "Butikken er ny: lager og fakturaer hentes for første gang.", "", "Lageret i webshoppen følger e-conomic.", false},
		"access refused": {held(plan.ScopeShop, plan.HeldTokenRefused), "bad", "Noget skal rettes, og det er kun dig, der kan.", "e-conomic afviser adgangen",
			"Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.", true},
		"losses": {held(plan.ScopeStock, plan.HeldLosses), "bad", "Noget skal rettes, og det er kun dig, der kan.", "mange varer ville miste deres lager", "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.", false},
		"an operator's": {held(plan.ScopeShop, plan.HeldTokenUnreadable), "warn", "Noget er ikke, som det skal være. Din webudbyder skal se på det; du skal ikke gøre noget.", "",
			"Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.", false},
		"late": {func(st *store.ShopStatus) { st.Progress.TickAt = store.At(noon.Add(-time.Hour)) }, "warn", "Noget er ikke, som det skal være. Din webudbyder skal se på det; du skal ikke gøre noget.", "",
			"Lageret i webshoppen følger e-conomic.", false},
		"items unread": {func(st *store.ShopStatus) {
			st.Failing = []store.Notice{{Kind: plan.KindStock, Count: 3, Number: "A-1", Text: "x", Since: noon.Add(-time.Hour)}}
		}, "bad", "Noget skal rettes, og det er kun dig, der kan.", "varer kan ikke læses (A-1 og 2 til)", "Lageret i webshoppen følger e-conomic.", false},
		"stock off": {func(st *store.ShopStatus) { st.Shop.StockOn = false }, "good", "Alt er i orden.", "", "Butikkens lager læses ikke for tiden. Spørg din webudbyder, om det er meningen.", false},
	} {
		look, st := standingOf(c.change)
		got := ownersShopOf(look, st, nil, "https://access.example", lang.Danish)
		var needs []string
		for _, n := range got.Needs {
			needs = append(needs, n.Name)
			if n.Means == "" || n.Do == "" || n.Since == nil || (n.Link != "") != c.link {
				t.Errorf("%s: %+v", name, n)
			}
		}
		part := ""
		if len(got.Parts) > 0 {
			part = got.Parts[0]
		}
		if got.Level != c.level || got.State != c.state || strings.Join(needs, "|") != c.needs || part != c.part {
			t.Errorf("%s: %+v", name, got)
		}
	}
	look, st := standingOf(nil)
	look.Living = map[string]store.Instance{}
	if got := ownersShopOf(look, st, nil, "", lang.English); got.Level != "warn" || !strings.Contains(got.State, "nothing for you to do") {
		t.Errorf("without a lagerd: %+v", got)
	}
}

// TestNoneEver: a shop is told to set up its webhooks while none of those that it needs has come.
func TestNoneEver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stock, invoices status.WebhookState
		want            bool
	}{
		{status.WebhooksNever, status.WebhooksNever, true},
		{status.WebhooksOff, status.WebhooksNever, true},
		{status.WebhooksOff, status.WebhooksOff, false},
		{status.WebhooksArrive, status.WebhooksNever, false},
		{status.WebhooksWrongCode, status.WebhooksNever, false},
	} {
		if got := noneEver([]status.WebhookHealth{{State: c.stock}, {State: c.invoices}}); got != c.want {
			t.Errorf("%s and %s: %t", c.stock, c.invoices, got)
		}
	}
}

// TestArrivals: what an owner is told of each kind of call.
func TestArrivals(t *testing.T) {
	t.Parallel()
	types := []status.WebhookType{status.WebhookStock, status.WebhookInvoice}
	for _, c := range []struct {
		kind        plan.Kind
		status      int
		outcome     string
		unknown     bool
		level, says string
		do          bool
	}{
		{plan.KindStock, 200, webhook.OutcomeRecorded, false, "good", "Modtaget.", false},
		{plan.KindStock, 200, webhook.OutcomeRecorded, true, "warn", "Modtaget, men nummeret findes ikke.", false},
		{plan.KindInvoice, 200, webhook.OutcomeTried, false, "good", "Dette var kun en prøve: intet blev registreret.", false},
		{plan.KindStock, 200, webhook.OutcomeFromBrowser, false, "good", "Modtaget. Kaldet kom fra en browser: butik og kode er rigtige. Det viser ikke, om e-conomic kalder.", false},
		{plan.KindStock, 200, webhook.OutcomeFromBrowser, true, "warn", "Modtaget, men nummeret findes ikke.", false},
		{plan.KindStock, 200, webhook.OutcomeHTMLEscaped, false, "warn", "Modtaget. Ret dette: der står \"&amp;\"", false},
		{plan.KindStock, 200, webhook.OutcomeMergeField, false, "warn", "Modtaget. Er det et varenummer?", false},
		{plan.KindStock, 400, webhook.OutcomeMergeField, false, "bad", "Ikke modtaget. Butik og kode er rigtige, men e-conomic har ikke sat nummeret ind", true},
		{"", 403, webhook.OutcomeRefused, false, "bad", "Ikke modtaget. Forkert butik eller kode.", false},
		{plan.KindStock, 503, webhook.OutcomeUnavailable, false, "bad", "Ikke modtaget. Ikke registreret", false},
	} {
		call := store.LoggedCall{WebhookCall: store.WebhookCall{CalledAt: store.At(noon), Kind: c.kind, Number: "7", Status: c.status, Outcome: c.outcome}, Unknown: c.unknown}
		got := arrivalOf(call, types, lang.Danish)
		if got.Level != c.level || !strings.HasPrefix(got.Says, c.says) || (got.Do != "") != c.do || (got.Path != "") != (c.status == 200) || (got.What != "") != (c.kind != "") {
			t.Errorf("%s %d %s: %+v", c.kind, c.status, c.outcome, got)
		}
	}
}

// TestArrivalsInARow: what was wrong with calls in a row is said once, of an invoice from before the
// shop's start that it is not fetched.
func TestArrivalsInARow(t *testing.T) {
	t.Parallel()
	types := []status.WebhookType{status.WebhookStock, status.WebhookInvoice}
	call := func(kind plan.Kind, status int, outcome string) store.LoggedCall {
		return store.LoggedCall{WebhookCall: store.WebhookCall{CalledAt: store.At(noon), Kind: kind, Number: "7", Status: status, Outcome: outcome}}
	}
	old := call(plan.KindInvoice, 200, webhook.OutcomeRecorded)
	old.BeforeStart = true
	const wrong, same = "Not received. Wrong shop or code.", "Not received, for the same reason."
	want := []string{wrong, same, same, "Received.", wrong, "Not received. Unknown type", same, "Received, but the invoice is from before the shop's start, and is not fetched."}
	got := arrivalsOf([]store.LoggedCall{call(plan.KindStock, 403, webhook.OutcomeRefused), call(plan.KindStock, 403, webhook.OutcomeRefused), call(plan.KindStock, 403, webhook.OutcomeRefused),
		call(plan.KindStock, 200, webhook.OutcomeRecorded), call(plan.KindStock, 403, webhook.OutcomeRefused), call(plan.KindStock, 400, webhook.OutcomeBadType), call(plan.KindStock, 400, webhook.OutcomeBadType), old}, types, lang.English)
	for i, line := range got {
		if !strings.HasPrefix(line.Says, want[i]) || line.Says == same && line.Do != "" {
			t.Errorf("call %d: %q %q, expected %q", i, line.Says, line.Do, want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d calls", len(got))
	}
}

// TestCodesState: what an owner can do about the codes.
func TestCodesState(t *testing.T) {
	t.Parallel()
	used := store.ShopCode{UsedAt: store.At(noon)}
	for _, c := range []struct {
		codes []store.ShopCode
		want  codesState
	}{{nil, codesOne}, {[]store.ShopCode{used}, codesOne}, {[]store.ShopCode{used, {}}, codesUnused}, {[]store.ShopCode{{}, used}, codesBoth}} {
		if got := codesStateOf(c.codes); got != c.want {
			t.Errorf("%v: %s, expected %s", c.codes, got, c.want)
		}
	}
}

// TestSetUpAtRackbeat: a shop whose stock is there has its own steps, and one webhook in e-conomic.
func TestSetUpAtRackbeat(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Webhook.PublicURL = "https://lager.example.dk/webhooks.php"
	shop := store.Shop{Shop: "shop1", StockSource: store.SourceRackbeat, StockFigure: plan.FigureAvailable}
	got := ownersSetUpOf(act.InstructionsOf(c, shop, "thecode", lang.Danish), nil, "thecode", lang.Danish)
	if len(got.Webhooks) != 1 || got.Webhooks[0].Kind != "Faktura bogført" || !got.Rackbeat || !got.NewCode || got.AtRack.URL != "https://lager.example.dk/webhooks.php?type=rackbeatStock&username=shop1&password=thecode" ||
		!slices.Contains(got.AtRack.Events, "order.created") {
		t.Errorf("%+v %+v", got, got.AtRack)
	}
}

// TestDaysOf: hours belong to Danish days, also when clocks are set back, and every day is there.
func TestDaysOf(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	hours := []store.HourOfChanges{
		{Hour: at("2026-09-01 12"), Changes: 1000},                                                  // too long ago
		{Hour: at("2026-10-24 21"), Changes: 1}, {Hour: at("2026-10-24 22"), Changes: 2, Missed: 1}, // 23 and 24 o'clock in summer
		{Hour: at("2026-10-25 22"), Changes: 4, Late: 1, Delays: 2, Delay: 10 * time.Second, Longest: 9 * time.Second}, // 23 in winter
		{Hour: at("2026-10-25 20"), Changes: 8, Delays: 2, Delay: 2 * time.Second, Longest: time.Second},
		{Hour: at("2026-10-25 23"), Changes: 16},
	}
	days := daysOf(hours, at("2026-10-26 11"))
	if len(days) != 30 || days[0].Day.Format(time.DateOnly) != "2026-09-27" {
		t.Fatalf("%d days from %s", len(days), days[0].Day)
	}
	var got []string
	for _, d := range days[27:] {
		got = append(got, fmt.Sprint(d.Day.Format("01-02"), " ", d.Changes, d.Missed, d.Late, d.Delays, " ", d.Mean, " ", d.Longest))
	}
	if want := "10-24 1 0 0 0 0s 0s; 10-25 14 1 1 4 3s 9s; 10-26 16 0 0 0 0s 0s"; strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
	none := daysOf(nil, at("2026-10-26 11"))
	if got := chartList[1].all(none, lang.Danish); got != "Ændringer i de seneste 30 dage: ingen." {
		t.Error(got)
	}
	if picture, err := chartList[0].draw(none, lang.Danish); err != nil || strings.Contains(string(picture), "NaN") {
		t.Errorf("without a change: %v", err)
	}
}

// TestFigures: numbers, amounts and dates in both languages.
func TestFigures(t *testing.T) {
	t.Parallel()
	number := func(text string) decimal.NullDecimal {
		return decimal.NewNullDecimal(decimal.RequireFromString(text))
	}
	for _, c := range []struct{ got, want string }{
		{stockOf(lang.Danish, number("-1234.5")), "-1234,5"}, {stockOf(lang.English, number("-1234.5")), "-1234.5"}, {stockOf(lang.Danish, decimal.NullDecimal{}), "intet tal"},
		{amountOf(lang.Danish, number("-1234567.5"), "DKK"), "-1.234.567,50 DKK"}, {amountOf(lang.English, number("12.345"), "EUR"), "12.345 EUR"}, {amountOf(lang.Danish, decimal.NullDecimal{}, "DKK"), ""},
		{dateOf(lang.Danish, "2026-11-03"), "3. november 2026"}, {dateOf(lang.English, "2026-11-03"), "3 Nov 2026"}, {dateOf(lang.Danish, ""), ""},
		{secondsOf(lang.Danish, 1500*time.Millisecond), "1,5 sek."}, {secondsOf(lang.English, 119*time.Second), "119.0 s"}, {secondsOf(lang.Danish, 2*time.Hour), "120 min."},
		{fileName(`sh/op"1`+"\r\n", store.Invoice{Number: 7, CreditNote: true}), "sh-op-1---kreditnota-7.pdf"},
	} {
		if c.got != c.want {
			t.Errorf("%q, expected %q", c.got, c.want)
		}
	}
}

// TestPlaces: a place in the history survives an address, and nothing else is one.
func TestPlaces(t *testing.T) {
	t.Parallel()
	c := store.Change{CommittedAt: store.At(noon.Add(123456 * time.Microsecond)), Token: 7, Seq: 9, N: 3}
	got, err := placeOf(textOfPlace(c))
	if err != nil || !got.CommittedAt.Equal(c.CommittedAt.Time) || got.Token != 7 || got.Seq != 9 || got.N != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"1", "1-2-3", "1-2-3-4-5", "1-2-3-x", "-1-2-3-4", "1-2-3-99999999999999999999", "' OR 1=1"} {
		if got, err := placeOf(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	if got, err := placeOf(""); got != nil || err != nil {
		t.Errorf("none: %+v, %v", got, err)
	}
}

package status_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lagerd/economic/webhooksapi"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

var hookNoon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func hookAt(minute int) time.Time { return hookNoon.Add(time.Duration(minute) * time.Minute) }

// log reads a webhook log from "minute outcome [number [unknown]]", newest first. A status follows
// from the outcome.
func hookLog(kind plan.Kind, lines ...string) (list []store.LoggedCall) {
	for _, line := range lines {
		var minute int
		fields := strings.Fields(line)
		_, _ = fmt.Sscan(fields[0], &minute)
		c := store.LoggedCall{WebhookCall: store.WebhookCall{Kind: kind, CalledAt: store.At(hookAt(minute)), Outcome: fields[1], Remote: "192.0.2.7", Status: 200}}
		switch fields[1] {
		case "refused", "bad_token":
			c.Status = 403
		case "bad_type":
			c.Status, c.Kind = 400, ""
		case "merge_field", "no_number", "placeholder":
			c.Status = 400
		case "unavailable":
			c.Status = 503
		}
		if len(fields) > 2 {
			c.Number = fields[2]
		}
		c.Unknown = len(fields) > 3
		list = append(list, c)
	}
	return list
}

// announced reads changes from "minute webhook", newest first.
func announced(lines ...string) store.Announcements {
	var a store.Announcements
	for _, line := range lines {
		var one store.Announced
		var minute int
		_, _ = fmt.Sscan(line, &minute, &one.Webhook)
		one.CommittedAt = hookAt(minute)
		switch one.Webhook {
		case plan.WebhookCame:
			a.Came++
		case plan.WebhookLate:
			a.Late++
		case plan.WebhookMissed:
			a.Missed++
		case plan.WebhookNone:
		}
		a.Latest = append(a.Latest, one)
	}
	a.Ever = a.Came+a.Late > 0
	return a
}

func run(webhook string, from, to int) (lines []string) {
	for minute := from; minute >= to; minute-- {
		lines = append(lines, fmt.Sprintf("%d %s", minute, webhook))
	}
	return lines
}

// TestHealthOf runs the table of HealthOf.
func TestHealthOf(t *testing.T) {
	t.Parallel()
	kept := store.Shop{Shop: "shop1234", StockOn: true}
	good := "10 recorded A"
	for _, c := range []struct {
		name    string
		log     []string
		changes []string
		want    status.WebhookState
		since   int // minute; 0: none
	}{
		{"nothing yet", nil, nil, status.WebhooksNever, 0},
		{"nothing, and changes", nil, run("missed", 9, 1), status.WebhooksNever, 0},
		{"a person tried it in a browser", []string{"5 placeholder", "4 tried"}, nil, status.WebhooksNever, 0},
		{"a person tried it with a number, whose change it found", []string{"8 from_browser A"}, []string{"9 came"}, status.WebhooksNever, 0},
		{"a person tried it, beside e-conomic's", []string{"12 from_browser A", good}, []string{"11 came"}, status.WebhooksArrive, 0},
		{"lagerd's own trouble", []string{"5 unavailable"}, nil, status.WebhooksNever, 0},
		{"the first", []string{good}, nil, status.WebhooksArrive, 0},
		{"all came", []string{good}, run("came", 10, 1), status.WebhooksArrive, 0},
		{"others' log, and the history", nil, run("came", 10, 1), status.WebhooksArrive, 0},

		{"wrong from the start", []string{"9 refused", "8 refused"}, nil, status.WebhooksWrongCode, 8},
		{"wrong since, and changes missed", []string{"12 refused", good}, []string{"12 missed", "9 came"}, status.WebhooksWrongCode, 12},
		{"a stranger", []string{"12 refused", good}, []string{"9 came"}, status.WebhooksArrive, 0},
		{"a stranger, long after a miss", []string{"12 refused", good}, []string{"9 missed", "8 came"}, status.WebhooksMissing, 9},
		{"mended", []string{good, "9 refused"}, []string{"10 came"}, status.WebhooksArrive, 0},
		{"another token", []string{"12 bad_token", good}, []string{"9 came"}, status.WebhooksWrongToken, 12},
		{"not filled in", []string{"12 merge_field [NUMBER]", "11 merge_field [NUMBER]", good}, nil, status.WebhooksMergeField, 11},
		{"not filled in, mended", []string{good, "9 merge_field [NUMBER]"}, nil, status.WebhooksArrive, 0},
		{"looks like a merge field, and is a number", []string{"11 recorded [NO]"}, nil, status.WebhooksArrive, 0},
		{"no type", []string{"12 bad_type", good}, nil, status.WebhooksWrongData, 12},
		{"no number, then another code", []string{"13 refused", "12 no_number"}, nil, status.WebhooksWrongCode, 13},
		{"a stranger after no number", []string{"13 refused", "12 no_number", good}, nil, status.WebhooksWrongData, 12},

		{"two missed", []string{good}, []string{"12 missed", "11 missed", "9 came"}, status.WebhooksMissing, 11},
		{"three missed, none since", []string{good}, []string{"13 missed", "12 missed", "11 missed", "9 came"}, status.WebhooksStopped, 11},
		{"all missed for long", []string{good}, run("missed", 30, 11), status.WebhooksStopped, 21},
		{"three missed, and calls of others", []string{"12 recorded B"}, []string{"13 missed", "12 missed", "11 missed"}, status.WebhooksMissing, 11},
		{"back, not yet ten", []string{"20 recorded A"}, append(run("came", 20, 12), "11 missed"), status.WebhooksMissing, 11},
		{"back, ten in a row", []string{"20 recorded A"}, append(run("came", 20, 11), "10 missed"), status.WebhooksArrive, 0},
		{"late", []string{good}, []string{"10 late", "9 came"}, status.WebhooksLate, 10},
		{"late and missing", []string{good}, []string{"10 late", "9 missed"}, status.WebhooksMissing, 9},
		{"late long ago", []string{good}, append(run("came", 20, 11), "10 late"), status.WebhooksArrive, 0},

		{"a number that does not exist", []string{"10 recorded x unknown"}, nil, status.WebhooksUnknown, 0},
		{"half of them", []string{"10 recorded x unknown", "9 recorded A"}, nil, status.WebhooksArrive, 0},
		{"the same again and again", []string{"10 recorded x unknown", "9 recorded x unknown", "8 recorded A"}, nil, status.WebhooksArrive, 0},
		{"most of them", []string{"10 recorded x unknown", "9 recorded y unknown", "8 recorded A"}, []string{"8 missed"}, status.WebhooksUnknown, 0},
	} {
		facts := status.CountWebhooks(status.WebhookStock, kept, hookLog(plan.KindStock, c.log...), announced(c.changes...))
		state, since := status.HealthOf(facts)
		want := time.Time{}
		if c.since > 0 {
			want = hookAt(c.since)
		}
		if state != c.want || !since.Equal(want) {
			t.Errorf("%s: %s since %s, expected %s since %s", c.name, state, since, c.want, want)
		}
		grouped, since := status.HealthOf(status.CountWebhookGroups(status.WebhookStock, kept, groups(hookLog(plan.KindStock, c.log...)), announced(c.changes...)))
		if decided := []status.WebhookState{status.WebhooksNever, status.WebhooksStopped, status.WebhooksWrongCode, status.WebhooksWrongToken, status.WebhooksMergeField, status.WebhooksWrongData}; slices.Contains(decided, c.want) != slices.Contains(decided, grouped) ||
			slices.Contains(decided, c.want) && (grouped != c.want || !since.Equal(want)) {
			t.Errorf("%s, in groups: %s since %s, expected %s since %s", c.name, grouped, since, c.want, want)
		}
	}
}

// groups groups a log as the database does.
func groups(log []store.LoggedCall) []store.CallGroup {
	type key struct {
		kind    plan.Kind
		outcome string
		status  int
	}
	of := map[key]store.CallGroup{}
	for _, c := range log { // newest first
		k := key{c.Kind, c.Outcome, c.Status}
		g, known := of[k]
		if !known {
			g = store.CallGroup{Kind: c.Kind, Outcome: c.Outcome, Status: c.Status, Last: c.CalledAt.Time}
		}
		g.Count++
		g.First = c.CalledAt.Time
		of[k] = g
	}
	return slices.Collect(maps.Values(of))
}

// TestWrongBeforeAndAfter: in groups it is not known when wrong calls began if there were some before
// the last accepted one.
func TestWrongBeforeAndAfter(t *testing.T) {
	t.Parallel()
	log := hookLog(plan.KindStock, "12 bad_token", "11 bad_token", "10 recorded A", "9 bad_token")
	f := status.CountWebhookGroups(status.WebhookRackbeat, store.Shop{StockOn: true}, groups(log), store.Announcements{})
	if state, since := status.HealthOf(f); state != status.WebhooksWrongToken || !since.IsZero() {
		t.Errorf("%s since %s", state, since)
	}
}

// TestWorks: which calls show that a shop's webhooks work.
func TestWorks(t *testing.T) {
	t.Parallel()
	both := []status.WebhookType{status.WebhookStock, status.WebhookInvoice}
	economic, rackbeat := store.SourceEconomic, store.SourceRackbeat
	ofRackbeat := []status.WebhookType{status.WebhookRackbeat, status.WebhookInvoice}
	for _, c := range []struct {
		types   []status.WebhookType
		kind    plan.Kind
		source  store.StockSource
		status  int
		outcome string
		of      status.WebhookType // "": none
		works   bool
	}{
		{both, plan.KindStock, economic, 200, webhook.OutcomeRecorded, status.WebhookStock, true},
		{both, plan.KindStock, "", 200, webhook.OutcomeRecorded, status.WebhookStock, true},
		{both, plan.KindInvoice, "", 200, webhook.OutcomeRecorded, status.WebhookInvoice, true},
		{both, plan.KindStock, rackbeat, 200, webhook.OutcomeRecorded, "", false},
		{ofRackbeat, plan.KindStock, rackbeat, 200, webhook.OutcomeRecorded, status.WebhookRackbeat, true},
		{ofRackbeat, plan.KindStock, economic, 200, webhook.OutcomeRecorded, "", false},
		{both, "", "", 200, webhook.OutcomeRecorded, "", false},
		{both, plan.KindStock, economic, 200, webhook.OutcomePlaceholder, status.WebhookStock, false},
		{both, plan.KindStock, economic, 200, webhook.OutcomeTried, status.WebhookStock, false},
		{both, plan.KindStock, economic, 200, webhook.OutcomeFromBrowser, status.WebhookStock, false},
		{both, plan.KindStock, economic, 200, webhook.OutcomeHTMLEscaped, status.WebhookStock, false},
		{both, plan.KindStock, economic, 200, webhook.OutcomeMergeField, status.WebhookStock, false},
		{both, plan.KindStock, economic, 400, webhook.OutcomeMergeField, status.WebhookStock, false},
		{both, plan.KindStock, economic, 403, webhook.OutcomeRefused, status.WebhookStock, false},
		{both, plan.KindStock, economic, 503, webhook.OutcomeUnavailable, status.WebhookStock, false},
	} {
		call := store.LoggedCall{WebhookCall: store.WebhookCall{Kind: c.kind, Source: c.source, Status: c.status, Outcome: c.outcome}}
		of, known := status.TypeOf(c.types, call)
		if of != c.of || known != (c.of != "") || status.Works(c.types, call) != c.works {
			t.Errorf("%s of %q, %d %s: of %q, and works is %t", c.kind, c.source, c.status, c.outcome, of, !c.works)
		}
	}
}

// TestWrongOutcomes: a call with one of them is not accepted, and somebody has to do something about
// it; after a call with another one nobody has.
func TestWrongOutcomes(t *testing.T) {
	t.Parallel()
	wrong := status.WrongOutcomes()
	for _, outcome := range webhook.Outcomes() {
		f := status.CountWebhookGroups(status.WebhookStock, store.Shop{StockOn: true}, []store.CallGroup{{Kind: plan.KindStock, Outcome: outcome, Status: 400, Count: 1, First: hookAt(1), Last: hookAt(1)}}, store.Announcements{})
		if state, _ := status.HealthOf(f); slices.Contains(wrong, outcome) == (state == status.WebhooksNever) {
			t.Errorf("after %s: %s, and it is among the wrong ones: %t", outcome, state, slices.Contains(wrong, outcome))
		}
	}
	if len(wrong) != 8 {
		t.Errorf("%d wrong outcomes: %q", len(wrong), wrong)
	}
}

// TestWebhooksOfOthersDoNotCount: calls of another kind say nothing, except those whose type could
// not be understood, and a shop that does not keep something expects no webhooks for it.
func TestWebhooksOfOthersDoNotCount(t *testing.T) {
	t.Parallel()
	both := store.Shop{StockOn: true, InvoicesOn: true}
	log := append(hookLog("", "12 refused"), hookLog(plan.KindStock, "10 recorded A")...)
	for _, c := range []struct {
		of   status.WebhookType
		shop store.Shop
		want status.WebhookState
	}{
		{status.WebhookStock, both, status.WebhooksArrive}, {status.WebhookInvoice, both, status.WebhooksWrongCode}, {status.WebhookRackbeat, both, status.WebhooksArrive},
		{status.WebhookStock, store.Shop{InvoicesOn: true}, status.WebhooksOff}, {status.WebhookInvoice, store.Shop{StockOn: true}, status.WebhooksOff},
	} {
		if state, _ := status.HealthOf(status.CountWebhooks(c.of, c.shop, log, store.Announcements{})); state != c.want {
			t.Errorf("%s: %s, expected %s", c.of, state, c.want)
		}
	}
	if got := fmt.Sprint(status.WebhookTypes(both), status.WebhookTypes(store.Shop{StockSource: store.SourceRackbeat})); got != "[stockUpdate orderPdf] [rackbeatStock orderPdf]" {
		t.Errorf("types: %s", got)
	}
}

// TestWebhooksOfTheOtherSource: a shop that has moved to Rackbeat may still be called by e-conomic's
// webhook of stock, which says nothing about Rackbeat's. Calls from before the source was recorded may
// be either's.
func TestWebhooksOfTheOtherSource(t *testing.T) {
	t.Parallel()
	shop := store.Shop{StockOn: true, InvoicesOn: true, StockSource: store.SourceRackbeat}
	for source, want := range map[store.StockSource]status.WebhookState{
		store.SourceEconomic: status.WebhooksNever, store.SourceRackbeat: status.WebhooksArrive, "": status.WebhooksArrive,
	} {
		log := hookLog(plan.KindStock, "10 recorded A")
		var groups []store.CallGroup
		for n := range log {
			log[n].Source = source
			groups = append(groups, store.CallGroup{Kind: plan.KindStock, Source: source, Outcome: log[n].Outcome, Status: log[n].Status, Count: 1, First: log[n].CalledAt.Time, Last: log[n].CalledAt.Time})
		}
		for how, facts := range map[string]status.WebhookFacts{
			"one by one": status.CountWebhooks(status.WebhookRackbeat, shop, log, store.Announcements{}), "in groups": status.CountWebhookGroups(status.WebhookRackbeat, shop, groups, store.Announcements{}),
		} {
			if state, _ := status.HealthOf(facts); state != want {
				t.Errorf("calls of %q, %s: %s, expected %s", source, how, state, want)
			}
		}
	}
}

// TestWebhookTexts: each state is said in both languages, in whole words and within 80 columns, with
// what to do if a person has to do something.
func TestWebhookTexts(t *testing.T) {
	t.Parallel()
	said := map[string]status.WebhookState{}
	for _, state := range []status.WebhookState{status.WebhooksOff, status.WebhooksArrive, status.WebhooksLate, status.WebhooksMissing, status.WebhooksStopped, status.WebhooksNever,
		status.WebhooksWrongCode, status.WebhooksWrongToken, status.WebhooksMergeField, status.WebhooksWrongData, status.WebhooksUnknown} {
		for _, l := range []lang.Lang{lang.English, lang.Danish} {
			for _, of := range []status.WebhookType{status.WebhookStock, status.WebhookInvoice, status.WebhookRackbeat} {
				h := status.WebhookHealth{Type: of, State: state, MissedShare: new(0.5), Changes: 2, Missed: 1, WrongCalls: 2, Unknown: 1, Named: 1, WrongFrom: "192.0.2.7"}
				h.Says, h.ToDo = status.HealthIn(l, of, state)
				var b bytes.Buffer
				if err := (status.ShopWebhooks{Shop: "shop1234", Since: hookNoon, Webhooks: []status.WebhookHealth{h}}).Write(&b, l); err != nil {
					t.Fatal(err)
				}
				if strings.ContainsAny(b.String(), "{}") || strings.Contains(b.String(), "%!") || h.Says == "" || state.NeedsPerson() && h.ToDo == "" {
					t.Errorf("%s %s %s:\n%s", state, of, l, &b)
				}
				for line := range strings.Lines(b.String()) {
					if utf8.RuneCountInString(line) > 80 {
						t.Errorf("%s %s %s: %q", state, of, l, line)
					}
				}
				if other, known := said[h.Says]; known && other != state {
					t.Errorf("%s and %s are both called %q", state, other, h.Says)
				}
				said[h.Says] = state
			}
		}
	}
	if len(said) != 22 {
		t.Errorf("%d texts for 11 states in two languages", len(said))
	}
}

// TestWebhooksAreWritten: what a person and a program read.
func TestWebhooksAreWritten(t *testing.T) {
	t.Parallel()
	shop := store.Shop{Shop: "shop1234", StockOn: true}
	facts := status.CountWebhooks(status.WebhookStock, shop, hookLog(plan.KindStock, "10 recorded A"), announced("12 missed", "9 came", "8 late"))
	v := status.ShopWebhooks{Shop: "shop1234", Since: hookNoon, Webhooks: []status.WebhookHealth{
		status.HealthOfWebhooks(status.WebhookStock, facts, lang.Danish),
		status.HealthOfWebhooks(status.WebhookInvoice, status.CountWebhooks(status.WebhookInvoice, shop, nil, store.Announcements{}), lang.Danish),
	}}
	v.Webhooks[0].AtEconomic = new(status.NotAsked("--offline", lang.Danish))
	var text, raw bytes.Buffer
	if err := v.Write(&text, lang.Danish); err != nil {
		t.Fatal(err)
	}
	const want = `shop1234, stockUpdate: nogle mangler
  Det seneste kald blev modtaget 2026-11-23 12:10:00 UTC.
  Af 3 ændringer siden 2026-11-23 12:00:00 UTC kom 1 (33 %) uden webhook og 1
  før det. Den første uden, af de seneste ti: 2026-11-23 12:12:00 UTC.
  Hos e-conomic: ikke set: --offline.
  Hvad du kan gøre: Intet går tabt, det kommer kun senere: lagerd finder hver
  ændring inden for cirka et minut. Åbn loggen over kald for webhooket
  »Varelager opdateret« under Alle indstillinger → Udvidelser → Webhooks i
  e-conomic. Er der kald, som fejlede? Så se, hvad svaret var. Gik de alle
  godt, så bed din webudbyder om at lede efter resten på vejen. Alt er godt
  igen, når ti ændringer i træk er meldt.

shop1234, orderPdf: bruges ikke i denne butik
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if err := v.WriteJSON(&raw); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Shop     string
		Webhooks []map[string]any
	}
	if err := json.Unmarshal(raw.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	first := got.Webhooks[0]
	for _, text := range []string{"says", "to_do"} {
		delete(first, text)
	}
	wantJSON := map[string]any{"type": "stockUpdate", "state": "some_missing", "needs_person": true, "since": "2026-11-23T12:12:00Z", "last_call": "2026-11-23T12:10:00Z", "calls": 1.0,
		"wrong_calls": 0.0, "numbers": 1.0, "unknown_numbers": 0.0, "changes": 3.0, "missed": 1.0, "late": 1.0, "missed_share": 1.0 / 3,
		"at_economic": map[string]any{"state": "not_asked", "reason": "--offline", "says": "ikke set: --offline"}}
	if diff := cmp.Diff(wantJSON, first); diff != "" || got.Shop != "shop1234" || got.Webhooks[1]["state"] != "off" || got.Webhooks[1]["missed_share"] != nil {
		t.Errorf("JSON of %s (-want +got):\n%s", got.Shop, diff)
	}
}

// TestSeenAtEconomic: what is seen of a webhook, by what it calls. What this app has not made is not
// visible, never missing.
func TestSeenAtEconomic(t *testing.T) {
	t.Parallel()
	public := &url.URL{Scheme: "https", Host: "lagerd.example.dk", Path: "/webhooks.php"}
	events := []webhooksapi.EventType{{Name: "INVENTORY_UPDATED", MergeFields: []string{"[NUMBER]"}}, {Name: "INVOICE_BOOKED", MergeFields: []string{"[INVOICENO]"}}}
	const own = "https://lagerd.example.dk/webhooks.php?type=stockUpdate&username=shop1234"
	for _, c := range []struct {
		name, address, data string
		disabled            bool
		want                status.SeenState
		host                string
	}{
		{"its own", own, "number=[NUMBER]", false, status.SeenOn, ""},
		{"with the port", strings.Replace(own, ".dk/", ".DK:443/", 1), "", false, status.SeenOn, ""},
		{"switched off", own, "", true, status.SeenOff, ""},
		{"all in the data", "https://lagerd.example.dk/webhooks.php?", "TYPE=stockupdate&amp;Username=shop1234&number=[NUMBER]", false, status.SeenOn, ""},
		{"another shop", strings.Replace(own, "1234", "1235", 1), "", false, status.SeenOtherShop, ""},
		{"the data comes first", own, "username=shop1235", false, status.SeenOtherShop, ""},
		{"another type", strings.Replace(own, "stockUpdate", "orderPdf", 1), "", false, status.SeenOtherShop, ""},
		{"another shop's, switched off", strings.Replace(own, "1234", "1235", 1), "", true, status.SeenOtherShop, ""},
		{"another type's, switched off", strings.Replace(own, "stockUpdate", "orderPdf", 1), "", true, status.SeenOtherShop, ""},
		{"another host", "https://shop.example.dk/webhooks.php?type=stockUpdate&username=shop1234&password=secret", "", true, status.SeenElsewhere, "shop.example.dk"},
		{"another path", strings.Replace(own, "webhooks", "hooks", 1), "", false, status.SeenElsewhere, "lagerd.example.dk"},
		{"without TLS", strings.Replace(own, "https", "http", 1), "", false, status.SeenElsewhere, "lagerd.example.dk"},
		{"no address", "%zz", "", false, status.SeenElsewhere, "an address that cannot be read"},
	} {
		hook := webhooksapi.Webhook{EventType: "INVENTORY_UPDATED", URL: secret.NewText(c.address), PostData: secret.NewText(c.data), Disabled: c.disabled, LastDisabled: hookNoon}
		seen, got := status.Seeing{Shop: "shop1234", Public: public, Types: events, Hooks: []webhooksapi.Webhook{hook}}.Of(status.WebhookStock, lang.English)
		if seen.State != c.want || seen.Host != c.host || seen.EventType != "INVENTORY_UPDATED" || got.EventType != seen.EventType || (seen.OffSince != nil) != (c.want == status.SeenOff) || strings.Contains(seen.Says, "secret") {
			t.Errorf("%s: %+v", c.name, seen)
		}
	}
	see := func(types []webhooksapi.EventType) status.SeenState {
		seen, _ := status.Seeing{Shop: "shop1234", Public: public, Types: types}.Of(status.WebhookStock, lang.English)
		return seen.State
	}
	if got := see(events); got != status.SeenNotVisible {
		t.Errorf("without webhooks: %s", got)
	}
	for _, types := range [][]webhooksapi.EventType{nil, events[1:], append([]webhooksapi.EventType{{Name: "INVENTORY_COUNTED"}}, events...)} {
		if got := see(types); got != status.SeenNoEvent {
			t.Errorf("event types %v: %s", types, got)
		}
	}
}

// TestMergeFields: which merge field stands for the number is told from its name or because it is the
// only one, and else not guessed.
func TestMergeFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of     status.WebhookType
		fields []string
		want   string
	}{
		{status.WebhookStock, []string{"[NUMBER]"}, "[NUMBER]"}, {status.WebhookStock, []string{"[DATE]", "[number]"}, "[number]"}, {status.WebhookStock, []string{"[PRODUCTNO]"}, "[PRODUCTNO]"},
		{status.WebhookStock, []string{"[OLDNUMBER]", "[NEWNUMBER]"}, ""}, {status.WebhookStock, nil, ""}, {status.WebhookInvoice, []string{"[CUSTOMERNO]", "[INVOICENO]"}, "[INVOICENO]"},
	} {
		if got, ok := c.of.MergeField(webhooksapi.EventType{MergeFields: c.fields}); got != c.want || ok != (c.want != "") {
			t.Errorf("%s %v: %q", c.of, c.fields, got)
		}
	}
}

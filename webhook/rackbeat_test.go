package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lagerd/terminal"
	"lagerd/webhook"
)

const (
	token    = "Zk3v0Qm8Rt5Yw1Xb7Nc2Lp9Hs4Jd6Gf0"
	rackbeat = "type=rackbeatStock&" + creds
)

// fromRackbeat is a call as Rackbeat makes it. event is its header, unless it is "".
func fromRackbeat(query, body, event string) *http.Request {
	r := request(http.MethodPost, query, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Rackbeat-Webhook-Token", token)
	r.Header.Set("Rackbeat-Account-Id", "4711")
	if event != "" {
		r.Header.Set("Rackbeat-Webhook-Event", event)
	}
	return r
}

const (
	saysOrder      = "Et webhook om en ordre nævner ingen vare.\n"
	saysUnnamed    = "Det nævner ingen vare ved dens nummer.\n"
	saysUnreadable = "Det ligner ikke de webhooks, som Rackbeat sender. Er der andet, som bruger denne adresse?\n"
)

// TestRackbeat: a call of Rackbeat's is recorded for the number that it names, or for all items.
func TestRackbeat(t *testing.T) {
	t.Parallel()
	deep := func(levels int) string { return strings.Repeat(`{"a":`, levels) + "1" + strings.Repeat("}", levels) }
	tests := []struct {
		name, body, event string
		number            string // "": all items
		outcome, says     string
	}{
		{"documented", `{"key":"0571527051","key_name":"number","event":"inventory.changed","data":{"number":"other","key":"9","stock_quantity":12}}`, "inventory.changed", "0571527051", "recorded", ""},
		{"documented, data first", `{"data":{"key":"9","lines":[{"item":"8"}]},"event":"product.updated","key_name":"number","key":"7"}`, "", "7", "recorded", ""},
		{"documented, an integer", `{"key":1021,"key_name":"number","event":"product.created","data":{}}`, "product.created", "1021", "recorded", ""},
		{"without an event", `{"key_name":"number","key":"1021"}`, "", "1021", "recorded", ""},
		{"without an event but the header's", `{"key_name":"number","key":"1021"}`, "inventory.changed", "1021", "recorded", ""},
		{"without the key's name", `{"key":"1021"}`, "", "1021", "recorded", ""},
		{"the key's name in any case", `{"key":"1021","key_name":"Number"}`, "", "1021", "recorded", ""},
		{"about stock", `{"item":"1021","item_type":"product","type":"stock"}`, "inventory.changed", "1021", "recorded", ""},
		{"about stock, an integer", `{"item":1021,"item_type":"lot","type":"stock"}`, "", "1021", "recorded", ""},
		{"an item and a key", `{"key":12,"key_name":"id","item":"1021"}`, "", "1021", "recorded", ""},
		{"an unknown event", `{"key":"1021","key_name":"number","event":"lot.produced"}`, "", "1021", "recorded", ""},
		{"beyond 2^53", `{"key":9007199254740993,"key_name":"number"}`, "", "9007199254740993", "recorded", ""},
		{"beyond 2^64", `{"item":1234567890123456789012345}`, "", "1234567890123456789012345", "recorded", ""},
		{"zero", `{"item":0}`, "", "0", "recorded", ""},
		{"leading zeroes", `{"item":"0042"}`, "", "0042", "recorded", ""},
		{"escaped", `{"item":"r\u00f8d\/\"A\" & 50%"}`, "", `rød/"A" & 50%`, "recorded", ""},
		{"raw UTF-8", `{"item":"rød grød"}`, "", "rød grød", "recorded", ""},
		{"escaped names", `{"\u0069tem":"7"}`, "", "7", "recorded", ""},
		{"spaces around", " \r\n\t{ \"item\" : \"7\" }\n", "", "7", "recorded", ""},
		{"25 characters", `{"item":"` + strings.Repeat("æ", 25) + `"}`, "", strings.Repeat("æ", 25), "recorded", ""},
		{"what looks like a merge field", `{"item":"[NUMBER]"}`, "", "[NUMBER]", "recorded", ""},
		{"nesting as deep as it may", `{"data":` + deep(31) + `,"item":"7"}`, "", "7", "recorded", ""},

		{"an order", `{"key":1021,"key_name":"number","event":"order.created","data":{"number":1021}}`, "order.created", "", "everything", saysOrder},
		{"an order, by its header", `{"key_name":"number","key":"1021"}`, "order.created", "", "everything", saysOrder},
		{"an order, by its header in any case", `{"key_name":"number","key":"1021"}`, "Order.Updated", "", "everything", saysOrder},
		{"an order that cannot be read", `{"key":`, "order.created", "", "everything", saysOrder},
		{"another's order", `{"key":1021,"key_name":"number","event":"purchase_order.created"}`, "", "", "everything", saysOrder},
		{"the body's event before the header's", `{"key":"1021","key_name":"number","event":"product.updated"}`, "order.created", "1021", "recorded", ""},
		{"an id", `{"key":12,"key_name":"id","event":"product.updated","data":{"number":"1021"}}`, "", "", "everything", saysUnnamed},
		{"another name", `{"key":"0042-A_b","key_name":"urlfriendly_number"}`, "", "", "everything", saysUnnamed},
		{"an unknown event without a number", `{"event":"account.counted"}`, "", "", "everything", saysUnnamed},
		{"no number", `{}`, "", "", "everything", saysUnnamed},
		{"null", `{"item":null,"key":null,"key_name":null}`, "", "", "everything", saysUnnamed},
		{"an empty number", `{"item":""}`, "", "", "everything", saysUnnamed},
		{"white space for a number", `{"item":" \u00a0\u200b"}`, "", "", "everything", saysUnnamed},
		{"an object", `{"item":{"number":"7"}}`, "", "", "everything", saysUnnamed},
		{"a list", `{"item":["7"]}`, "", "", "everything", saysUnnamed},
		{"a truth", `{"item":true}`, "", "", "everything", saysUnnamed},
		{"decimals", `{"item":10.5}`, "", "", "everything", saysUnnamed},
		{"an exponent", `{"item":1e3}`, "", "", "everything", saysUnnamed},
		{"a negative number", `{"item":-5}`, "", "", "everything", saysUnnamed},

		{"nothing", "", "", "", "unreadable", saysUnreadable},
		{"spaces", "  ", "", "", "unreadable", saysUnreadable},
		{"a form", "item=7&key=7", "", "", "unreadable", saysUnreadable},
		{"XML", "<item>7</item>", "", "", "unreadable", saysUnreadable},
		{"a list of them", `[{"item":"7"}]`, "", "", "unreadable", saysUnreadable},
		{"two of them", `{"item":"7"}{"item":"8"}`, "", "", "unreadable", saysUnreadable},
		{"only a number", `7`, "", "", "unreadable", saysUnreadable},
		{"only a text", `"7"`, "", "", "unreadable", saysUnreadable},
		{"cut off", `{"item":"7"`, "", "", "unreadable", saysUnreadable},
		{"cut off within", `{"item":"7","data":{"a":[1,2`, "", "", "unreadable", saysUnreadable},
		{"a comma too many", `{"item":"7",}`, "", "", "unreadable", saysUnreadable},
		{"a number that begins with zero", `{"item":007}`, "", "", "unreadable", saysUnreadable},
		{"a name twice", `{"item":"7","item":"8"}`, "", "", "unreadable", saysUnreadable},
		{"a name twice, within", `{"item":"7","data":{"a":1,"a":2}}`, "", "", "unreadable", saysUnreadable},
		{"not UTF-8", "{\"item\":\"r\xf8d\"}", "", "", "unreadable", saysUnreadable},
		{"half a surrogate", `{"item":"\ud800"}`, "", "", "unreadable", saysUnreadable},
		{"a byte order mark", "\ufeff{\"item\":\"7\"}", "", "", "unreadable", saysUnreadable},
		{"nesting too deep", `{"data":` + deep(32) + `,"item":"7"}`, "", "", "unreadable", saysUnreadable},
		{"26 characters", `{"item":"` + strings.Repeat("x", 26) + `"}`, "", "", "unreadable", saysUnreadable},
		{"26 digits", `{"item":` + strings.Repeat("1", 26) + `}`, "", "", "unreadable", saysUnreadable},
		{"a control character", `{"item":"a\u0000b"}`, "", "", "unreadable", saysUnreadable},
		{"a line end", `{"item":"a\nb"}`, "", "", "unreadable", saysUnreadable},
		{"a line separator", `{"item":"a\u2028b"}`, "", "", "unreadable", saysUnreadable},
		{"a replacement character", `{"item":"a\ufffdb"}`, "", "", "unreadable", saysUnreadable},
		{"the code", `{"item":"` + code[:25] + `"}`, "", code[:25], "recorded", ""},
		{"too large", `{"item":"7","data":"` + strings.Repeat("x", 16<<10) + `"}`, "", "", "unreadable", saysUnreadable},
		{"an order too large", `{"key":"7","data":"` + strings.Repeat("x", 16<<10) + `"}`, "order.created", "", "everything", saysOrder},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint()
			e.of.Stock = webhook.NextAtRackbeat
			w := e.call(t, fromRackbeat(rackbeat, tt.body, tt.event))
			want := "Success\n" + received(webhook.KindStock, tt.number) + "Varens lager læses hos Rackbeat nu, og butikken har det som regel om få sekunder.\n"
			if tt.number == "" {
				want = "Success\nModtaget for " + shop + ": et webhook uden varenummer\n" + tt.says + "Alle varer læses igen om lidt.\n"
			}
			if w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("status %d, answer\n%swant 200 and\n%s", w.Code, w.Body, want)
			}
			if diff := cmp.Diff([]webhook.Hint{{Shop: shop, Kind: webhook.KindStock, Number: tt.number, ReceivedAt: noon}}, e.hints); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			call := webhook.Call{Shop: shop, At: noon, Method: "POST", Remote: "192.0.2.7", Kind: webhook.KindStock, Rackbeat: true, Number: tt.number, Status: 200, Outcome: tt.outcome, Duration: 5 * time.Millisecond}
			if diff := cmp.Diff([]webhook.Call{call}, e.calls); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRackbeatNeedsTheCode: the code comes in the URL, whatever the body says, and is compared
// before the token.
func TestRackbeatNeedsTheCode(t *testing.T) {
	t.Parallel()
	for name, query := range map[string]string{
		"no code": "type=rackbeatStock&username=" + shop, "a wrong code": "type=rackbeatStock&username=" + shop + "&password=wrong", "no shop": "type=rackbeatStock",
	} {
		e := newEndpoint()
		w := e.call(t, fromRackbeat(query, `{"item":"7","username":"`+shop+`","password":"x"}&`+creds, ""))
		if w.Code != http.StatusForbidden || len(e.hints) != 0 || e.asked != 1 || e.tokens != 0 || e.calls[0].Outcome != webhook.OutcomeRefused || e.calls[0].Shop != "" {
			t.Errorf("%s: status %d, recorded %v, journal %+v", name, w.Code, e.hints, e.calls)
		}
	}
}

// TestRackbeatsType: the type is in the URL, in any case; a body that is a form has no say.
func TestRackbeatsType(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query, body string
		status      int
		number      string
	}{
		"in any case":               {"?TYPE=RackBeatStock&" + creds, `{"item":"7"}`, 200, "7"},
		"with a number in the URL":  {rackbeat + "&number=8", `{"item":"7"}`, 200, "7"},
		"with &amp;":                {strings.ReplaceAll(rackbeat, "&", "&amp;"), `{"item":"7"}`, 200, "7"},
		"a form of e-conomic's":     {rackbeat, "type=stockUpdate&" + creds + "&number=7", 200, ""},
		"in a body for e-conomic":   {"", rackbeat, 400, ""},
		"e-conomic's, with a JSON":  {"type=stockUpdate&" + creds + "&number=7", `{"item":"8"}`, 200, "7"},
		"e-conomic's, with an item": {"type=stockUpdate&" + creds, `{"item":"8"}`, 400, ""},
	} {
		e := newEndpoint()
		w := e.call(t, fromRackbeat(c.query, c.body, ""))
		if w.Code != c.status || (len(e.hints) == 1) != (c.status == 200) || len(e.hints) == 1 && e.hints[0].Number != c.number {
			t.Errorf("%s: status %d, recorded %v, answer %s", name, w.Code, e.hints, w.Body)
		}
		switch {
		case name == "with &amp;" && (e.calls[0].Outcome != webhook.OutcomeHTMLEscaped || !strings.Contains(w.Body.String(), "Ret dette")):
			t.Errorf("%s: %s, answer %s", name, e.calls[0].Outcome, w.Body)
		case name == "in a body for e-conomic" && !strings.HasPrefix(w.Body.String(), "type=rackbeatStock er til Rackbeats webhook, og hører til i dets URL."):
			t.Errorf("%s: answer %s", name, w.Body)
		}
	}
}

// TestRackbeatInABrowser: an owner who tries the URL is told what it is for. Nothing is recorded
// but the call, and the token is not asked for, since a browser cannot send it.
func TestRackbeatInABrowser(t *testing.T) {
	t.Parallel()
	e := newEndpoint()
	w := e.call(t, request(http.MethodGet, rackbeat, ""))
	want := "Success\nButik og kode er rigtige: " + shop + "\n" +
		"Rackbeats webhooks modtages på denne adresse. Dette var kun en prøve: intet blev registreret.\n"
	if w.Code != http.StatusOK || w.Body.String() != want || len(e.hints) != 0 || e.tokens != 0 {
		t.Errorf("status %d, recorded %v, answer\n%s", w.Code, e.hints, w.Body)
	}
	call := webhook.Call{Shop: shop, At: noon, Method: "GET", Remote: "192.0.2.7", Kind: webhook.KindStock, Rackbeat: true, Status: 200, Outcome: webhook.OutcomeTried, Duration: 5 * time.Millisecond}
	if diff := cmp.Diff([]webhook.Call{call}, e.calls); diff != "" {
		t.Errorf("journal (-want +got):\n%s", diff)
	}
}

// TestRackbeatsToken: a call without the token is refused like one with a wrong code, and in the
// shop's log. Such calls are limited, and then in no shop's log.
func TestRackbeatsToken(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]http.Header{
		"missing": {}, "wrong": {"Rackbeat-Webhook-Token": {"x" + token[1:]}}, "cut off": {"Rackbeat-Webhook-Token": {token[1:]}}, "empty": {"Rackbeat-Webhook-Token": {""}},
		"the second": {"Rackbeat-Webhook-Token": {"x", token}}, "in another header": {"Token": {token}}, "in another case": {"Rackbeat-Webhook-Token": {strings.ToLower(token)}},
	} {
		e := newEndpoint()
		call := func() *webhook.Call {
			r := fromRackbeat(rackbeat, `{"item":"7"}`, "")
			r.Header = header
			w := e.call(t, r)
			last := &e.calls[len(e.calls)-1]
			if !strings.HasPrefix(w.Body.String(), "Afvist: headeren Rackbeat-Webhook-Token mangler") {
				t.Errorf("%s: answer %s", name, w.Body)
			}
			return last
		}
		for n := range 30 {
			if c := call(); c.Status != http.StatusForbidden || c.Outcome != webhook.OutcomeBadToken || c.Shop != shop || c.Claims != "" {
				t.Errorf("%s, %d: %+v", name, n, c)
			}
		}
		if c := call(); c.Status != http.StatusTooManyRequests || c.Outcome != webhook.OutcomeLimited || c.Shop != "" || c.Claims != shop {
			t.Errorf("%s: %+v", name, c)
		}
		if len(e.hints) != 0 || e.tokens != 31 {
			t.Errorf("%s: recorded %v, the token was checked %d times", name, e.hints, e.tokens)
		}
		if w := e.call(t, fromRackbeat(rackbeat, `{"item":"7"}`, "")); w.Code != http.StatusOK || len(e.hints) != 1 {
			t.Errorf("%s: then the right one is answered %d", name, w.Code)
		}
		if text := fmt.Sprintf("%+v", e.calls); strings.Contains(text, token[1:]) {
			t.Errorf("%s: the journal shows the token: %s", name, text)
		}
	}
	// A token has no say in e-conomic's webhooks.
	e := newEndpoint()
	if w := e.call(t, request(http.MethodPost, "", "type=stockUpdate&"+creds+"&number=7")); w.Code != http.StatusOK || e.tokens != 0 {
		t.Errorf("e-conomic's webhook: status %d, the token was checked %d times", w.Code, e.tokens)
	}
}

// TestCodeAsRackbeatsNumber: a number that contains the code is not shown.
func TestCodeAsRackbeatsNumber(t *testing.T) {
	t.Parallel()
	const short = "secret-code-9"
	e := newEndpoint(func(o *webhook.Options) { o.Authenticator = anyone{} })
	for _, body := range []string{`{"item":"` + short + `"}`, `{"item":"x` + short + `"}`, `{"item":"\u0073` + short[1:] + `"}`, `{"key":"` + short + `"}`} {
		w := e.call(t, fromRackbeat("type=rackbeatStock&username=s&password="+short, body, ""))
		if text := fmt.Sprint(w.Body, e.calls, e.hints); w.Code != http.StatusOK || strings.Contains(text, short) {
			t.Errorf("%s: status %d, %s", body, w.Code, text)
		}
	}
}

func TestRackbeatNotRecorded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		outcome string
	}{{webhook.ErrFull, webhook.OutcomeFull}, {errors.New("down"), webhook.OutcomeUnavailable}} {
		for _, body := range []string{`{"item":"7"}`, `{}`, ``} {
			e := newEndpoint()
			e.record = func(context.Context, webhook.Hint) error { return c.err }
			w := e.call(t, fromRackbeat(rackbeat, body, ""))
			if w.Code != http.StatusServiceUnavailable || e.calls[0].Outcome != c.outcome || strings.Contains(w.Body.String(), "Success") {
				t.Errorf("%v, %s: status %d, %s, answer %s", c.err, body, w.Code, e.calls[0].Outcome, w.Body)
			}
		}
	}
}

// TestHostileRackbeat: a body of the largest size that can be configured is read within 2 s and
// 100 MiB, whatever it contains.
func TestHostileRackbeat(t *testing.T) { //nolint:paralleltest // it measures memory
	const size = 1 << 20
	numbered := func(part string, most int) string {
		var b strings.Builder
		for n := 0; b.Len() < most; n++ {
			fmt.Fprintf(&b, part, n)
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"lists": strings.Repeat("[", size), "objects": strings.Repeat(`{"a":`, size/5), "lists within": `{"data":` + strings.Repeat("[", size-10), "objects within": `{"data":` + strings.Repeat(`{"a":`, size/5-10),
		"flat lists": `{"data":[` + strings.Repeat("[],", size/3-10) + "[]]}", "many names": "{" + numbered(`"%d":1,`, size-60) + `"item":"7"}`, "many names within": `{"data":{` + numbered(`"%d":{},`, size-60) + `"a":1},"item":"7"}`,
		"a long number": `{"item":` + strings.Repeat("9", size-20) + "}", "a long text": `{"item":"` + strings.Repeat("9", size-20) + `"}`, "escapes": `{"item":"` + strings.Repeat(`\u0041`, size/6-10) + `"}`,
		"a long name": `{"` + strings.Repeat("k", size-20) + `":1}`, "spaces": strings.Repeat(" ", size-20) + `{"item":"7"}`, "zeroes": strings.Repeat("\x00", size), "a byte too many": strings.Repeat(" ", size+1),
	} {
		e := newEndpoint(func(o *webhook.Options) { o.MaxBodyBytes = size })
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		began := time.Now()
		w := e.call(t, fromRackbeat(rackbeat, body, ""))
		took := time.Since(began)
		runtime.ReadMemStats(&is)
		if used := (is.TotalAlloc - was.TotalAlloc) >> 20; used > 100 || took > 2*time.Second || w.Code != http.StatusOK || len(e.hints) != 1 {
			t.Errorf("%s: %d, %d MiB in %s, recorded %v", name, w.Code, used, took, e.hints)
		}
	}
}

// FuzzRackbeat: whatever Rackbeat, or somebody with the shop's code, sends is recorded for a
// number that can be one, or for all items, within 2 s and 20 MiB.
func FuzzRackbeat(f *testing.F) {
	for _, body := range []string{
		`{"key":"0571527051","key_name":"number","event":"inventory.changed","data":{"a":[1,{"b":null}]}}`, `{"key_name":"number","key":"1021"}`, `{"item":"7","item_type":"product","type":"stock"}`,
		`{"item":9007199254740993}`, `{"item":1e3}`, `{"item":"\ud83d\ude00"}`, `{"item":"\ud800"}`, `{"item":"` + code + `"}`, `{"item":"a\u0000"}`, `{"key":12,"key_name":"id"}`, `{"event":"order.created"}`,
		`{"item":"7","item":"8"}`, `{"data":` + strings.Repeat("[", 500), `{"data":` + strings.Repeat(`{"a":`, 500), ``, `[]`, `7`, "\xff", `{"":""}`, strings.Repeat(" ", 20_000), `{"item":"` + strings.Repeat("x", 16_000) + `"}`,
	} {
		f.Add(body, "")
		f.Add(body, "order.created")
	}
	f.Fuzz(func(t *testing.T, body, event string) {
		e := newEndpoint()
		r := fromRackbeat(rackbeat, body, "")
		r.Header["Rackbeat-Webhook-Event"] = []string{event}
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		began := time.Now()
		w := e.call(t, r) // which looks for the code in answer and journal
		took := time.Since(began)
		runtime.ReadMemStats(&is)
		if used := (is.TotalAlloc - was.TotalAlloc) >> 20; used > 20 || took > 2*time.Second {
			t.Errorf("%d MiB in %s", used, took)
		}
		if e.stack != nil {
			t.Fatalf("panic:\n%s", e.stack)
		}
		if w.Code != http.StatusOK || len(e.hints) != 1 || len(e.calls) != 1 || !slices.Contains(webhook.Outcomes(), e.calls[0].Outcome) {
			t.Fatalf("status %d, recorded %v, journal %+v", w.Code, e.hints, e.calls)
		}
		h, got := e.hints[0], w.Body.String()
		lines := 3
		if h.Number == "" {
			lines = 4
		}
		if string(terminal.EscapeOutput([]byte(got))) != got || strings.Count(got, "\n") != lines || !strings.HasPrefix(got, "Success\n") {
			t.Errorf("answer %q is not %d lines of text", got, lines)
		}
		if utf8.RuneCountInString(h.Number) > 25 || !utf8.ValidString(h.Number) || strings.ContainsFunc(h.Number, unicode.IsControl) || (h.Number == "") != (e.calls[0].Outcome != webhook.OutcomeRecorded) {
			t.Errorf("recorded %+v as %s", h, e.calls[0].Outcome)
		}
		if strings.Contains(strings.ToLower(event), "order") && h.Number != "" && !strings.Contains(body, `event`) && !strings.Contains(body, `\`) {
			t.Errorf("an order's number is recorded as an item's: %+v", h)
		}
	})
}

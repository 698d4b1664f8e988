package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lagerd/lang"
	"lagerd/terminal"
	"lagerd/webhook"
)

const (
	shop = "shop1234"
	code = "7w2m9k4x8c3v6b1n5q0zhjfdgs"

	headerCode = "p4t8z1r6w3y0k7m2c9x5v8b1n4"
	creds      = "username=" + shop + "&password=" + code
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// endpoint is a handler with its dependencies.
type endpoint struct {
	http.Handler
	mu       sync.Mutex
	hints    []webhook.Hint
	calls    []webhook.Call
	observed []string
	asked    int // how often the Authenticator was
	byPerson int // how often for a person's call
	tokens   int // how often it was for a token
	record   func(context.Context, webhook.Hint) error
	stack    []byte
	of       webhook.Shop // the shop; newEndpoint's owner is Danish
}

func (e *endpoint) Record(ctx context.Context, h webhook.Hint) error {
	if e.record != nil {
		if err := e.record(ctx, h); err != nil {
			return err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hints = append(e.hints, h)
	return nil
}

func (e *endpoint) Authenticate(s, c string, byPerson bool) (webhook.Shop, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if byPerson {
		e.byPerson++
	}
	if s != shop || c != code {
		return webhook.Shop{}, false
	}
	return e.of, true
}

func (e *endpoint) AuthenticateHeader(s, c string) (webhook.Shop, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked++
	if s != shop || c != headerCode {
		return webhook.Shop{}, false
	}
	return e.of, true
}

func (e *endpoint) AuthenticateToken(s, given string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tokens++
	return s == shop && given == token
}

func (e *endpoint) Add(c webhook.Call) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, c)
}

func newEndpoint(change ...func(*webhook.Options)) *endpoint {
	e := &endpoint{of: webhook.Shop{Lang: lang.Danish}}
	var ticks int
	o := webhook.Options{
		Recorder: e, Authenticator: e, Journal: e,
		// Each reading of the clock is 5 ms after the last: a call reads it twice.
		Now: func() time.Time {
			e.mu.Lock()
			defer e.mu.Unlock()
			ticks++
			return noon.Add(time.Duration(ticks-1) * 5 * time.Millisecond)
		},
		Observe: func(outcome string, _ time.Duration) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.observed = append(e.observed, outcome)
		},
		Panicked: func(stack []byte) { e.stack = stack },
		RandN:    func(n int) int { return n - 1 },
	}
	for _, c := range change {
		c(&o)
	}
	e.Handler = webhook.NewHandler(o)
	return e
}

// request is built by hand: NewRequest would correct what is to be tested.
func request(method, rawQuery, body string) *http.Request {
	r := &http.Request{
		Method: method, URL: &url.URL{Path: webhook.Path, RawQuery: rawQuery},
		Header: http.Header{}, Body: http.NoBody, RemoteAddr: "192.0.2.7:4711",
	}
	if body != "" {
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	return r
}

func (e *endpoint) call(t testing.TB, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	for name, want := range map[string]string{
		"Content-Type":           "text/plain; charset=utf-8",
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "no-store",
		"Referrer-Policy":        "no-referrer",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (w.Code == http.StatusServiceUnavailable || w.Code == http.StatusTooManyRequests) {
		t.Errorf("status %d has Retry-After %q", w.Code, retry)
	}
	if allow := w.Header().Get("Allow"); (allow == "GET, POST") != (w.Code == http.StatusMethodNotAllowed) {
		t.Errorf("status %d has Allow %q", w.Code, allow)
	}
	if dump := fmt.Sprint(w.Header(), w.Body); strings.Contains(dump, code) {
		t.Errorf("the answer shows the code: %s", dump)
	}
	logged := slices.Clone(e.calls)
	for i := range logged {
		logged[i].Claims = "" // any text, compared with the shops' names and not logged
	}
	if dump := fmt.Sprintf("%+v", logged); strings.Contains(dump, code) {
		t.Errorf("the journal shows the code: %s", dump)
	}
	return w
}

func TestGoodCalls(t *testing.T) {
	t.Parallel()
	const stock, invoice = webhook.KindStock, webhook.KindInvoice
	tests := []struct {
		name        string
		query, body string
		kind        webhook.Kind
		number      string
	}{
		{"by hand", "type=stockUpdate&" + creds + "&number=0571527051", "", stock, "0571527051"},
		{"e-conomic's POST", "", "type=stockUpdate&" + creds + "&number=0571527051", stock, "0571527051"},
		{"code in the address, number in the body", creds, "type=stockUpdate&number=7", stock, "7"},
		{"address that ends in ?", "?type=stockUpdate&" + creds + "&number=7", "", stock, "7"},
		{"address that ends in ?&", "?&type=stockUpdate&" + creds + "&number=7", "", stock, "7"},
		{"stray & everywhere", "&&type=stockUpdate&&" + creds + "&&number=7&&", "", stock, "7"},
		{"body pasted with its ?", "", "?type=stockUpdate&" + creds + "&number=7", stock, "7"},
		{"body pasted over several lines", "", "type=stockUpdate\r\n&username=" + shop + "\r\n&password=" + code + "\r\n&number=7\r\n", stock, "7"},
		{"body with a byte order mark", "", "\ufefftype=stockUpdate&" + creds + "&number=7", stock, "7"},
		{"names and type in any case", "TYPE=STOCKUPDATE&UserName=" + shop + "&Password=" + code + "&Number=a7", "", stock, "a7"},
		{"stray parameters", "x=1&type=stockUpdate&y&" + creds + "&number=7&_=1697&z=", "", stock, "7"},
		{"repeated: the first", "type=stockUpdate&type=orderPdf&" + creds + "&number=7&number=8", "", stock, "7"},
		{"repeated: the first that is not empty", "type=&type=stockUpdate&" + creds + "&number=+&number=8&password=x", "", stock, "8"},
		{"body before query", "type=orderPdf&" + creds + "&number=999", "type=stockUpdate&number=7", stock, "7"},
		{"empty in the body, present in the query", "number=7", "type=stockUpdate&" + creds + "&number=", stock, "7"},

		{"inner spaces as +", "type=stockUpdate&" + creds + "&number=AB+12++3", "", stock, "AB 12  3"},
		{"inner spaces as %20", "type=stockUpdate&" + creds + "&number=AB%2012", "", stock, "AB 12"},
		{"inner spaces raw", "", "type=stockUpdate&" + creds + "&number=AB 12", stock, "AB 12"},
		{"white space around", "", "type=stockUpdate&" + creds + "&number=%20+7%0D%0A", stock, "7"},
		{"slashes", "type=stockUpdate&" + creds + `&number=a/b\c`, "", stock, `a/b\c`},
		{"an equals sign", "type=stockUpdate&" + creds + "&number=a=b", "", stock, "a=b"},
		{"a hash sign", "", "type=stockUpdate&" + creds + "&number=a#b;c", stock, "a#b;c"},
		{"plus, escaped", "type=stockUpdate&" + creds + "&number=A%2B5", "", stock, "A+5"},
		{"percent, escaped", "type=stockUpdate&" + creds + "&number=50%25", "", stock, "50%"},
		{"percent, unescaped at the end", "type=stockUpdate&" + creds + "&number=50%", "", stock, "50%"},
		{"percent, unescaped within", "", "type=stockUpdate&" + creds + "&number=50%zz", stock, "50%zz"},
		{"half an escape", "type=stockUpdate&" + creds + "&number=50%4", "", stock, "50%4"},
		{"plus beside a lone percent is a plus", "type=stockUpdate&" + creds + "&number=50%+A", "", stock, "50%+A"},
		{"plus beside a raw space is a plus", "", "type=stockUpdate&" + creds + "&number=A+B C", stock, "A+B C"},
		{"plus beside raw UTF-8 is a plus", "", "type=stockUpdate&" + creds + "&number=Ø+B", stock, "Ø+B"},
		{"browsers escape spaces and leave percents", "type=stockUpdate&" + creds + "&number=100%%20uld", "", stock, "100% uld"},
		{"unescaped &", "", "type=stockUpdate&" + creds + "&number=NUTS&BOLTS", stock, "NUTS&BOLTS"},
		{"unescaped & with spaces", "", "type=stockUpdate&" + creds + "&number=A & B+C", stock, "A & B+C"},
		{"several unescaped &", "", "type=stockUpdate&" + creds + "&number=A&B&&C\n", stock, "A&B&&C"},
		{"unescaped & in a query", "type=stockUpdate&" + creds + "&number=A%20&%20B", "", stock, "A & B"},
		{"& at the end is stray", "type=stockUpdate&" + creds + "&number=A&", "", stock, "A"},
		{"a rest too long for a number is stray", "type=stockUpdate&" + creds + "&number=A&" + strings.Repeat("x", 24), "", stock, "A"},
		{"a rest that just fits", "type=stockUpdate&" + creds + "&number=A&" + strings.Repeat("x", 23), "", stock, "A&" + strings.Repeat("x", 23)},
		{"a rest with a control character is stray", "type=stockUpdate&" + creds + "&number=A&%07", "", stock, "A"},
		{"the code pasted after the number is stray", "type=stockUpdate&" + creds + "&number=A&" + code[:23], "", stock, "A&" + code[:23]},
		{"number is not last", "number=A&B&type=stockUpdate&" + creds, "", stock, "A"},
		{"the query's rest is not the body's", creds, "type=stockUpdate&number=A&B", stock, "A&B"},

		{"UTF-8, escaped", "type=stockUpdate&" + creds + "&number=r%C3%B8d%20gr%C3%B8d", "", stock, "rød grød"},
		{"UTF-8, raw", "", "type=stockUpdate&" + creds + "&number=rødgrød", stock, "rødgrød"},
		{"Windows-1252, escaped", "type=stockUpdate&" + creds + "&number=%E6%F8%e5+%C6%D8%C5", "", stock, "æøå ÆØÅ"},
		{"Windows-1252, raw", "", "type=stockUpdate&" + creds + "&number=\xe6\xf8\xe5", stock, "æøå"},
		{"Windows-1252, beyond Latin-1", "type=stockUpdate&" + creds + "&number=%80%96", "", stock, "€–"},
		{"25 characters", "type=stockUpdate&" + creds + "&number=" + strings.Repeat("%C3%A6", 25), "", stock, strings.Repeat("æ", 25)},
		{"25 with white space around", "type=stockUpdate&" + creds + "&number=+" + strings.Repeat("x", 25) + "+", "", stock, strings.Repeat("x", 25)},
		{"a bracket", "type=stockUpdate&" + creds + "&number=M8[2", "", stock, "M8[2"},
		{"brackets within", "type=stockUpdate&" + creds + "&number=M8[A]2", "", stock, "M8[A]2"},
		{"digits in brackets", "type=stockUpdate&" + creds + "&number=[12]", "", stock, "[12]"},
		{"a letter in brackets", "type=stockUpdate&" + creds + "&number=[A]", "", stock, "[A]"},
		{"other characters in brackets", "type=stockUpdate&" + creds + "&number=[A/B]", "", stock, "[A/B]"},
		{"brackets at the end", "type=stockUpdate&" + creds + "&number=A[BC]", "", stock, "A[BC]"},
		{"a bracket that is not closed", "type=stockUpdate&" + creds + "&number=[AB", "", stock, "[AB"},
		{"a dollar sign", "type=stockUpdate&" + creds + "&number=$", "", stock, "$"},
		{"parentheses", "type=stockUpdate&" + creds + "&number=(BLUE)", "", stock, "(BLUE)"},
		{"inches", "type=stockUpdate&" + creds + "&number=3/4%22", "", stock, `3/4"`},
		{"a quotation mark at each end of another kind", "type=stockUpdate&" + creds + "&number='A%22", "", stock, `'A"`},
		{"of a bare name's length", "type=stockUpdate&" + creds + "&number=NUMBEX", "", stock, "NUMBEX"},
		{"a name that ends like a field", "type=stockUpdate&" + creds + "&number=PIANO", "", stock, "PIANO"},
		{"as long as the placeholder", "type=stockUpdate&" + creds + "&number=VARENUMMEX", "", stock, "VARENUMMEX"},
		{"an entity without its end", "type=stockUpdate&" + creds + "&number=A%26copy", "", stock, "A&copy"},
		{"no entity", "type=stockUpdate&" + creds + "&number=A%26B;C", "", stock, "A&B;C"},
		{"escapes beside a percent", "type=stockUpdate&" + creds + "&number=50%25%2520", "", stock, "50%%20"},
		{"an entity with a rest", "type=stockUpdate&" + creds + "&number=A%26notit;", "", stock, "A&notit;"},
		{"a quotation mark alone", "type=stockUpdate&" + creds + "&number=%22", "", stock, `"`},
		{"quotation marks around nothing", "type=stockUpdate&" + creds + "&number=''", "", stock, "''"},
		{"invisible within", "type=stockUpdate&" + creds + "&number=A%C2%A0B", "", stock, "A\u00a0B"},
		{"invisible around all else", "type=stockUpdate%E2%80%8B&username=" + shop + "%C2%A0&password=" + code + "%EF%BB%BF&number=7", "", stock, "7"},
		{"HTML", "type=stockUpdate&" + creds + "&number=<b>'\"</b>", "", stock, "<b>'\"</b>"},
		{"one character", "type=stockUpdate&" + creds + "&number=0", "", stock, "0"},

		{"an invoice", "type=orderPdf&" + creds + "&number=20145", "", invoice, "20145"},
		{"an invoice, POST", "", "type=orderPdf&" + creds + "&number=20145", invoice, "20145"},
		{"an invoice with white space", "type=orderPdf&" + creds + "&number=+20145%0A", "", invoice, "20145"},
		{"an invoice with leading zeros", "type=orderPdf&" + creds + "&number=0020145", "", invoice, "20145"},
		{"an invoice with a stray rest", "type=orderPdf&" + creds + "&number=20145&debug", "", invoice, "20145"},
		{"the largest invoice number", "type=orderPdf&" + creds + "&number=9223372036854775807", "", invoice, "9223372036854775807"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint()
			method := http.MethodGet
			if tt.body != "" {
				method = http.MethodPost
			}
			w := e.call(t, request(method, tt.query, tt.body))
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			want := "Success\n" + received(tt.kind, tt.number) + readNow(tt.kind)
			if got := w.Body.String(); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			wantHints := []webhook.Hint{{Shop: shop, Kind: tt.kind, Number: tt.number, ReceivedAt: noon}}
			if diff := cmp.Diff(wantHints, e.hints); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
			wantCalls := []webhook.Call{{
				Shop: shop, At: noon, Method: method, Remote: "192.0.2.7", Kind: tt.kind, Number: tt.number,
				Status: 200, Outcome: "recorded", Duration: 5 * time.Millisecond,
			}}
			if diff := cmp.Diff(wantCalls, e.calls); diff != "" {
				t.Errorf("journal (-want +got):\n%s", diff)
			}
		})
	}
}

// received is the line of a Danish answer that says what was received, and readNow the one that
// says what happens then if nothing stands in the way.
func received(kind webhook.Kind, number string) string {
	thing := map[webhook.Kind]string{webhook.KindStock: "vare", webhook.KindInvoice: "faktura"}[kind]
	return "Modtaget for " + shop + ": " + thing + " " + terminal.Escape(number) + "\n"
}

func readNow(kind webhook.Kind) string {
	if kind == webhook.KindInvoice {
		return "Fakturaen og dens PDF hentes hos e-conomic nu, og butikken har dem som regel om få sekunder.\n"
	}
	return "Varens lager læses hos e-conomic nu, og butikken har det som regel om få sekunder.\n"
}

// TestOddCalls: data that was pasted wrongly, or encoded once too often on the way, is
// recognized and answered with advice, and recorded literally too if it may be meant so.
func TestOddCalls(t *testing.T) {
	t.Parallel()
	const (
		stockCall, invoiceCall = "type=stockUpdate&" + creds + "&number=", "type=orderPdf&" + creds + "&number="
		htmlWords              = "står \"&amp;\""
		twice                  = "kodet to gange"
		invisible              = "usynlige tegn"
		field                  = "flettefelt"
	)
	tests := []struct {
		name, source string
		kind         webhook.Kind
		hints        []string
		outcome      string
		words        string
	}{
		{"&amp; throughout", "type=stockUpdate&amp;username=" + shop + "&amp;password=" + code + "&amp;number=A-1", "stock", []string{"A-1"}, "html_escaped", htmlWords},
		{"&amp; before the number alone", "type=stockUpdate&" + creds + "&amp;number=A-1", "stock", []string{"A-1"}, "html_escaped", htmlWords},
		{"&AMP;", "type=stockUpdate&AMP;" + creds + "&AMP;number=A-1", "stock", []string{"A-1"}, "html_escaped", htmlWords},
		{"escaped twice", "type=stockUpdate&amp;amp;" + creds + "&amp;amp;number=A-1", "stock", []string{"A-1"}, "html_escaped", htmlWords},
		{"&amp; for an invoice", "type=orderPdf&amp;" + creds + "&amp;number=20145", "invoice", []string{"20145"}, "html_escaped", htmlWords},
		{"a number merged as HTML", stockCall + "NUTS&amp;BOLTS", "stock", []string{"NUTS&amp;BOLTS", "NUTS&BOLTS"}, "html_escaped", htmlWords},
		{"a number escaped as HTML, then for a form", stockCall + "r%26oslash%3Bd", "stock", []string{"r&oslash;d", "rød"}, "html_escaped", htmlWords},
		{"a number with numeric entities", stockCall + "A%26%2347;B%26%23x2F;C", "stock", []string{"A&#47;B&#x2F;C", "A/B/C"}, "html_escaped", htmlWords},
		{"an & before an entity", stockCall + "A%26%26amp;B", "stock", []string{"A&&amp;B", "A&&B"}, "html_escaped", htmlWords},
		{"encoded twice", stockCall + "%25C3%25A6", "stock", []string{"%C3%A6", "æ"}, "double_encoded", twice},
		{"encoded twice, Windows-1252", stockCall + "%25E6%25F8", "stock", []string{"%E6%F8", "æø"}, "double_encoded", twice},
		{"encoded twice, with blanks", stockCall + "r%25C3%25B8d%2Bgr%25C3%25B8d", "stock", []string{"r%C3%B8d+gr%C3%B8d", "rød grød"}, "double_encoded", twice},
		{"encoded twice, too long to be meant so", stockCall + strings.Repeat("%25C3%25A6", 25), "stock", []string{strings.Repeat("æ", 25)}, "double_encoded", twice},
		{"an invoice encoded twice", invoiceCall + "%2532%2530", "invoice", []string{"20"}, "double_encoded", twice},
		{"zero width space", stockCall + "A-1%E2%80%8B", "stock", []string{"A-1\u200b", "A-1"}, "invisible", invisible},
		{"byte order mark", stockCall + "%EF%BB%BFA-1", "stock", []string{"\ufeffA-1", "A-1"}, "invisible", invisible},
		{"no-break space", stockCall + "A-1%C2%A0", "stock", []string{"A-1\u00a0", "A-1"}, "invisible", invisible},
		{"right-to-left override", stockCall + "%E2%80%AEA-1", "stock", []string{"\u202eA-1", "A-1"}, "invisible", invisible},
		{"invisible before no ASCII", stockCall + "%E2%80%8B%C3%86", "stock", []string{"\u200bÆ", "Æ"}, "invisible", invisible},
		{"invisible around quotation marks", stockCall + "%E2%80%8B'A-1'", "stock", []string{"\u200b'A-1'", "A-1"}, "invisible", invisible},
		{"line separator", stockCall + "A-1%E2%80%A8", "stock", []string{"A-1"}, "invisible", invisible},
		{"invisible around an invoice", invoiceCall + "%E2%80%8B20145%C2%A0", "invoice", []string{"20145"}, "invisible", invisible},
		{"invisible and encoded twice", stockCall + "A%2520B%25E2%2580%258B", "stock", []string{"A%20B%E2%80%8B", "A B"}, "double_encoded", twice},
		{"invisible before a name", "type=stockUpdate&username=" + shop + "&%E2%80%8Bpassword=" + code + "&number=7", "stock", []string{"7"}, "invisible", invisible},
		{"&amp; and invisible before a name", "type=stockUpdate&amp;" + creds + "&amp;%EF%BB%BFnumber=7", "stock", []string{"7"}, "invisible", invisible},
		{"quoted", stockCall + "\"A-1\"", "stock", []string{`"A-1"`, "A-1"}, "quoted", "anførselstegn"},
		{"quoted as editors do", stockCall + "%E2%80%9DA-1%E2%80%9D", "stock", []string{"”A-1”", "A-1"}, "quoted", "anførselstegn"},
		{"all of it quoted", `type="stockUpdate"&username='` + shop + `'&password="` + code + `"&number=7`, "stock", []string{"7"}, "quoted", "anførselstegn"},
		{"a quoted invoice", invoiceCall + "'20145'", "invoice", []string{"20145"}, "quoted", "anførselstegn"},
		{"a merge field without its brackets", stockCall + "NUMBER", "stock", []string{"NUMBER"}, "merge_field", field},
		{"perhaps a merge field", stockCall + "[SHELF]", "stock", []string{"[SHELF]"}, "merge_field", field},
		{"perhaps a merge field with a digit", stockCall + "[REF.2-X]", "stock", []string{"[REF.2-X]"}, "merge_field", field},
		{"perhaps a short merge field", stockCall + "[AB]", "stock", []string{"[AB]"}, "merge_field", field},
		{"perhaps a merge field that ends like one", stockCall + "[SHELFNO]", "stock", []string{"[SHELFNO]"}, "merge_field", field},
		{"perhaps a merge field that begins like one", stockCall + "[ORDER]", "stock", []string{"[ORDER]"}, "merge_field", field},
		{"a merge field's name in quotes", stockCall + "'ORDERNO'", "stock", []string{"'ORDERNO'", "ORDERNO"}, "quoted", "anførselstegn"},
		{"perhaps a merge field in braces", stockCall + "{{ our ref }}", "stock", []string{"{{ our ref }}"}, "merge_field", field},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				e := newEndpoint()
				r := request(method, tt.source, "")
				if method == http.MethodPost {
					r = request(method, "", tt.source)
				}
				w := e.call(t, r)
				var got []string
				begins := "Success\n"
				for _, h := range e.hints {
					got = append(got, h.Number)
					if h.Shop != shop || h.Kind != tt.kind || h.ReceivedAt != noon {
						t.Errorf("%s: recorded %+v", method, h)
					}
					begins += received(tt.kind, h.Number)
				}
				begins += readNow(tt.kind)
				if diff := cmp.Diff(tt.hints, got); diff != "" {
					t.Errorf("%s: hints (-want +got):\n%s", method, diff)
				}
				text := w.Body.String()
				if w.Code != http.StatusOK || !strings.HasPrefix(text, begins) || !strings.Contains(text, tt.words) || strings.Count(text, "\n") != len(got)+3 {
					t.Errorf("%s: status %d, answer\n%s", method, w.Code, text)
				}
				if len(e.calls) != 1 || e.calls[0].Outcome != tt.outcome || e.calls[0].Status != http.StatusOK || e.calls[0].Number != tt.hints[0] || e.calls[0].Shop != shop {
					t.Errorf("%s: journal %+v", method, e.calls)
				}
			}
		})
	}
}

// TestBothReadingsAreDurable: the answer is Success only once both are committed.
func TestBothReadingsAreDurable(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"æ", "%C3%A6"} {
		e := newEndpoint()
		e.record = func(_ context.Context, h webhook.Hint) error {
			if h.Number == lost {
				return errors.New("the database is away")
			}
			return nil
		}
		w := e.call(t, request(http.MethodGet, "type=stockUpdate&"+creds+"&number=%25C3%25A6", ""))
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "Success") {
			t.Errorf("%s could not be recorded: status %d, answer %s", lost, w.Code, w.Body)
		}
	}
}

func TestContentTypeDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{
		"", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=windows-1252", "text/plain",
		"application/json", "multipart/form-data; boundary=x", "multipart/form-data", "nonsense;;;=",
	} {
		e := newEndpoint()
		r := request(http.MethodPost, "", "type=stockUpdate&"+creds+"&number=7")
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		if w := e.call(t, r); w.Code != http.StatusOK || len(e.hints) != 1 || e.hints[0].Number != "7" {
			t.Errorf("Content-Type %q: status %d, hints %v", contentType, w.Code, e.hints)
		}
	}
}

func TestBadCalls(t *testing.T) {
	t.Parallel()
	var (
		typeText = lang.Text{Danish: "Ukendt type: skriv type=stockUpdate for lager eller type=orderPdf for fakturaer.\n",
			English: "Unknown type: write type=stockUpdate for stock or type=orderPdf for invoices.\n"}
		noNumber = lang.Text{Danish: "Intet nummer: slut teksten med number=[NUMBER] for stockUpdate eller number=[INVOICENO] for orderPdf.\n",
			English: "No number: end the data with number=[NUMBER] for stockUpdate or number=[INVOICENO] for orderPdf.\n"}
		tooLong = lang.Text{Danish: "Nummeret er for langt: et nummer i e-conomic har højst 25 tegn.\n",
			English: "The number is too long: a number in e-conomic has at most 25 characters.\n"}
		badItem = lang.Text{Danish: "Dette er ikke et nummer fra e-conomic: det indeholder tegn, som ikke kan være i et. Se efter sidst i den tekst, der sendes.\n",
			English: "This is not a number from e-conomic: it holds characters that cannot be in one. Check the end of the data that is sent.\n"}
		badInvoice = lang.Text{Danish: "Dette er ikke et fakturanummer: det skal være cifre alene, og ikke 0. Brug type=stockUpdate til et varenummer.\n",
			English: "This is not an invoice number: it must be digits only, and not 0. Use type=stockUpdate for an item number.\n"}
		stockField = lang.Text{Danish: "Butik og kode er rigtige, men e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Varelager opdateret\", og slut teksten med number=[NUMBER]. Skriv et rigtigt varenummer for at prøve selv.\n",
			English: "Shop and code are right, but e-conomic did not fill in the number: choose the webhook type \"Inventory updated\" and end the data with number=[NUMBER]. To try it by hand, write a real item number.\n"}
		invoiceField = lang.Text{Danish: "Butik og kode er rigtige, men e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Faktura bogført\", og slut teksten med number=[INVOICENO]. Skriv et rigtigt fakturanummer for at prøve selv.\n",
			English: "Shop and code are right, but e-conomic did not fill in the number: choose the webhook type \"Invoice booked\" and end the data with number=[INVOICENO]. To try it by hand, write a real invoice number.\n"}
		stockPlaceholder = lang.Text{Danish: "Butik og kode er rigtige. Skriv nu et af dine egne varenumre sidst i adressen, efter number=, for at prøve. I e-conomic slutter teksten med number=[NUMBER].\n",
			English: "Shop and code are right. Now write one of your item numbers at the end of the address, after number=, to try it. In e-conomic the data ends with number=[NUMBER].\n"}
		invoicePlaceholder = lang.Text{Danish: "Butik og kode er rigtige. Skriv nu et af dine egne fakturanumre sidst i adressen, efter number=, for at prøve. I e-conomic slutter teksten med number=[INVOICENO].\n",
			English: "Shop and code are right. Now write one of your invoice numbers at the end of the address, after number=, to try it. In e-conomic the data ends with number=[INVOICENO].\n"}
	)
	const (
		stock, invoice = "type=stockUpdate&" + creds + "&number=", "type=orderPdf&" + creds + "&number="
	)
	tests := []struct {
		name, query, outcome string
		text                 lang.Text
		kind                 webhook.Kind
	}{
		{"no type", creds + "&number=7", "bad_type", typeText, ""},
		{"empty type", "type=&" + creds + "&number=7", "bad_type", typeText, ""},
		{"unknown type", "type=productUpdate&" + creds + "&number=7", "bad_type", typeText, ""},
		{"type that is HTML", "type=<script>alert(1)</script>&" + creds + "&number=7", "bad_type", typeText, ""},
		{"no number", "type=stockUpdate&" + creds, "no_number", noNumber, "stock"},
		{"empty number", stock, "no_number", noNumber, "stock"},
		{"white space for a number", stock + "+%0A%C2%A0", "no_number", noNumber, "stock"},
		{"no number but a rest", stock + "&B", "no_number", noNumber, "stock"},
		{"no invoice number", invoice, "no_number", noNumber, "invoice"},
		{"26 characters", stock + strings.Repeat("x", 26), "number_too_long", tooLong, "stock"},
		{"26 characters of two bytes", stock + strings.Repeat("%C3%A6", 26), "number_too_long", tooLong, "stock"},
		{"10,000 characters", stock + strings.Repeat("x", 10_000), "number_too_long", tooLong, "stock"},
		{"long invoice number", invoice + strings.Repeat("1", 26), "number_too_long", tooLong, "invoice"},
		{"control character", stock + "a%00b", "bad_number", badItem, "stock"},
		{"line end within", stock + "a%0Ab", "bad_number", badItem, "stock"},
		{"control characters within what is encoded twice", stock + "%2520%0C%0C0", "bad_number", badItem, "stock"},
		{"DEL", stock + "a%7F", "bad_number", badItem, "stock"},
		{"C1 control", stock + "a%C2%9Fb", "bad_number", badItem, "stock"},
		{"line separator", stock + "a%E2%80%A8b", "bad_number", badItem, "stock"},
		{"byte of no character set", stock + "a%81b", "bad_number", badItem, "stock"},
		{"replacement character", stock + "a%EF%BF%BDb", "bad_number", badItem, "stock"},
		{"letters for an invoice", invoice + "20x45", "bad_number", badInvoice, "invoice"},
		{"minus for an invoice", invoice + "-5", "bad_number", badInvoice, "invoice"},
		{"decimals for an invoice", invoice + "5.0", "bad_number", badInvoice, "invoice"},
		{"other digits for an invoice", invoice + "%D9%A3", "bad_number", badInvoice, "invoice"},
		{"space within an invoice number", invoice + "20+145", "bad_number", badInvoice, "invoice"},
		{"invoice 0", invoice + "000", "bad_number", badInvoice, "invoice"},
		{"beyond the largest invoice number", invoice + "9223372036854775808", "bad_number", badInvoice, "invoice"},
		{"merge field", stock + "[NUMBER]", "merge_field", stockField, "stock"},
		{"merge field, escaped", stock + "%5Bnumber%5D", "merge_field", stockField, "stock"},
		{"merge field in quotes", stock + "'[Number]'", "merge_field", stockField, "stock"},
		{"merge field and a rest", stock + "[NUMBER]&x", "merge_field", stockField, "stock"},
		{"another webhook's merge field", stock + "[INVOICENO]", "merge_field", stockField, "stock"},
		{"product webhook's merge field", stock + "[NEWNUMBER]", "merge_field", stockField, "stock"},
		{"any merge field of e-conomic's", stock + "[ORDERNO]", "merge_field", stockField, "stock"},
		{"merge field of a day book", stock + "[FROMSERIALNO]", "merge_field", stockField, "stock"},
		{"merge field of customers", stock + "[CUSTOMERNO]", "merge_field", stockField, "stock"},
		{"merge field with blanks", stock + "[ NUMBER ]", "merge_field", stockField, "stock"},
		{"merge field with a blank", stock + "[NUMBER+]", "merge_field", stockField, "stock"},
		{"merge field with invisible characters", stock + "[%E2%80%8BNUMBER%C2%A0]", "merge_field", stockField, "stock"},
		{"merge field in braces", stock + "{NUMBER}", "merge_field", stockField, "stock"},
		{"merge field in two braces", stock + "{{number}}", "merge_field", stockField, "stock"},
		{"merge field of a shell", stock + "${NUMBER}", "merge_field", stockField, "stock"},
		{"merge field in angle brackets", stock + "<NUMBER>", "merge_field", stockField, "stock"},
		{"merge field in percents", stock + "%NUMBER%", "merge_field", stockField, "stock"},
		{"merge field with an underscore", stock + "[PRODUCT_NUMBER]", "merge_field", stockField, "stock"},
		{"merge field in Danish", stock + "[VARENR]", "merge_field", stockField, "stock"},
		{"merge field with a hyphen", stock + "[PRODUCT-NUMBER]", "merge_field", stockField, "stock"},
		{"merge field of two words", stock + "[ORDER+NO]", "merge_field", stockField, "stock"},
		{"merge field in Danish, alone", stock + "[NUMMER]", "merge_field", stockField, "stock"},
		{"merge field before more", stock + "[ORDERNO]-1", "merge_field", stockField, "stock"},
		{"merge field within", stock + "A-[ORDERNO]-1", "merge_field", stockField, "stock"},
		{"merge field, escaped twice", stock + "%255BNUMBER%255D", "merge_field", stockField, "stock"},
		{"merge field as HTML", stock + "%26%2391;NUMBER%26%2393;", "merge_field", stockField, "stock"},
		{"placeholder", stock + "VARENUMMER", "placeholder", stockPlaceholder, "stock"},
		{"placeholder in any case", stock + "+varenummer%C2%A0", "placeholder", stockPlaceholder, "stock"},
		{"placeholder of an invoice", invoice + "FAKTURANUMMER", "placeholder", invoicePlaceholder, "invoice"},
		{"the other's placeholder", invoice + "VARENUMMER", "placeholder", invoicePlaceholder, "invoice"},
		{"the other's placeholder for stock", stock + "FAKTURANUMMER", "placeholder", stockPlaceholder, "stock"},
		{"English placeholder", stock + "ITEMNUMBER", "placeholder", stockPlaceholder, "stock"},
		{"English placeholder of an invoice", invoice + "invoicenumber", "placeholder", invoicePlaceholder, "invoice"},
		{"merge field without brackets for an invoice", invoice + "INVOICENO", "merge_field", invoiceField, "invoice"},
		{"unknown merge field for an invoice", invoice + "[WHATEVER]", "merge_field", invoiceField, "invoice"},
		{"invoice merge field", invoice + "[INVOICENO]", "merge_field", invoiceField, "invoice"},
		{"invoice merge field, escaped", invoice + "%5binvoiceno%5d", "merge_field", invoiceField, "invoice"},
		{"stock merge field for an invoice", invoice + "[NUMBER]", "merge_field", invoiceField, "invoice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for method, l := range map[string]lang.Lang{http.MethodGet: lang.English, http.MethodPost: lang.Danish} {
				e := newEndpoint()
				e.of.Lang = l
				r := request(method, tt.query, "")
				if method == http.MethodPost {
					r = request(method, "", tt.query)
				}
				w := e.call(t, r)
				if w.Code != http.StatusBadRequest || w.Body.String() != tt.text.In(l) {
					t.Errorf("%s: status %d, answer\n%swant 400 and\n%s", method, w.Code, w.Body, tt.text.In(l))
				}
				if len(e.hints) != 0 {
					t.Errorf("%s: recorded %v", method, e.hints)
				}
				want := []webhook.Call{{
					Shop: shop, At: noon, Method: method, Remote: "192.0.2.7", Kind: tt.kind,
					Status: 400, Outcome: tt.outcome, Duration: 5 * time.Millisecond,
				}}
				if tt.outcome == "merge_field" || tt.outcome == "placeholder" {
					// The unfilled field is shown: it points to the mistake.
					if want[0].Number = e.calls[0].Number; want[0].Number == "" {
						t.Errorf("%s: the journal does not show what was sent", method)
					}
				}
				if diff := cmp.Diff(want, e.calls); diff != "" {
					t.Errorf("%s: journal (-want +got):\n%s", method, diff)
				}
			}
		})
	}
}

// TestCodeAsNumber: a number that contains the code must not show it in the answer and
// the journal.
func TestCodeAsNumber(t *testing.T) {
	t.Parallel()
	short := "secret-code-9"
	e := newEndpoint(func(o *webhook.Options) { o.Authenticator = anyone{} })
	for number, want := range map[string]int{short: 400, "x" + short: 400, "x": 200, "x&" + short: 200, "%2573" + short[1:]: 400, "%26%23115;" + short[1:]: 400, "[NUMBER]" + short: 400, "[NUMBER]%2573" + short[1:]: 400} {
		e.hints = nil
		w := e.call(t, request(http.MethodGet, "type=stockUpdate&username=s&password="+short+"&number="+number, ""))
		if w.Code != want || strings.Contains(w.Body.String(), short) {
			t.Errorf("number %q: status %d, answer %s", number, w.Code, w.Body)
		}
		if journal := fmt.Sprint(e.calls); strings.Contains(journal, short[1:]) {
			t.Errorf("number %q: journal %s", number, journal)
		}
		for _, h := range e.hints {
			if h.Number != "x" {
				t.Errorf("number %q was recorded as %q", number, h.Number)
			}
		}
	}
}

type anyone struct{}

func (anyone) Authenticate(string, string, bool) (webhook.Shop, bool) {
	return webhook.Shop{Lang: lang.Danish}, true
}
func (anyone) AuthenticateToken(string, string) bool { return true }
func (anyone) AuthenticateHeader(string, string) (webhook.Shop, bool) {
	return webhook.Shop{Lang: lang.Danish}, true
}

func TestRefusedAlike(t *testing.T) {
	t.Parallel()
	calls := map[string]string{
		"wrong code":                     "type=stockUpdate&username=" + shop + "&password=wrong&number=7",
		"unknown shop":                   "type=stockUpdate&username=nobody&password=" + code + "&number=7",
		"no code":                        "type=stockUpdate&username=" + shop + "&number=7",
		"no shop":                        "type=stockUpdate&password=" + code + "&number=7",
		"nothing":                        "",
		"code in another case":           "type=stockUpdate&username=" + shop + "&password=" + strings.ToUpper(code) + "&number=7",
		"wrong code, bad type":           "type=x&username=" + shop + "&password=wrong&number=7",
		"unknown shop, bad type":         "type=x&username=nobody&password=wrong&number=7",
		"wrong code, no number":          "type=stockUpdate&username=" + shop + "&password=wrong",
		"wrong code, merge field":        "type=stockUpdate&username=" + shop + "&password=wrong&number=[NUMBER]",
		"unknown shop, oversized number": "type=orderPdf&username=nobody&password=wrong&number=" + strings.Repeat("1", 99),
	}
	const want = "Forkert butik eller kode. Kopiér teksten igen, præcis som du fik den af din webudbyder.\n"
	const english = "Wrong shop or code. Copy the text again, exactly as your hosting company gave it to you.\n"
	var header http.Header
	for name, query := range calls {
		values, _ := url.ParseQuery(query)
		claims := values.Get("username")
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			e := newEndpoint()
			r := request(method, query, "")
			if method == http.MethodPost {
				r = request(method, "", query)
			}
			w := e.call(t, r)
			if w.Code != http.StatusForbidden || w.Body.String() != want {
				t.Errorf("%s %s: status %d, answer %q", method, name, w.Code, w.Body)
			}
			if header == nil {
				header = w.Header()
			}
			if diff := cmp.Diff(header, w.Header()); diff != "" {
				t.Errorf("%s %s: headers differ from the others':\n%s", method, name, diff)
			}
			if len(e.hints) != 0 {
				t.Errorf("%s %s: recorded %v", method, name, e.hints)
			}
			// The shop's owner reads Danish; the caller may be anybody.
			for accepts, says := range map[string]string{"da-DK,da;q=0.9,en;q=0.8": want, "en-US,en;q=0.9": english, "de": english} {
				r.Header.Set("Accept-Language", accepts)
				again := request(method, query, "")
				again.Header = r.Header
				other := newEndpoint()
				other.of.Lang = lang.English
				if got := other.call(t, again); got.Code != http.StatusForbidden || got.Body.String() != says {
					t.Errorf("%s %s, accepting %s: status %d, answer %q", method, name, accepts, got.Code, got.Body)
				}
			}
			// Called once, whatever is missing, or the timing would reveal it.
			if e.asked != 1 {
				t.Errorf("%s %s: the code was checked %d times, want once", method, name, e.asked)
			}
			kind := map[string]webhook.Kind{"stockUpdate": webhook.KindStock, "orderPdf": webhook.KindInvoice}[values.Get("type")]
			wantCalls := []webhook.Call{{Claims: claims, Kind: kind, At: noon, Method: method, Remote: "192.0.2.7", Status: 403, Outcome: "refused", Duration: 5 * time.Millisecond}}
			if diff := cmp.Diff(wantCalls, e.calls); diff != "" {
				t.Errorf("%s %s: journal (-want +got):\n%s", method, name, diff)
			}
		}
	}
}

// TestHeaderCode: a webhook that lagerd has set up has its code in a header. It is no password, a
// password is no header code, and a call that has a password is judged by that.
func TestHeaderCode(t *testing.T) {
	t.Parallel()
	const query = "type=stockUpdate&username=" + shop
	for _, c := range []struct {
		name, query, body, header string
		status                    int
		outcome, number           string
	}{
		{"set up", query, "number=A%261", headerCode, 200, "recorded", "A&1"},
		{"not escaped", query, "number=NUTS&BOLTS", headerCode, 200, "recorded", "NUTS&BOLTS"},
		{"a wrong one", query, "number=7", "wrong", 403, "refused", ""},
		{"none", query, "number=7", "", 403, "refused", ""},
		{"the pasted code", query, "number=7", code, 403, "refused", ""},
		{"of no shop", "type=stockUpdate", "number=7", headerCode, 403, "refused", ""},
		{"as a password", query + "&password=" + headerCode, "number=7", "", 403, "refused", ""},
		{"beside a wrong password", query + "&password=wrong", "number=7", headerCode, 403, "refused", ""},
		{"beside a good password", query + "&password=" + code, "number=7", "wrong", 200, "recorded", "7"},
		{"in the number", query, "number=" + headerCode[:25], headerCode[:25], 403, "refused", ""},
		{"not filled in", query, "number=[NUMBER]", headerCode, 400, "merge_field", "[NUMBER]"},
	} {
		e := newEndpoint()
		r := request(http.MethodPost, c.query, c.body)
		if c.header != "" {
			r.Header.Set(webhook.HeaderCode, c.header)
		}
		w := e.call(t, r)
		if w.Code != c.status || len(e.calls) != 1 || e.calls[0].Outcome != c.outcome || e.calls[0].Number != c.number || strings.Contains(w.Body.String(), headerCode) {
			t.Errorf("%s: %d %q, %+v", c.name, w.Code, w.Body, e.calls)
		}
		if e.asked != 1 {
			t.Errorf("%s: the code was checked %d times, want once", c.name, e.asked)
		}
	}
}

// TestRefusedAreLimited: calls with a wrong code are limited by the shop that they name, whether
// or not it exists, and by address unless it is a proxy's. A call with a good code is recorded
// whatever the others did.
func TestRefusedAreLimited(t *testing.T) {
	t.Parallel()
	const proxy, stranger, other = "10.0.0.1", "192.0.2.7", "192.0.2.8"
	now := noon
	e := newEndpoint(func(o *webhook.Options) {
		o.Now = func() time.Time { return now }
		o.Proxy = func(remote string) bool { return remote == proxy }
	})
	call := func(from, username, password string) int {
		r := request(http.MethodPost, "", url.Values{"type": {"stockUpdate"}, "username": {username}, "password": {password}, "number": {"7"}}.Encode())
		r.RemoteAddr = from + ":4711"
		w := e.call(t, r)
		if limited := w.Code == http.StatusTooManyRequests; limited != (w.Header().Get("Retry-After") == "120") || limited != (w.Body.String() == "Forkert butik eller kode, og det er sket for tit. Vent et minut, og kopiér så teksten igen, præcis som du fik den af din webudbyder.\n") {
			t.Errorf("%d: Retry-After %q, %q", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		return w.Code
	}
	refused := func(calls int, from string, username func(n int) string) (n int) {
		for i := range calls {
			switch status := call(from, username(i), "wrong"); status {
			case http.StatusForbidden:
				n++
			case http.StatusTooManyRequests:
			default:
				t.Errorf("a wrong code is answered %d", status)
			}
		}
		return n
	}
	named := func(name string) func(int) string { return func(int) string { return name } }
	anyShop := func(n int) string { return fmt.Sprint("any", n) }
	for _, step := range []struct {
		what     string
		after    time.Duration
		calls    int
		from     string
		username func(n int) string
		least    int // answered 403 and not 429
		most     int
	}{
		{"a shop", 0, 100, proxy, named(shop), 30, 30},
		{"the same shop from elsewhere", 0, 10, stranger, named(shop), 0, 0},
		{"no shop, likewise", 0, 100, proxy, named("nobody"), 30, 30},
		{"any shop from one address", time.Minute, 100, stranger, anyShop, 55, 60},
		{"any shop from another", 0, 10, other, func(n int) string { return fmt.Sprint("other", n) }, 9, 10},
		{"any shop from a proxy", 2 * time.Minute, 300, proxy, anyShop, 290, 300},
		{"after a minute", time.Minute, 40, stranger, named(shop), 30, 30},
	} {
		now = now.Add(step.after)
		if n := refused(step.calls, step.from, step.username); n < step.least || n > step.most {
			t.Errorf("%s: %d of %d calls are answered 403, expected %d to %d", step.what, n, step.calls, step.least, step.most)
		}
		for _, from := range []string{proxy, stranger, other} {
			if status := call(from, shop, code); status != http.StatusOK {
				t.Errorf("%s: a good code from %s is answered %d", step.what, from, status)
			}
		}
	}
	for _, c := range e.calls {
		if c.Shop == "" && c.Claims == "" || c.Shop != "" && c.Claims != "" || c.Outcome == "limited" && c.Status != 429 {
			t.Errorf("reported %+v", c)
		}
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	for method, journal := range map[string]string{
		"HEAD": "HEAD", "PUT": "PUT", "DELETE": "DELETE", "OPTIONS": "OPTIONS", "get": "other", code: "other", "": "other",
	} {
		e := newEndpoint()
		w := e.call(t, request(method, "type=stockUpdate&"+creds+"&number=7", ""))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, POST" {
			t.Errorf("%s: status %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
		if want := "Brug GET eller POST.\n"; w.Body.String() != want {
			t.Errorf("%s: answer %q, want %q", method, w.Body, want)
		}
		if len(e.hints) != 0 || e.asked != 0 {
			t.Errorf("%s: it was processed", method)
		}
		if len(e.calls) != 1 || e.calls[0].Method != journal || e.calls[0].Outcome != "bad_method" || e.calls[0].Shop != "" {
			t.Errorf("%s: journal %+v", method, e.calls)
		}
	}
}

func TestOtherPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/webhooks.php/", "//webhooks.php", "/Webhooks.php", "/webhooks.php5", "/x/../webhooks.php", "/" + code, "/<script>"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
			e := newEndpoint()
			r := request(method, "type=stockUpdate&"+creds+"&number=7", "")
			r.URL.Path = path
			w := e.call(t, r)
			if want := "Intet her: adressen slutter på /webhooks.php.\n"; w.Code != http.StatusNotFound || w.Body.String() != want {
				t.Errorf("%s: status %d, answer %q, want 404 %q", path, w.Code, w.Body, want)
			}
			if len(e.hints) != 0 || len(e.calls) != 0 {
				t.Errorf("%s: hints %v, journal %v, want none", path, e.hints, e.calls)
			}
			if !slices.Equal(e.observed, []string{"not_found"}) {
				t.Errorf("%s: counted as %v", path, e.observed)
			}
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	good := "type=stockUpdate&" + creds + "&number=7"
	small := func(o *webhook.Options) { o.MaxBodyBytes = int64(len(good)) }

	e := newEndpoint(small)
	if w := e.call(t, request(http.MethodPost, "", good)); w.Code != http.StatusOK {
		t.Errorf("a body of the maximum size: status %d", w.Code)
	}

	e = newEndpoint(small)
	w := e.call(t, request(http.MethodPost, good, good+"&"))
	if want := "For meget tekst: send kun type, username, password og number.\n"; w.Code != http.StatusRequestEntityTooLarge || w.Body.String() != want {
		t.Errorf("a byte too many: status %d, answer %q", w.Code, w.Body)
	}
	if len(e.hints) != 0 || len(e.calls) != 1 || e.calls[0].Outcome != "too_large" {
		t.Errorf("a byte too many: hints %v, journal %+v", e.hints, e.calls)
	}

	e = newEndpoint()
	r := request(http.MethodPost, good, "")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(good), iotest.ErrReader(io.ErrUnexpectedEOF)))
	w = e.call(t, r)
	if want := "Teksten blev afbrudt: send den igen.\n"; w.Code != http.StatusBadRequest || w.Body.String() != want {
		t.Errorf("a truncated body: status %d, answer %q", w.Code, w.Body)
	}
	if len(e.hints) != 0 || len(e.calls) != 1 || e.calls[0].Outcome != "bad_body" {
		t.Errorf("a truncated body: hints %v, journal %+v", e.hints, e.calls)
	}
}

func TestRecorderFails(t *testing.T) {
	t.Parallel()
	const unavailable = "Ikke registreret, databasen svarer ikke: prøv igen om lidt.\n"
	tests := []struct {
		name          string
		record        func(context.Context, webhook.Hint) error
		gone          bool // the caller has left
		outcome, text string
		least, most   string // Retry-After, in seconds
	}{
		{"database away", func(context.Context, webhook.Hint) error { return errors.New("dial tcp 10.1.2.3:3306: " + code) }, false,
			"unavailable", unavailable, "10", "20"},
		{"slow", func(context.Context, webhook.Hint) error { return fmt.Errorf("record: %w", webhook.ErrSlow) }, false,
			"unavailable", unavailable, "10", "20"},
		{"stopping", func(context.Context, webhook.Hint) error { return webhook.ErrStopped }, false,
			"unavailable", unavailable, "10", "20"},
		{"full", func(context.Context, webhook.Hint) error { return fmt.Errorf("record: %w", webhook.ErrFull) }, false,
			"full", "Ikke registreret, for mange kald på én gang: prøv igen om lidt.\n", "5", "10"},
		{"caller gone", func(ctx context.Context, _ webhook.Hint) error { <-ctx.Done(); return ctx.Err() }, true,
			"gone", unavailable, "10", "20"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for random, want := range map[int]string{0: tt.least, -1: tt.most} {
				e := newEndpoint(func(o *webhook.Options) {
					o.RandN = func(n int) int { return (random + n) % n }
				})
				e.record = tt.record
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.gone {
					cancel()
				}
				w := e.call(t, request(http.MethodGet, "type=stockUpdate&"+creds+"&number=7", "").WithContext(ctx))
				if w.Code != http.StatusServiceUnavailable || w.Body.String() != tt.text {
					t.Errorf("status %d, answer %q, want 503 %q", w.Code, w.Body, tt.text)
				}
				if got := w.Header().Get("Retry-After"); got != want {
					t.Errorf("Retry-After %s, want %s", got, want)
				}
				// Where there are too many calls, others need the connection.
				if got, want := w.Header().Get("Connection") == "close", tt.name == "full"; got != want {
					t.Errorf("the connection is to end: %t, want %t", got, want)
				}
				if len(e.calls) != 1 || e.calls[0].Outcome != tt.outcome || e.calls[0].Number != "7" || e.calls[0].Shop != shop {
					t.Errorf("journal %+v, want outcome %s of number 7", e.calls, tt.outcome)
				}
			}
		})
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	e := newEndpoint()
	e.record = func(context.Context, webhook.Hint) error { panic("at " + code) }
	w := e.call(t, request(http.MethodGet, "type=stockUpdate&"+creds+"&number=7", ""))
	if want := "Der er noget galt hos din webudbyder: loggen siger hvad. Prøv igen, og kontakt dem, hvis det bliver ved.\n"; w.Code != http.StatusInternalServerError || w.Body.String() != want {
		t.Errorf("status %d, answer %q, want 500 %q", w.Code, w.Body, want)
	}
	if len(e.calls) != 1 || e.calls[0].Outcome != "panic" || !slices.Equal(e.observed, []string{"panic"}) {
		t.Errorf("journal %+v, counted %v", e.calls, e.observed)
	}
	if !bytes.Contains(e.stack, []byte("TestPanic")) || bytes.Contains(e.stack, []byte(code)) {
		t.Errorf("the stack lacks the place of the panic, or shows the code:\n%s", e.stack)
	}
}

func TestOptionalOptions(t *testing.T) {
	t.Parallel()
	e := &endpoint{of: webhook.Shop{Lang: lang.Danish}}
	e.Handler = webhook.NewHandler(webhook.Options{Recorder: e, Authenticator: e})
	before := time.Now()
	e.call(t, request(http.MethodGet, "type=stockUpdate&"+creds+"&number=7", ""))
	if len(e.hints) != 1 || e.hints[0].ReceivedAt.Before(before) || e.hints[0].ReceivedAt.After(time.Now()) {
		t.Errorf("hints %v, want one of now", e.hints)
	}
}

func TestRemote(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:4711": "192.0.2.7", "[2001:db8::1]:4711": "2001:db8::1", "[fe80::1%eth0]:1": "fe80::1%eth0", "@": "@", "": "",
	} {
		e := newEndpoint()
		r := request(http.MethodGet, creds, "")
		r.RemoteAddr = remote
		e.call(t, r)
		if got := e.calls[0].Remote; got != want {
			t.Errorf("remote %q became %q, want %q", remote, got, want)
		}
	}
}

func TestOutcomesAreAllListed(t *testing.T) {
	t.Parallel()
	list := webhook.Outcomes()
	slices.Sort(list)
	if len(slices.Compact(list)) != 26 {
		t.Errorf("outcomes %v, want 26 different ones", list)
	}
}

// TestOnTheWire tests what needs a real connection: the bytes that clients and servers
// pass on, and that nothing redirects.
func TestOnTheWire(t *testing.T) {
	t.Parallel()
	e := newEndpoint()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	stock := "type=stockUpdate&" + creds + "&number="
	post := func(body, header string) string {
		return fmt.Sprintf("POST /webhooks.php HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	}
	tests := []struct{ name, request, status, number string }{
		{"GET", "GET /webhooks.php?" + stock + "0571527051 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "0571527051"},
		{"HTTP/1.0 without a host", "GET /webhooks.php?" + stock + "1 HTTP/1.0\r\n\r\n", "200 OK", "1"},
		{"two question marks", "GET /webhooks.php??" + stock + "2 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "2"},
		{"whole address", "GET http://x/webhooks.php?" + stock + "3 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "3"},
		{"raw Windows-1252 in the query", "GET /webhooks.php?" + stock + "\xe6\xf8 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "æø"},
		{"raw hash in the query", "GET /webhooks.php?" + stock + "a#b HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "a#b"},
		{"semicolon in the query", "GET /webhooks.php?" + stock + "a;b HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "a;b"},
		{"POST without a content type", post(stock+"5", ""), "200 OK", "5"},
		{"POST as JSON that is none", post(stock+"6", "Content-Type: application/json\r\n"), "200 OK", "6"},
		{"POST of raw Windows-1252", post(stock+"\xe5 7", "Content-Type: text/plain\r\n"), "200 OK", "å 7"},
		{"POST with Expect", post(stock+"8", "Expect: 100-continue\r\n"), "100 Continue", "8"},
		{"POST in chunks", "POST /webhooks.php?" + stock + "x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nnumber=99\r\n0\r\n\r\n", "200 OK", "99"},
		{"POST without a body", "POST /webhooks.php?" + stock + "10 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200 OK", "10"},
		{"GET with a body", "GET /webhooks.php HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(stock)+2) + "\r\n\r\n" + stock + "11", "200 OK", "11"},
		{"two slashes", "GET //webhooks.php?" + stock + "1 HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found", ""},
		{"no path", "GET ?" + stock + "1 HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", ""},
		{"raw space in the query", "GET /webhooks.php?" + stock + "a b HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request", ""},
		{"HEAD", "HEAD /webhooks.php?" + stock + "1 HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed", ""},
		{"too large", post(strings.Repeat("x", 17<<10), ""), "413 Request Entity Too Large", ""},
	}
	for _, tt := range tests {
		e.mu.Lock()
		e.hints = nil
		e.mu.Unlock()
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, tt.request); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		method, _, _ := strings.Cut(tt.request, " ")
		asked := &http.Request{Method: method} // the answer to HEAD has no body
		answer, err := http.ReadResponse(reader, asked)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if answer.Status != tt.status {
			t.Errorf("%s: status %s, want %s", tt.name, answer.Status, tt.status)
		}
		if answer.StatusCode == http.StatusContinue {
			if answer, err = http.ReadResponse(reader, asked); err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", tt.name, answer, err)
			}
		}
		body, _ := io.ReadAll(io.LimitReader(answer.Body, max(answer.ContentLength, 0)))
		if dump := fmt.Sprint(answer.Header, string(body)); strings.Contains(dump, code) || answer.Header.Get("Location") != "" {
			t.Errorf("%s: the answer shows too much: %s", tt.name, dump)
		}
		e.mu.Lock()
		switch {
		case tt.number == "" && len(e.hints) != 0:
			t.Errorf("%s: recorded %v", tt.name, e.hints)
		case tt.number != "" && (len(e.hints) != 1 || e.hints[0].Number != tt.number):
			t.Errorf("%s: recorded %v, want number %q", tt.name, e.hints, tt.number)
		}
		e.mu.Unlock()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, number := range []string{
		"0571527051", "A+B%20C", "%E6%F8", "æø", "NUTS&BOLTS", "50%", "[NUMBER]", "%5bINVOICENO%5D", "20145", "", code,
		"[ORDERNO]", "{{x y}}", "VARENUMMER", "%25C3%25A6", "A&amp;B", "A%26oslash;", "7%E2%80%8B", "%EF%BB%BF7%C2%A0", "%E2%80%AE7", "&amp;", "&amp;x", "'7'", "%E2%80%9C7%E2%80%9D", "NUMBER", "'%5BNUMBER]'", "%2537" + code[1:],
		"x&" + code, strings.Repeat("x", 26), "a%00", "%", "%%", "&&&", "=", "a&b=c", "\xff", "<b>", "12 ", "-1", "99999999999999999999",
	} {
		for _, typ := range []string{"stockUpdate", "orderPdf"} {
			f.Add("GET", "type="+typ+"&"+creds+"&number="+number, "", "")
			f.Add("POST", "", "type="+typ+"&"+creds+"&number="+number, "text/plain")
			f.Add("GET", strings.ReplaceAll("type="+typ+"&"+creds+"&number="+number, "&", "&amp;"), "", "")
			f.Add("POST", "?"+creds+"&number=1", "number="+number+"&type="+typ, "multipart/form-data; boundary=x")
		}
	}
	f.Add("HEAD", creds, "{}", "application/json")
	f.Add("POST", "", "username="+code, "")
	f.Add("GET", rackbeat, "", "")
	f.Add("POST", rackbeat, `{"item":"7"}`, "application/json")
	f.Fuzz(func(t *testing.T, method, query, body, contentType string) {
		e := newEndpoint()
		r := request(method, query, body)
		r.Header["Content-Type"] = []string{contentType}
		began := time.Now()
		defer func() {
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		}()
		w := e.call(t, r) // which looks for the code in answer and journal
		if e.stack != nil {
			t.Fatalf("panic:\n%s", e.stack)
		}
		if e.tokens > 0 || strings.Contains(w.Body.String(), "Rackbeats webhooks modtages") {
			if len(e.hints) != 0 {
				t.Errorf("status %d with hints %v", w.Code, e.hints)
			}
			return // the request has no token of Rackbeat's
		}
		if (w.Code == http.StatusOK) != (len(e.hints) > 0) || len(e.hints) > 2 {
			t.Fatalf("status %d with hints %v", w.Code, e.hints)
		}
		lines := 1
		if w.Code == http.StatusOK {
			if lines = 2 + len(e.hints); e.calls[0].Outcome != webhook.OutcomeRecorded {
				lines++
			}
		}
		if got := w.Body.String(); string(terminal.EscapeOutput([]byte(got))) != got || strings.Count(got, "\n") != lines || !strings.HasSuffix(got, "\n") {
			t.Errorf("answer %q is not %d lines of text", got, lines)
		}
		if len(e.calls) != 1 || len(e.observed) != 1 || !slices.Contains(webhook.Outcomes(), e.observed[0]) {
			t.Errorf("journal %+v, counted %v", e.calls, e.observed)
		}
		if w.Code != http.StatusOK {
			if strings.Contains(w.Body.String(), "Success") {
				t.Errorf("status %d says Success", w.Code)
			}
			return
		}
		want := "Success\n"
		for _, h := range e.hints {
			n := utf8.RuneCountInString(h.Number)
			if h.Shop != shop || n < 1 || n > 25 || !utf8.ValidString(h.Number) || strings.ContainsFunc(h.Number, unicode.IsControl) ||
				strings.Trim(h.Number, " ") != h.Number {
				t.Errorf("recorded %+v", h)
			}
			if h.Kind == webhook.KindInvoice && (strings.Trim(h.Number, "0123456789") != "" || h.Number[0] == '0') {
				t.Errorf("recorded invoice %q", h.Number)
			}
			want += received(h.Kind, h.Number)
		}
		if len(e.hints) == 2 && e.hints[0].Number == e.hints[1].Number {
			t.Errorf("recorded %q twice", e.hints[0].Number)
		}
		if !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("answer %q, want %q…", w.Body, want)
		}
	})
}

// TestHostileCalls: a call of the largest size that can be configured is answered within 2 s and
// 100 MiB, whatever it contains and whoever sends it.
func TestHostileCalls(t *testing.T) { //nolint:paralleltest // it measures memory
	const size = 1 << 20
	for _, part := range []string{"&amp;", "&", "?", "=", "%", "%25", "%2525", "+", "[", "[NUMBER]", "{{", "&oslash;", "amp;", "\xff", "\u200b", "æ", "'", `"`, " ", "number=1&", "number=&", "amp;number=1&", "%00", "$", "A&", "&#1;", "9"} {
		for _, before := range []string{"type=stockUpdate&" + creds + "&number=", "type=orderPdf&" + creds + "&number=", "number=1&" + creds + "&type=", "username=", "username=x&password=", ""} {
			body := before + strings.Repeat(part, (size-len(before))/len(part))
			e := newEndpoint(func(o *webhook.Options) { o.MaxBodyBytes = size })
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			began := time.Now()
			w := e.call(t, request(http.MethodPost, "", body))
			took := time.Since(began)
			runtime.ReadMemStats(&is)
			if used := (is.TotalAlloc - was.TotalAlloc) >> 20; used > 100 || took > 2*time.Second || w.Code == http.StatusInternalServerError {
				t.Errorf("%.40q and then %q: %d, %d MiB in %s", before, part, w.Code, used, took)
			}
			if w.Body.Len() > 1000 {
				t.Errorf("%.40q and then %q: an answer of %d bytes", before, part, w.Body.Len())
			}
		}
	}
}

// FuzzEscapedNumber: what a sender escapes properly is decoded exactly.
func FuzzEscapedNumber(f *testing.F) {
	for _, number := range []string{"0571527051", "a b", "50%", "A+B", "NUTS&BOLTS", "a=b", "æøå", "100%25", "#;?/\\", "[NUMBER", "[SHELF]", "A&amp;B", "%C3%A6", "A\u200b"} {
		f.Add(number)
	}
	f.Fuzz(func(t *testing.T, number string) {
		if !utf8.ValidString(number) || number != strings.TrimSpace(number) {
			return // it would be changed, as documented (of other white space, what was sent is recorded too)
		}
		if utf8.RuneCountInString(number) > 25 || strings.ContainsFunc(number, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) || r == utf8.RuneError }) {
			return // not a valid number
		}
		for _, escape := range []func(string) string{url.QueryEscape, escapeAll} {
			e := newEndpoint()
			w := e.call(t, request(http.MethodGet, "number="+escape(number)+"&type=stockUpdate&"+creds, ""))
			if w.Code == http.StatusOK && e.hints[0].Number != number {
				t.Errorf("sent as %q, %q was understood as %q", escape(number), number, e.hints[0].Number)
			}
		}
	})
}

func escapeAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

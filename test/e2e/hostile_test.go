package e2e_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

// hostile is part of every text: it clears the screen, forges a line, overwrites one, and
// reorders displayed text.
const hostile = "\x1b[2J\x1b]0;pwned\a\nFORGED  line\rFORGED\u009b31m\u0085FORGED\u202eFORGED\u2028FORGED\u2029\x7f\u200b\ufeff"

// hostileNumber is the worst possible item number.
const hostileNumber = "N\x1b[2J\nFORGED\u202e\u009b1"

// hostileEconomic answers every request, with hostile text in every text field.
type hostileEconomic struct {
	*httptest.Server
	mu    sync.Mutex
	stock float64
	gone  bool // most items
}

func (h *hostileEconomic) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *hostileEconomic) product(number string) map[string]any {
	return map[string]any{"productNumber": number, "name": "Vare" + hostile, "barCode": "57" + hostile, "barred": false, "lastUpdated": "2026-11-01T10:00:00Z",
		"productGroup": map[string]any{"productGroupNumber": 1, "name": "Gruppe" + hostile, "inventoryEnabled": true},
		"inventory":    map[string]any{"available": h.stock, "inStock": h.stock, "orderedFromSuppliers": 0, "orderedByCustomers": 0}}
}

func (h *hostileEconomic) products() []any {
	list := []any{h.product("A-1"), h.product(hostileNumber), map[string]any{"productNumber": "BAD" + hostile, "name": 7, "inventory": "x" + hostile}}
	for n := range 60 {
		if !h.gone {
			list = append(list, h.product(fmt.Sprint("many", n)))
		}
	}
	return list
}

func (h *hostileEconomic) invoices() []any {
	invoice := func(n int, currency string) map[string]any {
		return map[string]any{"bookedInvoiceNumber": n, "date": "2026-11-10", "currency": currency, "netAmount": 100.0, "grossAmount": 125.0, "vatAmount": 25.0,
			"netAmountInBaseCurrency": 100.0, "grossAmountInBaseCurrency": 125.0, "roundingAmount": 0.0, "remainder": 0.0, "exchangeRate": 100.0, "dueDate": "2026-11-20",
			"customer": map[string]any{"customerNumber": 7}, "recipient": map[string]any{"name": "Kunde" + hostile}, "lines": []any{},
			"notes": map[string]any{"heading": "Note" + hostile, "textLine1": hostile}, "references": map[string]any{"other": "W-1" + hostile}}
	}
	bad := invoice(3, "D"+hostile)
	bad["date"], bad["bookedInvoiceNumber"] = "2026"+hostile, "3"+hostile
	return []any{invoice(1, "DKK"), invoice(2, "DKK"), bad}
}

func (h *hostileEconomic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["X-RequestId"] = []string{"id\u202eFORGED"}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	list := func(all []any) {
		size, _ := strconv.Atoi(r.URL.Query().Get("pagesize"))
		page := all[:min(len(all), max(size, 1))]
		answer(200, map[string]any{"collection": page, "pagination": map[string]any{"skipPages": 0, "pageSize": size, "results": len(page), "resultsWithoutFilter": len(all)}})
	}
	failure := map[string]any{"message": "No" + hostile, "errorCode": "E1" + hostile, "developerHint": hostile, "logId": "log" + hostile,
		"errors": map[string]any{"field" + hostile: map[string]any{"errorCode": hostile, "message": hostile}}}
	switch path := r.URL.Path; {
	case path == "/self":
		answer(200, map[string]any{"agreementNumber": 4711, "company": map[string]any{"name": "Test" + hostile}, "settings": map[string]any{"baseCurrency": "DKK"},
			"application": map[string]any{"requiredRoles": []any{map[string]any{"name": "SuperUser" + hostile}}}, "modules": []any{map[string]any{"moduleNumber": 15, "name": hostile}}})
	case path == "/products":
		list(h.products())
	case path == "/invoices/booked":
		list(h.invoices())
	case path == "/invoices/booked/1/pdf":
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = w.Write([]byte("%PDF-1.4\n1 0 obj\n" + hostile + "\n%%EOF\n"))
	case path == "/invoices/booked/2/pdf":
		answer(400, failure)
	case strings.HasPrefix(path, "/invoices/booked/"):
		n, _ := strconv.Atoi(filepath.Base(path))
		if n < 1 || n > 2 {
			answer(400, failure)
			return
		}
		answer(200, h.invoices()[n-1])
	case path == "/products/A-1" || path == "/products/"+hostileNumber || strings.HasPrefix(path, "/products/many") && !h.gone:
		answer(200, h.product(strings.TrimPrefix(path, "/products/")))
	case strings.HasPrefix(path, "/products/HTML"):
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("<html><title>down" + hostile + "</title>" + hostile))
	case strings.HasPrefix(path, "/products/many") && h.gone:
		answer(404, failure)
	default:
		answer(400, failure)
	}
}

// harmless fails if a text contains anything a terminal interprets, or a line that is not
// lagerd's.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for n, line := range strings.Split(text, "\n") {
		// A line that continues a foreign text is indented further than any of lagerd's own.
		if rest := strings.TrimLeft(line, " \t"); strings.HasPrefix(rest, "FORGED") && !strings.HasPrefix(line, "    ") {
			t.Errorf("%s, line %d is forged: %q", what, n+1, line)
		}
		for at, r := range line {
			if r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("%s, line %d holds %U: %q", what, n+1, r, line[max(0, at-30):])
				break
			}
		}
		if !utf8.ValidString(line) {
			t.Errorf("%s, line %d is not UTF-8: %q", what, n+1, line)
		}
	}
}

// TestHostileTexts runs every command, and the daemon with either log format, while every text
// from e-conomic or a webhook is hostile.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	h := &hostileEconomic{stock: 5}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	i := install(t, &sandbox{Client: sandboxtest.Client{URL: h.URL}}, "", pace)
	i.start()

	ran := map[string]bool{}
	show := func(args ...string) string {
		t.Helper()
		out, code := run(t, i.Env, "", args...)
		name := args[0]
		if name == "shops" || name == "export" || name == "web" {
			name += " " + args[1]
		}
		ran[name] = true
		harmless(t, fmt.Sprintf("lagerd %q (exit %d)", args, code), out)
		return out
	}
	shows := func(part string, args ...string) {
		t.Helper()
		if out := show(args...); !strings.Contains(out, part) {
			t.Errorf("lagerd %q does not show %q:\n%s", args, part, out)
		}
	}
	escaped := `\u001b[2J`
	i.write("grant", "a-grant-token")
	i.write("code", "hvk4mq2x7wzt9b3c")
	shows("Test"+escaped, "shops", "add", "shop1234", "--grant-token-file", i.dir+"/grant", "--code-file", i.dir+"/code", "--invoices-from", "1")
	lagerdtest.Eventually(t, 15*time.Second, "the items and invoices are stored", func() bool {
		out, _ := run(t, i.Env, "", "status", "shop1234", "--json")
		var list []struct{ Items, Invoices int }
		return json.Unmarshal([]byte(out), &list) == nil && len(list) == 1 && list[0].Items >= 61 && list[0].Invoices == 2
	})
	for _, number := range []string{"A-1" + "\u202e" + "2", "HTML\u202e1", "\u200bA-1", "[ORDERNO]", "A\x1b[2J", "A\u202e\u2066B"} {
		q := url.Values{"type": {"stockUpdate"}, "username": {"shop1234"}, "password": {"hvk4mq2x7wzt9b3c"}, "number": {number}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.Webhook+"/webhooks.php?"+q.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		_, answer := i.call("shop1234", "hvk4mq2x7wzt9b3c", "stockUpdate", number)
		harmless(t, "the answer to a webhook", answer)
	}
	show("reconcile", "--shop", "shop1234", "--item", hostileNumber, "--wait")
	show("reconcile", "--shop", "shop1234", "--item", "HTML\u202e", "--wait")
	show("reconcile", "--shop", "shop1234", "--invoice", "2", "--wait")
	show("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	show("reconcile", "--shop", "nobody"+hostile)
	shows("Vare"+escaped, "why", "shop1234", "A-1")
	show("why", "shop1234", hostileNumber)
	show("why", "shop1234", "HTML\u202e")
	shows("W-1"+escaped, "why", "shop1234", "1", "--invoice")
	show("why", "shop1234", "2", "--invoice")
	show("why", "shop1234", hostile, "--invoice")
	for _, format := range []string{"csv", "json"} {
		shows("Vare"+escaped, "export", "shop", "shop1234", "--format", format)
		show("export", "changes", "shop1234", "--format", format)
		show("export", "invoices", "shop1234", "--format", format)
	}
	shows("W-1"+escaped, "invoice", "shop1234", "1")
	show("invoice", "shop1234", "1", "--json")
	show("invoice", "shop1234", "2", "--pdf", i.Path("out"+hostile))
	show("export", "shop", "shop1234", "--output", i.Path("out"+hostile))
	show("export", "changes", "shop1234", "--since", hostile)
	show("status")
	show("status", "shop1234", "--json")
	shows("Test"+escaped, "check")
	show("shops", "pause", "shop1234", "--reason", "because"+hostile)
	show("status")
	time.Sleep(3 * time.Second) // lets the daemon notice and end its pass
	h.set(func() { h.stock = 7 })
	for _, format := range []string{"table", "csv", "json"} {
		out := show("diff", "shop1234", "--format", format)
		if !strings.Contains(out, "Vare"+escaped) {
			t.Errorf("diff as %s does not show the name:\n%s", format, out)
		}
	}
	checkDocuments(t, i)
	shows(`\u202e`, "shops", "show", "shop1234", "--calls", "50")
	show("shops", "list")
	show("approve", "shop1234")
	show("shops", "resume", "shop1234")
	show("shops", "set", "shop1234", "--order-pattern", "("+hostile)
	show("shops", "set", "shop1234", "--grant-token-file", i.dir+"/grant", "--figure", "available", "--yes")
	h.set(func() { h.gone = true })
	lagerdtest.Eventually(t, 20*time.Second, "the losses are held back", func() bool { return i.status("shop1234").Held == "losses" })
	show("status")
	shows("Vare"+escaped, "approve", "shop1234")
	show("shops", "rotate-code", "shop1234")
	show("shops", "instructions", "shop1234"+hostile)
	show("webhooks", "shop1234"+hostile)
	show("webhooks", "shop1234", "--offline")
	show("notify", "shop1234")
	show("notify", "shop1234"+hostile)
	show("web", "passwd", "mette"+hostile, "--remove")
	show("web", "operators")
	show("web", "link", "shop1234"+hostile)
	show("web", "revoke", "shop1234"+hostile)
	show("migrate")
	show("move", "--to-dsn-file", i.Path("dsn"+hostile))
	show("backup", i.Path("backup"+hostile))
	show("keygen")
	show("rekey")
	show("reload")
	show("version")
	show("sandbox", "--nonsense"+hostile)
	show("why", "shop1234"+hostile, "1")
	show("run", hostile)
	show("shops", "remove", "shop1234"+hostile, "--yes")
	show("shops", "grant", "shop1234", "--account", "reader"+hostile)
	show("shops", "revoke", "shop1234", "--account", "reader"+hostile)
	show("shops", "readers", "shop1234"+hostile)
	show("shops", "places", "shop1234"+hostile)

	// The same in JSON.
	i.daemon.kill()
	i.Env = append(i.Env, "LAGERD_LOG_FORMAT=json", "LAGERD_LOG_LEVEL=debug")
	i.start()
	lagerdtest.Eventually(t, 20*time.Second, "the log tells of what e-conomic said", func() bool { return strings.Contains(i.daemon.out.String(), "FORGED") })
	i.daemon.kill()
	for n, log := range i.logs {
		harmless(t, fmt.Sprintf("log %d", n), log.String())
		if !strings.Contains(log.String(), "FORGED") {
			t.Errorf("log %d contains nothing hostile:\n%s", n, log.Tail(20))
		}
	}
	for line := range strings.Lines(i.logs[1].String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	show("shops", "remove", "shop1234", "--yes")
	everyCommand(t, ran)
}

// checkDocuments reads the JSON and CSV output and checks that its texts are unchanged.
func checkDocuments(t *testing.T, i *installation) {
	t.Helper()
	out, said, _ := i.diff("shop1234", "--format", "json")
	var d struct {
		Stock []struct{ Number, Name string }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v: %s%s", err, out, said)
	}
	if !slices.ContainsFunc(d.Stock, func(s struct{ Number, Name string }) bool { return s.Name == "Vare"+hostile }) {
		t.Errorf("the JSON does not contain the unchanged name: %q", d.Stock)
	}
	out, said, _ = i.diff("shop1234", "--format", "csv")
	if lines, err := csv.NewReader(strings.NewReader(out)).ReadAll(); err != nil || len(lines) < 60 || len(lines) != strings.Count(out, "\n") {
		t.Errorf("%d lines of CSV: %v: %s%s", len(lines), err, out, said)
	}
}

// everyCommand fails if a command was not run.
func everyCommand(t *testing.T, ran map[string]bool) {
	t.Helper()
	commands := regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z-]+)?)  +[A-Z]`)
	listed := func(args ...string) [][]string {
		out, _ := run(t, nil, "", append(args, "--help")...)
		return commands.FindAllStringSubmatch(out, -1)
	}
	found := 0
	for _, m := range listed() {
		of := listed(m[1])
		if len(of) == 0 {
			of = [][]string{m}
		}
		for _, m := range of {
			found++
			if !ran[m[1]] {
				t.Errorf("lagerd %s was not run", m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("%d commands are found in the help", found)
	}
}

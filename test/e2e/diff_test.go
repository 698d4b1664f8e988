package e2e_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// diff runs `lagerd diff` and returns its standard output, its standard error and its exit
// code.
func (i *installation) diff(args ...string) (out, said string, code int) {
	i.t.Helper()
	cmd := exec.CommandContext(i.t.Context(), string(binary), append([]string{"diff"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = i.Env, &stdout, &stderr
	_ = cmd.Run()
	for _, secret := range i.Secrets {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			i.t.Errorf("diff shows the secret %s…", secret[:8])
		}
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// is fails unless the output contains the parts and the exit code is right.
func (i *installation) is(code int, args []string, parts ...string) string {
	i.t.Helper()
	out, said, got := i.diff(args...)
	if got != code {
		i.t.Errorf("diff %q: exit %d, expected %d\n%s%s", args, got, code, out, said)
	}
	for _, part := range parts {
		if !strings.Contains(out+said, part) {
			i.t.Errorf("diff %q does not say %q:\n%s%s", args, part, out, said)
		}
	}
	return out
}

func TestDiff(t *testing.T) { databases(t, testDiff) }

func testDiff(t *testing.T, dsn string) {
	s := startSandbox(t, "--agreements=1", "--products=60", "--lose=1")
	i := install(t, s, dsn, still)
	if dsn == "" {
		i.is(2, []string{"shop1234"}, "there is no embedded database yet")
	}
	i.start()
	i.is(2, []string{"shop1234"}, "no such shop")
	i.addShop(s, "shop1234", first, "--invoices-from", "1")
	shop := []string{"shop1234"}
	of := func(args ...string) []string { return append([]string{"shop1234"}, args...) }

	i.command("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	s.post(first, "create", map[string]any{"number": `=1, "2"`, "name": "Formula", "inStock": "7.25"})
	i.command("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	item := sellable(s.truth(first))
	s.post(first, "book", map[string]any{"orderRef": "10042", "lines": []map[string]any{{"number": item, "quantity": "1"}}})
	i.command("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	i.equal(s, "shop1234", first, 10*time.Second)
	i.is(0, shop, "items at e-conomic", "1 invoice at e-conomic, 1 stored: equal")

	// Nothing is written: the differences remain.
	db := i.database()
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	var total int
	if err := db.QueryRow("SELECT COUNT(*) FROM items").Scan(&total); err != nil {
		t.Fatal(err)
	}
	exec("UPDATE items SET in_stock = '123456789.125', stock = '123456789.125' WHERE number = ?", item)
	exec("DELETE FROM items WHERE number = ?", `=1, "2"`)
	exec("INSERT INTO items SELECT shop, 'not there', name, bar_code, barred, inventory_enabled, '2', available, ordered_by_customers,"+
		" ordered_from_suppliers, '2', state, economic_updated_at, observed_token, observed_at, first_seen_at, changed_at, '' FROM items WHERE number = ?", item)
	for range 2 {
		i.is(1, shop, item, "123456789.125", `=1, "2"`, "created", "not there", "gone",
			fmt.Sprintf("%d items at e-conomic, %d stored: 3 differences, 1 of them a loss", total, total))
	}
	var hints int
	if err := db.QueryRow("SELECT COUNT(*) FROM hints WHERE open = 1").Scan(&hints); err != nil || hints != 0 {
		t.Errorf("diff left %d hints: %v", hints, err)
	}

	lines, err := csv.NewReader(strings.NewReader(i.is(1, of("--format", "csv")))).ReadAll()
	at := slices.IndexFunc(lines, func(l []string) bool { return l[1] == `=1, "2"` })
	if err != nil || len(lines) != 4 || at < 0 || lines[at][4] != "-" || lines[at][5] != "7.25" {
		t.Errorf("--format csv: %v: %q", err, lines)
	}
	type line struct {
		Number   string  `json:"number"`
		What     string  `json:"what"`
		Stored   *string `json:"stock_stored"`
		Economic *string `json:"stock_at_economic"`
	}
	var doc struct {
		Equal  bool   `json:"equal"`
		Losses int    `json:"losses"`
		Stock  []line `json:"stock"`
	}
	if err := json.Unmarshal([]byte(i.is(1, of("--format", "json"))), &doc); err != nil {
		t.Fatal(err)
	}
	created := slices.IndexFunc(doc.Stock, func(l line) bool { return l.Number == `=1, "2"` })
	if doc.Equal || doc.Losses != 1 || len(doc.Stock) != 3 || created < 0 || doc.Stock[created].Stored != nil || *doc.Stock[created].Economic != "7.25" {
		t.Errorf("--format json: %+v", doc)
	}

	if out := i.is(1, of("--item", `=1, "2"`, "--item", item), "2 differences"); strings.Contains(out, "not there") {
		t.Errorf("an item that was not requested:\n%s", out)
	}
	i.is(0, of("--invoice", "1"), "1 invoice at e-conomic, 1 stored: equal")
	i.is(2, of("--invoice", "x"), "expected a whole number")
	i.is(2, of("--invoice", "1,2"), "expected a whole number")
	i.is(2, nil, "expected")
	exec("UPDATE invoices SET pdf_state = 'pending', work_error = 'no PDF yet'")
	i.is(1, of("--invoice", "1"), "no_pdf", "no PDF yet", "1 difference")
	exec("DELETE FROM invoices")
	i.is(1, shop, "booked", "1 invoice at e-conomic, 0 stored: 1 difference")

	// Another agreement is reported, and the difference is still shown.
	s.post(first, "agreement", map[string]int{"agreementNumber": first + 8})
	i.is(1, shop, "--accept-agreement", "3 differences")
	s.post(first, "agreement", map[string]int{"agreementNumber": first})

	s.send(http.MethodPut, "/sandbox/faults", map[string]any{"halfPage": 1}, nil)
	i.is(2, shop, "announced", "nothing can be concluded")
	s.send(http.MethodDelete, "/sandbox/faults", nil, nil)
	s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": true})
	if out := i.is(2, shop, "refuses the token", "shops set shop1234 --grant-token-file"); out != "" {
		t.Errorf("with a refused token it shows\n%s", out)
	}
	s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": false})

	// A reconciliation changes exactly what diff showed.
	i.command("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	i.equal(s, "shop1234", first, 10*time.Second)
	i.is(0, shop, "equal")

	s.send(http.MethodPut, "/sandbox/faults", map[string]any{"hang": "30s"}, nil)
	hanging := start(t, i.Env, "diff", "shop1234")
	time.Sleep(500 * time.Millisecond)
	hanging.signal(syscall.SIGINT)
	if code := hanging.wait(5 * time.Second); code != 2 || !strings.Contains(hanging.out.String(), "interrupted") {
		t.Errorf("interrupted: exit %d\n%s", code, hanging.out)
	}
	s.send(http.MethodDelete, "/sandbox/faults", nil, nil)

	i.write("bad.yaml", "bogus: 1\n")
	if out, code := run(t, nil, "", "--config", i.dir+"/bad.yaml", "diff", "shop1234"); code != 78 {
		t.Errorf("a bad configuration: exit %d\n%s", code, out)
	}
}

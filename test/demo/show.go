package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shopspring/decimal"
	_ "modernc.org/sqlite"
)

type options struct {
	binary string
	length time.Duration
	lose   float64
}

// demo is a running sandbox and a running lagerd.
type demo struct {
	options
	out      io.Writer
	dir      string
	sandbox  string // its URL
	config   string
	db       *sql.DB
	children []*exec.Cmd
	seen     int                  // sequence number of the last event shown
	pending  map[string]time.Time // what is not in the database yet → since when
	took     map[string][]time.Duration
	counts   map[string]int
}

var shops = []struct {
	name      string
	agreement int
	rackbeat  bool // its stock is kept there
}{{"shop1001", 100001, false}, {"shop1002", 100002, false}, {"shop1003", 100003, true}}

// start starts everything and waits until all shops are in the database.
func start(ctx context.Context, o options, out io.Writer) (d *demo, err error) {
	d = &demo{options: o, out: out, pending: map[string]time.Time{}, took: map[string][]time.Duration{}, counts: map[string]int{}}
	defer func() {
		if err != nil {
			d.stop()
		}
	}()
	if d.dir, err = os.MkdirTemp("", "lagerd-demo"); err != nil {
		return d, err
	}
	lines, err := d.child("sandbox", nil, "sandbox", "--listen", "127.0.0.1:0", "--agreements", "3", "--rackbeat", "1", "--products", "300",
		"--lose", fmt.Sprint(o.lose), "--double", "0.1", "--late", "0.1", "--late-by", "8s", "--read-lag", "200ms")
	if err != nil {
		return d, err
	}
	_, d.sandbox, _ = strings.Cut(strings.TrimSpace(lines), "listening on ")
	webhook, admin, page, err := addresses()
	if err != nil {
		return d, err
	}
	d.config = filepath.Join(d.dir, "lagerd.yaml")
	database := filepath.Join(d.dir, "lagerd.db")
	files := map[string]string{
		"app-token": "sandbox-app-token",
		"lagerd.yaml": fmt.Sprintf("database: {path: %s}\neconomic: {rest_url: %q, app_secret_token_file: %s/app-token}\nrackbeat: {url: \"%s/api/\", contact: demo@example.dk, calls_per_minute: 400}\nwebhook: {listen: %q}\nadmin: {listen: %q}\nweb: {listen: %q}\nreconcile: {schedule: \"@every 10s\"}\n",
			database, d.sandbox, d.dir, d.sandbox, webhook, admin, page),
	}
	for i, s := range shops {
		files[s.name+".grant"] = fmt.Sprintf("sandbox-grant-%d", i+1)
		files[s.name+".code"] = "demo-hvk4mq2x7wzt9b3c-" + s.name
		files[s.name+".key"] = fmt.Sprintf("sandbox-rackbeat-%d", i+1)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return d, err
		}
	}
	fmt.Fprintf(out, "sandbox e-conomic and Rackbeat at %s, lagerd's webhooks at http://%s/webhooks.php, a tick every 10 s\n", d.sandbox, webhook)
	for _, s := range shops {
		if err := d.add(ctx, s.name, s.agreement, s.rackbeat, "http://"+webhook); err != nil {
			return d, err
		}
	}
	if _, err := d.child("lagerd.log", []string{"LAGERD_CONFIG=" + d.config}, "run"); err != nil {
		return d, err
	}
	if err := d.openPage(page); err != nil {
		return d, err
	}
	if d.db, err = sql.Open("sqlite", "file:"+database+"?_pragma=busy_timeout(5000)&mode=ro"); err != nil {
		return d, err
	}
	began := time.Now()
	for {
		if diff, err := d.differences(ctx); err == nil && len(diff) == 0 {
			break
		}
		if time.Since(began) > 30*time.Second {
			return d, fmt.Errorf("the first sweep did not end; see %s", filepath.Join(d.dir, "lagerd.log"))
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return d, ctx.Err()
		}
	}
	fmt.Fprintf(out, "first sweep: 3 shops, 900 items, true in the database after %s\n\n", time.Since(began).Round(10*time.Millisecond))
	return d, nil
}

// add adds a shop, and enters its webhooks where its owner would.
func (d *demo) add(ctx context.Context, shop string, agreement int, rackbeat bool, address string) error {
	file := filepath.Join(d.dir, shop)
	args := []string{"shops", "add", shop, "--invoices-from", "1", "--grant-token-file", file + ".grant", "--code-file", file + ".code"}
	if rackbeat {
		args = append(args, "--stock-source", "rackbeat", "--rackbeat-key-file", file+".key")
	}
	if err := d.command(args...); err != nil {
		return err
	}
	pasted := map[string]any{"baseURL": address, "username": shop, "password": "demo-hvk4mq2x7wzt9b3c-" + shop}
	if err := d.post(ctx, agreement, "webhooks", pasted); err != nil || !rackbeat {
		return err
	}
	pasted["events"] = []string{"inventory.changed", "product.created", "product.updated"}
	return d.post(ctx, agreement, "rackbeat/webhooks", pasted)
}

// child starts the binary with its output in a file, and returns the first line.
func (d *demo) child(name string, env []string, args ...string) (string, error) {
	path := filepath.Join(d.dir, name)
	log, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command(d.binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	// A Ctrl-C is for the demo, which then stops its children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", d.binary, err)
	}
	d.children = append(d.children, cmd)
	for range 200 {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if line, _, ok := strings.Cut(string(text), "\n"); ok {
			return line, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("%s %s prints nothing", d.binary, args[0])
}

func (d *demo) stop() {
	if d.db != nil {
		_ = d.db.Close()
	}
	for _, c := range slices.Backward(d.children) {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

// openPage lets somebody see the page, and shows where it is.
func (d *demo) openPage(address string) error {
	password := strings.ToLower(rand.Text())
	file := filepath.Join(d.dir, "page-password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		return err
	}
	if err := d.command("web", "passwd", "demo", "--password-file", file); err != nil {
		return err
	}
	cmd := exec.Command(d.binary, "web", "link", shops[0].name)
	cmd.Env = append(os.Environ(), "LAGERD_CONFIG="+d.config)
	link, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("lagerd web link: %w", err)
	}
	fmt.Fprintf(d.out, "the page, for operators: http://%s, name demo, password %s\nfor the owner of %s: %s\n", address, password, shops[0].name, link)
	return nil
}

func (d *demo) command(args ...string) error {
	cmd := exec.Command(d.binary, args...)
	cmd.Env = append(os.Environ(), "LAGERD_CONFIG="+d.config)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lagerd %s: %w: %s", args[0], err, out)
	}
	return nil
}

func addresses() (webhook, admin, page string, err error) {
	var found [3]string
	for i := range found {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", "", err
		}
		found[i] = l.Addr().String()
		defer l.Close()
	}
	return found[0], found[1], found[2], nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (d *demo) post(ctx context.Context, agreement int, what string, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/sandbox/agreements/%d/%s", d.sandbox, agreement, what), bytes.NewReader(raw))
	if err != nil {
		return err
	}
	return d.do(req, nil)
}

func (d *demo) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.sandbox+path, nil)
	if err != nil {
		return err
	}
	return d.do(req, into)
}

func (d *demo) do(req *http.Request, into any) error {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", req.URL.Path, res.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// show trades and shows what happens; at the end it compares.
func (d *demo) show(ctx context.Context) (equal bool, err error) {
	end := time.Now().Add(d.length)
	var since string
	for n := 0; time.Now().Before(end); n++ {
		if err := d.post(ctx, shops[n%len(shops)].agreement, "trade", map[string]int{"count": 1}); err != nil {
			return false, d.interrupted(ctx, err)
		}
		if since, err = d.look(ctx, since); err != nil {
			return false, d.interrupted(ctx, err)
		}
		if !sleep(ctx, 250*time.Millisecond) {
			return false, errors.New("interrupted")
		}
	}
	fmt.Fprintln(d.out, "\ntrade has ended; waiting for late webhooks and the next tick")
	deadline := time.Now().Add(45 * time.Second)
	var diff []string
	for quiet := 0; quiet < 10 && time.Now().Before(deadline); {
		if since, err = d.look(ctx, since); err != nil {
			return false, d.interrupted(ctx, err)
		}
		if diff, err = d.differences(ctx); err != nil {
			return false, d.interrupted(ctx, err)
		}
		quiet++
		if len(diff) > 0 {
			quiet = 0
		}
		sleep(ctx, 250*time.Millisecond)
	}
	d.summary(ctx)
	if len(diff) > 0 {
		fmt.Fprintf(d.out, "NOT equal: %d differences, such as %s\n", len(diff), diff[0])
		return false, nil
	}
	fmt.Fprintln(d.out, "equal")
	return true, nil
}

func (d *demo) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

type event struct {
	Seq       int       `json:"seq"`
	Time      time.Time `json:"time"`
	Agreement int       `json:"agreement"`
	Kind      string    `json:"kind"`
	Number    string    `json:"number"`
	Webhook   string    `json:"webhook"`
	Fate      string    `json:"fate"`
}

func shopOf(agreement int) string {
	for _, s := range shops {
		if s.agreement == agreement {
			return s.name
		}
	}
	return "?"
}

// look shows what was committed since the last call.
func (d *demo) look(ctx context.Context, since string) (string, error) {
	var events []event
	if err := d.get(ctx, fmt.Sprintf("/sandbox/events?since=%d", d.seen), &events); err != nil {
		return since, err
	}
	for _, e := range events {
		d.seen = e.Seq
		if e.Kind != "webhook" {
			continue
		}
		d.counts["webhooks "+e.Fate]++
		kind := "stock"
		if e.Webhook == "INVOICE_BOOKED" {
			kind = "invoice"
		}
		key := shopOf(e.Agreement) + " " + kind + " " + e.Number
		if _, waiting := d.pending[key]; !waiting {
			d.pending[key] = e.Time
		}
	}
	rows, err := d.db.QueryContext(ctx, `SELECT shop, kind, number, what, COALESCE(old_stock, '-'), COALESCE(new_stock, '-'), cause, webhook, CAST(committed_at AS TEXT)
		FROM changes WHERE what <> 'created' AND committed_at > ? ORDER BY committed_at`, since)
	if err != nil {
		return since, err
	}
	defer rows.Close()
	for rows.Next() {
		var shop, kind, number, what, before, after, cause, webhook, at string
		if err := rows.Scan(&shop, &kind, &number, &what, &before, &after, &cause, &webhook, &at); err != nil {
			return since, err
		}
		since = at
		committed, err := time.ParseInLocation("2006-01-02 15:04:05.000000", at, time.UTC)
		if err != nil {
			return since, err
		}
		key := shop + " " + kind + " " + number
		took := "        "
		if began, ok := d.pending[key]; ok {
			delete(d.pending, key)
			t := max(0, committed.Sub(began))
			took = fmt.Sprintf("%7.2fs", t.Seconds())
			d.took[webhook] = append(d.took[webhook], t)
		}
		d.counts["changes "+webhook]++
		how := "hinted by its webhook"
		if webhook != "came" {
			how = "webhook missing, found by the " + cause
		}
		detail := before + " → " + after
		if kind == "invoice" {
			detail = "booked"
		}
		fmt.Fprintf(d.out, "%s  %s  %-7s %-26q %-22s true after %s  %s\n", committed.Local().Format("15:04:05"), shop, kind, number, detail, took, how) //nolint:gosmopolitan // shown to a person on this machine
	}
	return since, rows.Err()
}

func (d *demo) summary(ctx context.Context) {
	fmt.Fprintf(d.out, "\nwebhooks: %d sent, %d lost, %d doubled, %d late\n", d.counts["webhooks sent"], d.counts["webhooks lost"], d.counts["webhooks doubled"], d.counts["webhooks late"])
	for _, k := range []struct{ webhook, says string }{{"came", "hinted by a webhook"}, {"missed", "found without one"}} {
		list := d.took[k.webhook]
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		fmt.Fprintf(d.out, "%-20s %4d changes, true in the database after %s (median), %s (longest)\n", k.says, len(list),
			list[len(list)/2].Round(10*time.Millisecond), list[len(list)-1].Round(10*time.Millisecond))
	}
	var missed, late int
	if err := d.db.QueryRowContext(ctx, "SELECT SUM(missed_webhooks), SUM(late_webhooks) FROM progress").Scan(&missed, &late); err == nil {
		fmt.Fprintf(d.out, "lagerd counts %d missed webhooks and %d that came late\n", missed, late)
	}
}

type truth struct {
	Products []struct {
		Number    string           `json:"number"`
		InStock   *decimal.Decimal `json:"inStock"`
		Inventory bool             `json:"inventory"`
	} `json:"products"`
	Invoices []struct {
		Number    int64  `json:"number"`
		OrderRef  string `json:"orderRef"`
		PDFSHA256 string `json:"pdfSHA256"`
	} `json:"invoices"`
}

// differences compares the views that a shop's software reads with the truth.
func (d *demo) differences(ctx context.Context) ([]string, error) {
	var diff []string
	for _, s := range shops {
		var is truth
		if err := d.get(ctx, fmt.Sprintf("/sandbox/agreements/%d/truth", s.agreement), &is); err != nil {
			return nil, err
		}
		stock, err := d.pairs(ctx, "SELECT item_number, COALESCE(stock, 'none') FROM shop_stock WHERE shop = ? AND state <> 'gone'", s.name)
		if err != nil {
			return nil, err
		}
		invoices, err := d.pairs(ctx, "SELECT invoice_number, order_number || ' ' || pdf_sha256 FROM shop_invoices WHERE shop = ?", s.name)
		if err != nil {
			return nil, err
		}
		for _, p := range is.Products {
			want := "none"
			if p.Inventory {
				want = p.InStock.String()
			}
			got, err := decimal.NewFromString(stock[p.Number])
			if (err != nil || got.String() != want) && stock[p.Number] != want {
				diff = append(diff, fmt.Sprintf("%s item %q: %q, expected %q", s.name, p.Number, stock[p.Number], want))
			}
		}
		for _, i := range is.Invoices {
			if got, want := invoices[fmt.Sprint(i.Number)], i.OrderRef+" "+i.PDFSHA256; got != want {
				diff = append(diff, fmt.Sprintf("%s invoice %d: %q, expected %q", s.name, i.Number, got, want))
			}
		}
		if len(stock) != len(is.Products) || len(invoices) != len(is.Invoices) {
			diff = append(diff, fmt.Sprintf("%s: %d items and %d invoices, expected %d and %d", s.name, len(stock), len(invoices), len(is.Products), len(is.Invoices)))
		}
	}
	return diff, nil
}

func (d *demo) pairs(ctx context.Context, query, shop string) (map[string]string, error) {
	rows, err := d.db.QueryContext(ctx, query, shop)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var k, v string
		if err := rows.Scan(&k, &v); err != nil {
			return nil, err
		}
		found[k] = v
	}
	return found, rows.Err()
}

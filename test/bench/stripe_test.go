//go:build linux

package bench_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

const (
	stripeKey    = "sk_test_of_the_benchmark"
	stripeSecret = "whsec_of_the_benchmark"
	stripePage   = 100 // Stripe's maximum page size
)

// stripeSync is a running stripe-sync-engine with its own database.
type stripeSync struct {
	b        *testing.B
	address  string
	database postgres
}

// startStripe runs a stripe-sync-engine that backfills from the API at a URL.
func startStripe(b *testing.B, api string) *stripeSync {
	b.Helper()
	s := &stripeSync{b: b, address: lagerdtest.FreeAddress(b), database: startPostgres(b)}
	cmd := exec.Command(need(b, "node", "nodejs"), "stripe.mjs")
	cmd.Dir = "peers"
	cmd.Env = append(os.Environ(), "PEER_DATABASE="+s.database.url(), "PEER_LISTEN="+s.address, "PEER_STRIPE="+api, "PEER_KEY="+stripeKey, "PEER_SECRET="+stripeSecret)
	p := startPeer(b, cmd, syscall.SIGTERM)
	p.await(b, "stripe-sync-engine listens", func() bool { return listening(s.address) })
	return s
}

// needStripe skips the benchmark if stripe-sync-engine cannot run.
func needStripe(b *testing.B) {
	b.Helper()
	version, err := exec.CommandContext(b.Context(), need(b, "node", "nodejs"), "--version").Output()
	must(b, err)
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		b.Skipf("node is %s: Stripe's API client needs %d or newer", bytes.TrimSpace(version), oldestNode)
	}
	if _, err := os.Stat("peers/node_modules/@supabase/stripe-sync-engine"); err != nil {
		b.Skip("stripe-sync-engine is not installed: run scripts/bench-deps, or `npm ci` in test/bench/peers")
	}
	postgresProgram(b, "postgres")
	need(b, "psql", "postgresql")
}

const oldestNode = 20

// count returns how many products are stored, and clear deletes them.
func (s *stripeSync) count() int {
	s.b.Helper()
	n, err := strconv.Atoi(s.database.query(s.b, "SELECT COUNT(*) FROM stripe.products"))
	must(s.b, err)
	return n
}

func (s *stripeSync) clear() {
	s.b.Helper()
	s.database.query(s.b, "TRUNCATE stripe.products")
}

// flushed writes pending data to disk, so that this does not slow down the next measurement.
func (s *stripeSync) flushed() {
	s.b.Helper()
	s.database.query(s.b, "CHECKPOINT")
}

// backfill fetches and stores all products, and returns how long that took.
func (s *stripeSync) backfill(count int) time.Duration {
	s.b.Helper()
	ctx, cancel := context.WithTimeout(s.b.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/backfill", nil)
	must(s.b, err)
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	must(s.b, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(s.b, err)
	took := time.Since(began)
	if string(answer) != strconv.Itoa(count) {
		s.b.Errorf("stripe-sync-engine says of its backfill: %s %s, expected %d products", res.Status, answer, count)
	}
	if n := s.count(); n != count {
		s.b.Errorf("stripe-sync-engine has %d products after its backfill, expected %d", n, count)
	}
	return took
}

// stripeCalls returns requests of events, each about another product. They are signed now and
// valid for five minutes.
func stripeCalls(b *testing.B, count int) [][]byte {
	b.Helper()
	now := time.Now().Unix()
	list := make([][]byte, count)
	for i := range list {
		body, err := json.Marshal(map[string]any{
			"id": fmt.Sprintf("evt_1Pq%021d", i), "object": "event", "api_version": "2020-08-27", "created": now, "livemode": false, "pending_webhooks": 1,
			"request": map[string]any{"id": nil, "idempotency_key": nil}, "type": "product.updated",
			"data": map[string]any{"object": product(i), "previous_attributes": map[string]any{"updated": 1700000000}},
		})
		must(b, err)
		mac := hmac.New(sha256.New, []byte(stripeSecret))
		fmt.Fprintf(mac, "%d.%s", now, body)
		list[i] = fmt.Appendf(nil, "POST /webhooks HTTP/1.1\r\nHost: hooks.example.dk\r\nUser-Agent: bench\r\nAccept: */*\r\nContent-Type: application/json\r\nStripe-Signature: t=%d,v1=%x\r\nContent-Length: %d\r\n\r\n%s",
			now, mac.Sum(nil), len(body), body)
	}
	return list
}

// product returns a product in Stripe's API format.
func product(n int) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("prod_Q%013d", n), "object": "product", "active": true, "attributes": []string{}, "created": 1700000000 + n,
		"default_price": fmt.Sprintf("price_1Pq%021d", n), "description": fmt.Sprintf("Item %d of the catalogue, packed by the dozen", n), "features": []string{},
		"images": []string{fmt.Sprintf("https://images.example.dk/items/%d.jpg", n)}, "livemode": false, "marketing_features": []string{},
		"metadata": map[string]string{"sku": strconv.Itoa(100_000 + n), "shelf": fmt.Sprintf("%d-%d", n/100, n%100)}, "name": fmt.Sprintf("Item %d", n),
		"package_dimensions": nil, "shippable": nil, "statement_descriptor": nil, "tax_code": nil, "type": "good", "unit_label": nil, "updated": 1710000000 + n, "url": nil,
	}
}

// fakeStripe is the part of Stripe's API that a backfill uses: the list of products. Its pages
// are prepared beforehand, so that it costs almost nothing.
func fakeStripe(b *testing.B, count int) string {
	b.Helper()
	pages := map[string][]byte{} // by the product that they start after
	after := ""
	for page := range slices.Chunk(products(count), stripePage) {
		raw, err := json.Marshal(map[string]any{"object": "list", "url": "/v1/products", "has_more": len(pages)+1 < (count+stripePage-1)/stripePage, "data": page})
		must(b, err)
		pages[after] = raw
		after = page[len(page)-1]["id"].(string)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/products", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, known := pages[q.Get("starting_after")]
		if !known || q.Get("limit") != strconv.Itoa(stripePage) {
			http.Error(w, "not a page of this list", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page)
	})
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	return server.URL
}

func products(count int) []map[string]any {
	list := make([]map[string]any, count)
	for i := range list {
		list[i] = product(i)
	}
	return list
}

// postgres is a private server, as durable as the MariaDB beside it: a commit
// returns when its log is on the disk.
type postgres struct{ address, password string }

func startPostgres(b *testing.B) postgres {
	b.Helper()
	p := postgres{lagerdtest.FreeAddress(b), rand.Text()}
	owner := postgresOwner(b)
	// Not in the benchmark's own directory, which only root may enter.
	dir, err := os.MkdirTemp("", "lagerd-postgres")
	must(b, err)
	b.Cleanup(func() { must(b, os.RemoveAll(dir)) })
	password := filepath.Join(dir, "password")
	lagerdtest.Write(b, password, p.password)
	if owner != nil {
		must(b, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
		must(b, os.Chown(password, int(owner.Uid), int(owner.Gid)))
	}
	data := filepath.Join(dir, "data")
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	initdb := exec.CommandContext(ctx, postgresProgram(b, "initdb"), "--pgdata="+data, "--username=postgres", "--auth=scram-sha-256", "--pwfile="+password, "--encoding=UTF8", "--locale=C")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		b.Fatalf("initialise postgres: %v\n%s", err, out)
	}
	host, port, err := net.SplitHostPort(p.address)
	must(b, err)
	server := exec.Command(postgresProgram(b, "postgres"), "-D", data, "-h", host, "-p", port, "-k", dir,
		"-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=128MB")
	server.Dir = dir
	server.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	running := startPeer(b, server, syscall.SIGINT)
	running.await(b, "postgres answers", func() bool {
		_, err := p.try(b.Context(), "SELECT 1")
		return err == nil
	})
	return p
}

// postgresOwner returns who runs the server: it refuses to run as root.
func postgresOwner(b *testing.B) *syscall.Credential {
	b.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	must(b, err)
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	must(b, err)
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	must(b, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// postgresProgram finds a Postgres program, including Debian's location outside PATH.
func postgresProgram(b *testing.B, name string) string {
	b.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	must(b, err)
	if len(found) == 0 {
		b.Skipf("%s is missing: run scripts/bench-deps, or install postgresql", name)
	}
	return found[len(found)-1]
}

func (p postgres) url() string {
	return (&url.URL{Scheme: "postgres", User: url.UserPassword("postgres", p.password), Host: p.address, Path: "/postgres"}).String()
}

// query runs a statement, bypassing what is measured.
func (p postgres) query(b *testing.B, statement string) string {
	b.Helper()
	answer, err := p.try(b.Context(), statement)
	must(b, err)
	return answer
}

func (p postgres) try(ctx context.Context, statement string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--host="+host, "--port="+port, "--username=postgres", "--command="+statement, "postgres")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+p.password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", statement, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

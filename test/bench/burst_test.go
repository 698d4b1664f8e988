package bench_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
	"lagerd/webhook"
)

const (
	burstShops = 20
	burstCalls = 100_000
)

// BenchmarkBurst sends 100,000 webhooks, each acknowledged after its commit, compared with the
// same server storing nothing.
func BenchmarkBurst(b *testing.B) {
	for _, database := range []string{"MariaDB", "embedded"} {
		for _, connections := range []int{64, 256} {
			b.Run(fmt.Sprintf("%s/%d", database, connections), func(b *testing.B) {
				once(b, func() { burst(b, database, connections) })
			})
		}
	}
}

func burst(b *testing.B, database string, connections int) {
	s := binary.Sandbox(b, fmt.Sprint("--agreements=", burstShops), fmt.Sprint("--products=", burstCalls/burstShops*7/5), noLimit)
	l := install(b, database == "embedded", s.URL, burstShops, never)
	l.start()
	l.read(burstShops)
	reading := l.peak()
	plain := startPlain(b, 0)
	requests := webhookCalls(burstShops, numbers(b, l, burstCalls))
	var list []row
	var p99, peaks []float64
	for round := range *rounds {
		l.exec("DELETE FROM hints")
		without := send(b, plain, connections, requests)
		importAll(b, s, 1000+round) // the items of the webhooks
		l.resetPeak()
		began := time.Now()
		with := send(b, l.Webhook, connections, requests)
		if with.refused > 0 || without.refused > 0 {
			b.Errorf("%d of %d webhooks were refused, %d by the server that stores nothing", with.refused, burstCalls, without.refused)
		}
		n, err := l.count(storedWebhooks)
		must(b, err)
		// A listing that ends deletes the batches that it has answered. On a slow disk it does so
		// before the burst is over.
		listed, err := l.count("SELECT COUNT(*) FROM progress WHERE swept_at > ?", store.At(began))
		must(b, err)
		if n != burstCalls && listed == 0 {
			b.Errorf("%d webhooks were acknowledged, %d are stored", burstCalls, n)
		}
		list = append(list, row{with.perSecond(), without.perSecond()})
		p99 = append(p99, quantile(with.latencies, 0.99))
		l.settled()
		peaks = append(peaks, l.peak())
	}
	recordIn(b, "burst.csv", rateColumns, func(put func(...string)) {
		put("lagerd, 100,000 webhooks, "+database, strconv.Itoa(connections), number(median(rates(list, true))))
		put("the same server, storing nothing, beside "+database, strconv.Itoa(connections), number(median(rates(list, false))))
	})
	where := fmt.Sprintf("%s, %d connections", database, connections)
	reach := "≥ 0.6"
	if database == "embedded" {
		reach = "≥ 0.5"
	}
	report(b, "burst, "+where, "requests/s", list, reach)
	note(b, "burst's p99, "+where, "ms", p99, "< 250")
	note(b, "burst's peak memory, until all is up to date, "+where, "MiB", peaks, "≤ 80")
	note(b, fmt.Sprintf("peak memory of the first reading of %d shops at once, before the burst, %s", burstShops, where), "MiB", []float64{reading}, "for comparison")
}

// importAll changes every item: a webhook whose item shows nothing new would be reread for a
// minute.
func importAll(b *testing.B, s sandboxtest.Client, figure int) {
	b.Helper()
	for shop := range burstShops {
		must(b, s.Post(first+shop, "import", map[string]int{"inStock": figure}, nil))
	}
}

// rateColumns are the columns for the plot of rates by connections.
var rateColumns = []string{"who", "connections", "requests_per_second"}

func rates(list []row, ours bool) []float64 {
	values := make([]float64, len(list))
	for i, r := range list {
		if values[i] = r.theirs; ours {
			values[i] = r.ours
		}
	}
	return values
}

// hinted selects the items that the benchmarks' webhooks name: those that carry a figure. A
// number in quotation marks is recorded with and without them, and the second one, which no
// item has, would be reread for a minute.
const hinted = `stock > 0 AND number NOT LIKE '"%'`

// numbers returns the numbers of items that carry a figure, alternating between the shops.
func numbers(b *testing.B, l *lagerd, count int) []string {
	b.Helper()
	rows, err := l.db.QueryContext(b.Context(), "SELECT shop, number FROM items WHERE "+hinted+" ORDER BY shop, number")
	must(b, err)
	defer rows.Close()
	byShop := map[string][]string{}
	for rows.Next() {
		var shop, number string
		must(b, rows.Scan(&shop, &number))
		byShop[shop] = append(byShop[shop], number)
	}
	must(b, rows.Err())
	list := make([]string, count)
	for i := range list {
		of := byShop[shopName(i%len(byShop))]
		if i/len(byShop) >= len(of) {
			b.Fatalf("%s has %d items, expected %d in all shops", shopName(i%len(byShop)), len(of), count)
		}
		list[i] = of[i/len(byShop)]
	}
	return list
}

const (
	plainVariable  = "LAGERD_BENCH_PLAIN"  // makes this test binary the server that stores nothing, at this address
	commitVariable = "LAGERD_BENCH_COMMIT" // how long its calls wait, as if for a commit
)

// startPlain runs the server that stores nothing until the benchmark ends. Its calls wait as if
// for commits of the given duration; with 0 they do not wait.
func startPlain(b *testing.B, commit time.Duration) string {
	b.Helper()
	address := lagerdtest.FreeAddress(b)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), plainVariable+"="+address, commitVariable+"="+commit.String())
	cmd.Stderr = os.Stderr
	must(b, cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lagerdtest.Eventually(b, 10*time.Second, "the server that stores nothing listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return address
}

// servePlain is lagerd's webhook endpoint without storing: it parses, authenticates, counts and
// answers.
func servePlain() error {
	keys, err := secret.Load([]byte(lagerdtest.Key))
	if err != nil {
		return err
	}
	codes := plainCodes{keys: keys, hashes: map[string][sha256.Size]byte{}}
	for n := range burstShops {
		codes.hashes[shopName(n)] = keys.HashCode(shopName(n), code)
	}
	commit, err := time.ParseDuration(os.Getenv(commitVariable))
	if err != nil {
		return fmt.Errorf("%s: %w", commitVariable, err)
	}
	var recorder webhook.Recorder = forgetful{}
	if commit > 0 {
		c, err := waitingCommitter(commit)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(context.Background())
		var committing sync.WaitGroup
		committing.Go(func() { _ = c.Run(ctx) })
		defer func() {
			stop()
			committing.Wait()
		}()
		recorder = c
	}
	server := &http.Server{
		Addr: os.Getenv(plainVariable),
		Handler: webhook.NewHandler(webhook.Options{
			Recorder: recorder, Authenticator: codes, Observe: status.NewMetrics("bench").Webhook,
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	return server.ListenAndServe()
}

type forgetful struct{}

func (forgetful) Record(context.Context, webhook.Hint) error { return nil }

// plainCodes authenticates as lagerd does.
type plainCodes struct {
	keys   *secret.Keys
	hashes map[string][sha256.Size]byte
}

func (plainCodes) AuthenticateHeader(string, string) (of webhook.Shop, ok bool) {
	return webhook.Shop{}, false
}

func (plainCodes) AuthenticateToken(string, string) bool { return true }

func (c plainCodes) Authenticate(shop, code string, _ bool) (webhook.Shop, bool) {
	hash, known := c.keys.HashCode(shop, code), c.hashes[shop]
	return webhook.Shop{Lang: lang.Danish}, subtle.ConstantTimeCompare(hash[:], known[:]) == 1
}

package web_test

import (
	"database/sql"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/mariadbtest"
	"lagerd/test/storetest"
	"lagerd/web"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// BenchmarkShops shows pages of 10,000 shops to an operator, without the network.
func BenchmarkShops(b *testing.B) {
	for _, c := range []struct {
		name string
		open func(b *testing.B) *store.Store
	}{
		{"SQLite", func(b *testing.B) *store.Store {
			path := storetest.New(b)
			manyShops(b, path, 10_000)
			return opened(b, store.Options{Path: path})
		}},
		{"MariaDB", func(b *testing.B) *store.Store {
			dsn := mariadbtest.New(b)
			s := opened(b, store.Options{DSN: dsn})
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			db, err := sql.Open("mysql", dsn)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			storeMany(b, db, "SELECT seq AS n FROM seq_0_to_9999", "CONCAT('shop', LPAD(n, 4, '0'))")
			return s
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := benchmarked(b, c.open(b))
			var took []time.Duration
			size := 0
			before := processor(b)
			for n := 0; b.Loop(); n++ {
				path := []string{"/", "/?page=100", "/?show=held", "/?find=77"}[n%4]
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, path, http.NoBody)
				r.Host = "localhost"
				r.Header.Set("X-User", "mette")
				w := httptest.NewRecorder()
				began := time.Now()
				s.ServeHTTP(w, r)
				took = append(took, time.Since(began))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
				size = max(size, w.Body.Len())
			}
			b.ReportMetric((processor(b)-before).Seconds()*1000/float64(len(took)), "cpu-ms/page")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
			b.ReportMetric(float64(took[len(took)*95/100].Milliseconds()), "p95-ms")
			b.ReportMetric(float64(size), "largest-bytes")
		})
	}
}

func opened(b *testing.B, o store.Options) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// benchmarked returns a page whose callers a proxy names.
func benchmarked(b *testing.B, s *store.Store) *web.Page {
	b.Helper()
	keys, err := secret.Load([]byte(secret.Generate()))
	if err != nil {
		b.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	page, err := web.New(web.Options{Store: s, Keys: keys, Address: "http://localhost", Session: time.Hour, Now: func() time.Time { return noon }, Log: log, Config: config.Default,
		Living: func() map[string]bool { return nil }, UserHeader: "X-User", Trusts: func(string) bool { return true }})
	if err != nil {
		b.Fatal(err)
	}
	return page
}

// processor returns the time that this process has used the processor for: unlike the time that a
// page takes, that does not depend much on what else the machine does.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

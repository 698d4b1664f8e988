package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"lagerd/sandbox"
)

// discard discards an answer.
type discard struct {
	header http.Header
	status int
	size   int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.size += len(b); return len(b), nil }

func BenchmarkProductsPage1000(b *testing.B) {
	s := sandbox.New(sandbox.Options{Agreements: 1, Products: 1000, AppToken: "app", Bucket: 1 << 60, MaxURL: 4000})
	defer s.Close()
	h := s.Handler()
	r := httptest.NewRequest(http.MethodGet, "/products?pagesize=1000&sort=productNumber", nil)
	r.Header.Set("X-AppSecretToken", "app")
	r.Header.Set("X-AgreementGrantToken", "sandbox-grant-1")
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.size < 100_000 {
			b.Fatal(w.status, w.size)
		}
		b.SetBytes(int64(w.size))
	}
}

func BenchmarkRackbeatPage1000Of50000(b *testing.B) {
	s := sandbox.New(sandbox.Options{Agreements: 1, Products: 50_000, Rackbeat: 1})
	defer s.Close()
	h := s.Handler()
	r := httptest.NewRequest(http.MethodGet, "/api/items?limit=1000&page=25&order_by=number", nil)
	r.Header.Set("Authorization", "Bearer sandbox-rackbeat-1")
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != http.StatusPartialContent || w.size < 100_000 {
			b.Fatal(w.status, w.size)
		}
		b.SetBytes(int64(w.size))
	}
}

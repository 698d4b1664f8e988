package sandbox

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestListingOfThePageAlone: the shortcut that visits only the page's products returns
// the same page as visiting all products.
func TestListingOfThePageAlone(t *testing.T) {
	s := New(Options{Agreements: 1, Products: 23, AppToken: "app", Bucket: 1 << 60, MaxURL: 4000})
	defer s.Close()
	handler := s.Handler()
	page := func(n int) string {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/products?pagesize=10&skippages=%d", n), nil)
		r.Header.Set("X-AppSecretToken", "app")
		r.Header.Set("X-AgreementGrantToken", "sandbox-grant-1")
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		return rec.Body.String()
	}
	a := s.list()[0]
	for _, truncate := range []float64{0, 0.4, 1} {
		if err := a.own.merge(fmt.Appendf(nil, `{"truncate":%g}`, truncate), s.faults.get()); err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			a.deleted = false
			alone := page(n)
			a.deleted = true
			if all := page(n); alone != all {
				t.Errorf("page %d, truncated by %.1f:\n%s\nexpected\n%s", n, truncate, alone, all)
			}
		}
	}
}

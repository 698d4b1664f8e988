package reconcile_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lagerd/economic"
	"lagerd/reconcile"
	economicsource "lagerd/source/economic"
)

// TestAssessPage: figures that cannot be understood are not the same as none being sent.
func TestAssessPage(t *testing.T) {
	t.Parallel()
	for items, want := range map[string]string{
		`{"productNumber":"a","inventory":{"inStock":5}},{"productNumber":"b","inventory":{"inStock":"5"}}`: "",
		`{"productNumber":"a"}`: "",
		`{"productNumber":"a"},{"productNumber":"b","inventory":{"inStock":"5"}}`: `no stock figure on the first page can be read: inventory.inStock: expected a number, got string "5"`,
		`{"productNumber":7}`: `no stock figure on the first page can be read: products.collection[0].productNumber: expected a string, got number 7`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"collection":[%s],"pagination":{"results":%d}}`, items, strings.Count(items, "productNumber"))
		}))
		defer server.Close()
		client, err := economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = reconcile.AssessPage(t.Context(), economicsource.Account{Client: client, Agreement: client.Agreement("grant", nil)}.Stock(""))
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s:\n got %s\nwant %s", items, got, want)
		}
	}
}

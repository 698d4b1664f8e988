package status_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/status"
	"lagerd/store"
)

// incident is what was noticed of a shop's webhooks some time ago.
func incident(shop string, t status.WebhookType, since time.Duration) store.Incident {
	return store.Incident{IncidentKey: store.IncidentKey{Audience: store.AudienceOperator, Shop: shop, What: t.Incident()}, SeenAt: ago(since).Time}
}

// TestWebhookNeeds: what was noticed of a shop's webhooks needs a person, once, whoever is told of it; not
// of a shop that is paused, or does not have or keep them.
func TestWebhookNeeds(t *testing.T) {
	t.Parallel()
	toOwner := incident("both", status.WebhookStock, 2*time.Hour)
	toOwner.Audience = store.AudienceOwner
	l := looking(at("both"), at("invoices"), at("well"), at("paused", func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }),
		at("off", func(st *store.ShopStatus) { st.Shop.StockOn = false }), at("rackbeat", inRackbeat))
	l.Incidents = []store.Incident{incident("both", status.WebhookStock, time.Hour), toOwner, incident("both", status.WebhookInvoice, time.Hour), incident("invoices", status.WebhookInvoice, time.Hour),
		incident("paused", status.WebhookStock, time.Hour), incident("off", status.WebhookStock, time.Hour), incident("rackbeat", status.WebhookStock, time.Hour), incident("rackbeat", status.WebhookRackbeat, time.Hour), incident("removed", status.WebhookStock, time.Hour)}
	var got []string
	for _, n := range l.Overview().Needs {
		got = append(got, fmt.Sprintf("%s %s %s %s", n.Shop, n.Reason, noon.Sub(*n.Since), strings.Fields(n.Detail)[3]))
		if !strings.Contains(n.Do, "`lagerd webhooks "+n.Shop+"`") {
			t.Errorf("to do: %s", n.Do)
		}
	}
	slices.Sort(got)
	want := []string{"both webhooks 1h0m0s orderPdf", "both webhooks 2h0m0s stockUpdate", "invoices webhooks 1h0m0s orderPdf", "rackbeat webhooks 1h0m0s rackbeatStock"}
	if !slices.Equal(got, want) {
		t.Errorf("needs: %q\nexpected: %q", got, want)
	}
}

package status_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/test/lagerdtest"
)

// TestChangedTimes: freshness ends with the commit, and the read lag with the read.
func TestChangedTimes(t *testing.T) {
	t.Parallel()
	m := status.NewMetrics("test")
	hinted := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	change := plan.Change{Kind: plan.KindStock, Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, HintedAt: hinted, ObservedAt: hinted.Add(2 * time.Second), Lagged: true}
	m.Changed("shop1234", []plan.Change{change, {Kind: plan.KindStock, Cause: plan.CauseTick}}, hinted.Add(5*time.Second))
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for name, want := range map[string]float64{
		"lagerd_freshness_seconds_sum": 5, "lagerd_freshness_seconds_count": 1, "lagerd_read_lag_seconds_sum": 2, "lagerd_read_lag_seconds_count": 1,
	} {
		if got := lagerdtest.Metric(answer.Body.String(), name); got != want {
			t.Errorf("%s is %v, expected %v", name, got, want)
		}
	}
}

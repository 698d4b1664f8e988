package webhook_test

import (
	"slices"
	"testing"

	"lagerd/webhook"
)

// TestToDo: there is advice for every outcome that the shop's owner or operator can fix.
func TestToDo(t *testing.T) {
	t.Parallel()
	nothing := []string{webhook.OutcomeRecorded, webhook.OutcomeEverything, webhook.OutcomeTried, webhook.OutcomeFromBrowser, webhook.OutcomeBadBody, webhook.OutcomeTooLarge, webhook.OutcomeBadMethod, webhook.OutcomeNotFound,
		webhook.OutcomeUnavailable, webhook.OutcomeFull, webhook.OutcomeGone, webhook.OutcomePanic}
	for _, outcome := range webhook.Outcomes() {
		if text := webhook.ToDo(outcome); (text == "") != slices.Contains(nothing, outcome) {
			t.Errorf("%s: %q", outcome, text)
		}
	}
}

package status

import (
	"fmt"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Incident returns what an incident of these webhooks is stored as.
func (t WebhookType) Incident() string {
	return fmt.Sprintf("%s: %s: %s", plan.ScopeShop, NeedWebhooks, t)
}

// WebhookIncidents returns what the incidents of all types of webhooks are stored as.
func WebhookIncidents() []string {
	return []string{WebhookStock.Incident(), WebhookInvoice.Incident(), WebhookRackbeat.Incident()}
}

// unwell returns since when the webhooks of which shops do not arrive as they should, by what their
// incidents are stored as. What the operator and an owner are told of is one.
func (l Look) unwell() map[string]map[string]time.Time {
	of := map[string]map[string]time.Time{}
	for _, i := range l.Incidents {
		if of[i.Shop] == nil {
			of[i.Shop] = map[string]time.Time{}
		}
		if since, is := of[i.Shop][i.What]; !is || i.SeenAt.Before(since) {
			of[i.Shop][i.What] = i.SeenAt
		}
	}
	return of
}

// webhookNeeds returns which of a shop's webhooks do not arrive as they should. unwell says since when.
func webhookNeeds(s store.Shop, unwell map[string]time.Time) []Need {
	if len(unwell) == 0 || s.Paused() {
		return nil
	}
	var list []Need
	for _, t := range WebhookTypes(s) {
		since, is := unwell[t.Incident()]
		if !is || !t.ExpectedBy(s) {
			continue
		}
		list = append(list, needOf(s.Shop, "", plan.ScopeShop, NeedWebhooks, since, fmt.Sprintf("webhooks of type %s do not arrive as they should; nothing is lost, only later", t), func(shop, _ string) string {
			return fmt.Sprintf("`lagerd webhooks %s` says what is wrong with them, and what to do", shop)
		}))
	}
	return list
}

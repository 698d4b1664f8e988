package notify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/notify"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestOwnersText is read by somebody who knows neither lagerd nor its words.
func TestOwnersText(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 7, 1, 21, 30, 0, 0, time.UTC)
	c := notify.Content{
		Audience: store.AudienceOwner, Shop: "shop1234", At: noon,
		Began: []notify.Event{
			{Reason: "token_refused", Scope: plan.ScopeShop, Count: 1, Since: &since, Link: "https://example.com/grant?a=1&b=2"},
			{Reason: status.NeedUnread, Scope: plan.ScopeStock, Count: 1, Since: &since, Number: "A-17", Numbers: 3},
		},
		Over: []notify.Event{{Reason: status.NeedWebhooks, Scope: plan.ScopeShop, Webhooks: status.WebhookStock, Count: 1}},
	}
	const danish = `shop1234: e-conomic afviser adgangen, og 2 ting til

shop1234: e-conomic afviser adgangen
  Siden: 1. juli 2026 kl. 23.30
  Lager og fakturaer i webshoppen bliver ikke opdateret. Alt bliver
    hentet, når adgangen er der igen.
  Gør dette: Giv adgang igen som superbruger i e-conomic, og send det token,
             som e-conomic viser, til din webudbyder på en sikker måde, ikke
             i en almindelig mail.
  https://example.com/grant?a=1&b=2

shop1234: varer kan ikke læses (A-17 og 2 til)
  Siden: 1. juli 2026 kl. 23.30
  Lageret af disse varer bliver ikke opdateret. Alle andre bliver.
  Gør dette: Åbn varen, se efter noget usædvanligt i varenummer og felter,
             og gem den igen. Hjælper det ikke, så spørg din webudbyder.

Dette er overstået, og du skal ikke gøre mere:

  shop1234: webhooks om lager

-- 
Sådan så det ud den 30. november 2026 kl. 13.00 (dansk tid).
Mailen er sendt automatisk af det program, som holder din webshop opdateret.
Besked id1: en med samme nummer siger det samme.
`
	text := notify.TextOf(c, "id1", lang.Danish)
	if got := text.Subject + "\n\n" + text.Body; got != danish {
		t.Errorf("got:\n%s\nexpected:\n%s", got, danish)
	}
	text = notify.TextOf(c, "id1", lang.English)
	for _, want := range []string{"shop1234: e-conomic refuses access, and 2 more", "Since: 1 July 2026 23:30", "What to do: Grant access again", "items cannot be read (A-17 and 2 more)", "This is over", "As of 30 November 2026 13:00 (Danish time)"} {
		if !strings.Contains(text.Subject+"\n"+text.Body, want) {
			t.Errorf("no %q in:\n%s\n%s", want, text.Subject, text.Body)
		}
	}
}

// TestOwnersTextHasThePage: a mail to an owner has a link to the shop's page, if there is one, and says
// how long it is good.
func TestOwnersTextHasThePage(t *testing.T) {
	t.Parallel()
	c := notify.Content{Audience: store.AudienceOwner, Shop: "shop1234", At: noon, Test: true, Page: notify.Page{URL: "https://lager.example.dk/link/x.y", Expires: noon.Add(7 * 24 * time.Hour)}}
	for l, want := range map[lang.Lang]string{
		lang.Danish:  "sætter webhooks op:\n  https://lager.example.dk/link/x.y\nLinket gælder til 7. december 2026 kl. 13.00. Giv det ikke videre",
		lang.English: "to set up webhooks:\n  https://lager.example.dk/link/x.y\nThe link is good until 7 December 2026 13:00. Pass it on to nobody",
	} {
		if text := notify.TextOf(c, "id1", l); !strings.Contains(text.Body, want) {
			t.Errorf("no %q in:\n%s", want, text.Body)
		}
	}
	if stored, err := json.Marshal(c); err != nil || strings.Contains(string(stored), "/link/") {
		t.Errorf("stored is %s, %v", stored, err)
	}
}

// TestEveryReasonHasWords: for the operator, and for owners of those that they are told of.
func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	for _, reason := range status.NeedReasons() {
		if reason == status.NeedNoLagerd || reason == status.NeedReadOnly { // then nobody can tell it
			continue
		}
		c := notify.Content{Audience: store.AudienceOperator, At: noon, Began: []notify.Event{{Reason: reason, Scope: plan.ScopeShop, Count: 2, Shops: []string{"a", "b"}, Detail: "why\x1b[2J", Do: "do it"}}}
		text := notify.TextOf(c, "id1", lang.English)
		if strings.Contains(text.Subject, "_") || strings.Contains(text.Body, "\x1b") || !strings.Contains(text.Body, "to do: do it") || !strings.Contains(text.Body, "a, b\n") {
			t.Errorf("%s: %s\n%s", reason, text.Subject, text.Body)
		}
	}
	names := map[string]bool{}
	for _, e := range []notify.Event{
		{Reason: "token_refused", Scope: plan.ScopeShop}, {Reason: "token_refused", Scope: plan.ScopeStock}, {Reason: "forbidden", Scope: plan.ScopeInvoices}, {Reason: "no_inventory", Scope: plan.ScopeStock},
		{Reason: "losses", Scope: plan.ScopeStock}, {Reason: "unread", Scope: plan.ScopeStock}, {Reason: "unread", Scope: plan.ScopeInvoices},
		{Reason: status.NeedWebhooks, Webhooks: status.WebhookStock, State: status.WebhooksStopped}, {Reason: status.NeedWebhooks, Webhooks: status.WebhookInvoice, State: status.WebhooksWrongCode},
	} {
		names[notify.TextOf(notify.Content{Audience: store.AudienceOwner, Shop: "s", At: noon, Began: []notify.Event{e}}, "id1", lang.Danish).Subject] = true
	}
	if len(names) != 9 {
		t.Errorf("two reasons read alike: %v", names)
	}
}

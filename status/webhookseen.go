package status

import (
	"net/url"
	"strings"
	"time"

	"lagerd/economic/webhooksapi"
	"lagerd/lang"
)

// SeenState is what e-conomic's webhooks API shows of a shop's webhook.
type SeenState string

// What is seen of a webhook. The API shows what this app has made: that something is not seen does
// not mean that it is missing.
const (
	SeenOn         SeenState = "on"            // it calls this lagerd, and is on
	SeenOff        SeenState = "off"           // it calls this lagerd, and is switched off
	SeenOtherShop  SeenState = "other_shop"    // it calls this lagerd for another shop, or with another type
	SeenElsewhere  SeenState = "elsewhere"     // it calls another address: somebody else's
	SeenNotVisible SeenState = "not_visible"   // this app has made none
	SeenNoEvent    SeenState = "no_event_type" // the API knows no such webhooks
	SeenNotAsked   SeenState = "not_asked"     // the API was not asked, or did not answer
)

// WebhookSeen is what e-conomic's webhooks API shows of a shop's webhook of a type, in JSON.
type WebhookSeen struct {
	State     SeenState  `json:"state"`
	EventType string     `json:"event_type,omitempty"` // e-conomic's name
	OffSince  *time.Time `json:"off_since,omitempty"`  // when e-conomic switched it off, if it is
	Host      string     `json:"host,omitempty"`       // that it calls, if that is elsewhere
	Reason    string     `json:"reason,omitempty"`     // why the API was not asked, or what it answered
	Says      string     `json:"says"`                 // in the language asked for
}

// NotAsked returns what is seen without an answer of the API.
func NotAsked(reason string, l lang.Lang) WebhookSeen {
	return seenIn(l, WebhookSeen{State: SeenNotAsked, Reason: reason})
}

// EventTypeOf returns e-conomic's event type for a type of webhooks; ok is false if there is none.
// That of invoices is documented, that of stock is not: it is the only one about the inventory.
func EventTypeOf(t WebhookType, list []webhooksapi.EventType) (e webhooksapi.EventType, ok bool) {
	for _, each := range list {
		switch {
		case t == WebhookInvoice && each.Name == "INVOICE_BOOKED":
			return each, true
		case t != WebhookStock || !strings.Contains(each.Name, "INVENTORY"):
		case ok: // two: which is meant is not known
			return webhooksapi.EventType{}, false
		default:
			e, ok = each, true
		}
	}
	return e, ok
}

// MergeField returns the merge field of an event type that stands for the number; ok is false if it
// cannot be told which one does.
func (t WebhookType) MergeField(e webhooksapi.EventType) (field string, ok bool) {
	usual := t.usualField()
	for _, each := range e.MergeFields {
		if strings.EqualFold(each, usual) {
			return each, true
		}
	}
	if len(e.MergeFields) == 1 {
		return e.MergeFields[0], true
	}
	return "", false
}

// usualField returns the merge field that people enter.
func (t WebhookType) usualField() string {
	if t == WebhookInvoice {
		return "[INVOICENO]"
	}
	return "[NUMBER]"
}

// Seeing is what webhooks at e-conomic are compared with.
type Seeing struct {
	Shop   string
	Public *url.URL // the address that e-conomic is to call
	Types  []webhooksapi.EventType
	Hooks  []webhooksapi.Webhook // those that this app has made
}

// Of returns what is seen of the webhook of a type, and the webhook itself, if there is one.
func (s Seeing) Of(t WebhookType, l lang.Lang) (WebhookSeen, webhooksapi.Webhook) {
	e, ok := EventTypeOf(t, s.Types)
	if !ok {
		return seenIn(l, WebhookSeen{State: SeenNoEvent}), webhooksapi.Webhook{}
	}
	for _, h := range s.Hooks {
		if h.EventType == e.Name {
			return seenIn(l, s.judge(t, h)), h
		}
	}
	return seenIn(l, WebhookSeen{State: SeenNotVisible, EventType: e.Name}), webhooksapi.Webhook{}
}

// judge returns what is seen of a webhook.
func (s Seeing) judge(t WebhookType, h webhooksapi.Webhook) WebhookSeen {
	seen := WebhookSeen{EventType: h.EventType}
	u, err := url.Parse(h.URL.Reveal())
	if err != nil || u.Host == "" {
		seen.State, seen.Host = SeenElsewhere, "an address that cannot be read"
		return seen
	}
	// As the endpoint does: what is sent comes before the address, names are in any case, and & may
	// be as HTML has it.
	said := func(name string) string {
		for _, text := range []string{h.PostData.Reveal(), u.RawQuery} {
			values, _ := url.ParseQuery(strings.ReplaceAll(strings.TrimLeft(text, "?&"), "&amp;", "&"))
			for key, list := range values {
				if strings.EqualFold(key, name) && list[0] != "" {
					return list[0]
				}
			}
		}
		return ""
	}
	switch {
	case Origin(u) != Origin(s.Public) || u.EscapedPath() != s.Public.EscapedPath():
		seen.State, seen.Host = SeenElsewhere, u.Hostname()
	case said("username") != s.Shop || !strings.EqualFold(said("type"), string(t)):
		seen.State = SeenOtherShop
	case h.Disabled:
		seen.State, seen.OffSince = SeenOff, when(h.LastDisabled)
	default:
		seen.State = SeenOn
	}
	return seen
}

// Origin returns a URL's scheme, host and port, in one form.
func Origin(u *url.URL) string {
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	for of, port := range map[string]string{"http": ":80", "https": ":443"} {
		if scheme == of {
			host = strings.TrimSuffix(host, port)
		}
	}
	return scheme + "://" + host
}

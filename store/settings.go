package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
)

// SettingChange is a setting of a shop that a command has changed.
type SettingChange struct {
	Name     string // of the flag of `lagerd shops set` that sets it
	From, To string // "": none
	Secret   bool   // From and To are never told, and ""
}

// String formats the change as in an action's detail: "figure: in_stock → available".
func (c SettingChange) String() string {
	if c.Secret {
		return c.Name + ": " + SecretChanged
	}
	return fmt.Sprintf("%s: %s → %s", c.Name, orDash(c.From), orDash(c.To))
}

// ChangedSettings returns what differs between a shop's settings before and after a command, in
// the order in which `lagerd shops show` shows them. To pause or resume a shop changes no setting.
func ChangedSettings(before, after Shop) (list []SettingChange) {
	differs := func(name, from, to string) {
		if from != to {
			list = append(list, SettingChange{Name: name, From: from, To: to})
		}
	}
	secret := func(name string, from, to []byte) {
		if !bytes.Equal(from, to) {
			list = append(list, SettingChange{Name: name, Secret: true})
		}
	}
	secret("grant-token", before.GrantToken, after.GrantToken)
	differs("stock", onOff(before.StockOn), onOff(after.StockOn))
	differs("figure", string(before.StockFigure), string(after.StockFigure))
	differs("stock-source", string(before.StockSource), string(after.StockSource))
	secret("rackbeat-key", before.RackbeatKey, after.RackbeatKey)
	differs("places", before.Places, after.Places)
	const tokens = "rackbeat-webhook-token"
	if were, are := before.webhookTokens(), after.webhookTokens(); were != are {
		differs(tokens, were, are)
	} else {
		secret(tokens, before.RackbeatTokenHash, after.RackbeatTokenHash)
	}
	differs("invoices", onOff(before.InvoicesOn), onOff(after.InvoicesOn))
	differs("invoices-from", before.invoicesStart(), after.invoicesStart())
	differs("order-field", string(before.OrderField), string(after.OrderField))
	differs("order-pattern", before.OrderPattern, after.OrderPattern)
	differs("lang", string(before.Lang), string(after.Lang))
	differs("email", before.Email, after.Email)
	const hook = "notify-url"
	if before.NotifyOrigin != after.NotifyOrigin {
		differs(hook, before.NotifyOrigin, after.NotifyOrigin)
	} else {
		secret(hook, before.NotifyHook, after.NotifyHook)
	}
	differs("webhook-setup", onOff(before.WebhookSetup), onOff(after.WebhookSetup))
	return list
}

// invoicesStart is the date or the number from which invoices are fetched.
func (s Shop) invoicesStart() string {
	if s.InvoicesFrom != "" {
		return s.InvoicesFrom
	}
	return "number " + strconv.FormatInt(s.InvoicesFromNumber, 10)
}

// webhookTokens is how many tokens Rackbeat's webhooks may carry, "" if none is expected.
func (s Shop) webhookTokens() string {
	if n := len(s.RackbeatTokenHash) / sha256.Size; n > 0 {
		return strconv.Itoa(n)
	}
	return ""
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

package cli

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"

	"lagerd/store"
	"lagerd/terminal"
)

// changedSetting is a setting of a shop that a command has changed.
type changedSetting struct{ name, from, to string } // from "": a secret, which is never shown

// storedAnew stands for a secret.
const storedAnew = "stored anew"

// changedSettings returns what differs between a shop's settings before and after a command, in
// the order in which `shops show` shows them.
func changedSettings(before, after store.Shop) (list []changedSetting) {
	differs := func(name, from, to string) {
		if from != to {
			list = append(list, changedSetting{name, orNone(from), orNone(to)})
		}
	}
	secret := func(name string, from, to []byte) {
		if !bytes.Equal(from, to) {
			list = append(list, changedSetting{name: name, to: storedAnew})
		}
	}
	secret("grant token", before.GrantToken, after.GrantToken)
	differs("stock", onOrOff(before.StockOn), onOrOff(after.StockOn))
	differs("figure", string(before.StockFigure), string(after.StockFigure))
	differs("stock source", string(before.StockSource), string(after.StockSource))
	differs("places", before.Places, after.Places)
	secret("Rackbeat key", before.RackbeatKey, after.RackbeatKey)
	if were, are := len(before.RackbeatTokenHash)/sha256.Size, len(after.RackbeatTokenHash)/sha256.Size; were != are {
		differs("tokens of Rackbeat's webhooks", countOrNone(were), countOrNone(are))
	} else {
		secret("tokens of Rackbeat's webhooks", before.RackbeatTokenHash, after.RackbeatTokenHash)
	}
	differs("invoices", onOrOff(before.InvoicesOn), onOrOff(after.InvoicesOn))
	differs("invoices from", firstInvoice(before), firstInvoice(after))
	differs("order field", string(before.OrderField), string(after.OrderField))
	differs("order pattern", before.OrderPattern, after.OrderPattern)
	differs("language", string(before.Lang), string(after.Lang))
	differs("webhook set-up", allowedOrNot(before.WebhookSetup), allowedOrNot(after.WebhookSetup))
	differs("paused since", shownOrNone(before.PausedAt), shownOrNone(after.PausedAt))
	differs("pause reason", before.PauseReason, after.PauseReason)
	return list
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func onOrOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func allowedOrNot(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "not allowed"
}

func countOrNone(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func shownOrNone(t store.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeShown) + " UTC"
}

func firstInvoice(s store.Shop) string {
	if s.InvoicesFrom != "" {
		return s.InvoicesFrom
	}
	return fmt.Sprintf("number %d", s.InvoicesFromNumber)
}

// tellChanged tells which of a shop's settings a command has changed, or that it changed none.
func tellChanged(w io.Writer, shop string, list []changedSetting) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "%s has these settings already: nothing was changed.\n", shop)
		return err
	}
	fmt.Fprintf(w, "%s is changed:\n", shop)
	for _, c := range list {
		text := c.to
		if c.from != "" {
			text = c.from + " → " + c.to
		}
		if _, err := fmt.Fprintf(w, "  %s: %s\n", c.name, terminal.Escape(text)); err != nil {
			return err
		}
	}
	return nil
}

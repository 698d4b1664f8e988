package act

import (
	"fmt"

	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Instructions are what a shop's owner enters where the shop's stock and invoices are kept.
type Instructions struct {
	Webhooks []Entry     // at e-conomic (e-conomic.com/developer/working-with-web-hooks)
	Rackbeat *AtRackbeat // nil: stock is kept in e-conomic
	Access   string      // where the agreement's super-user grants access; "": not known
}

// Entry is a webhook that is entered at e-conomic.
type Entry struct {
	Type       status.WebhookType
	Kind, Name lang.Text // its type as e-conomic calls it, and what it is to be called
	URL, Data  string
	Try        string // an address to test it with, in which a word stands for the number
}

// AtRackbeat are the webhooks that are entered at Rackbeat: one for each event, all with a URL.
type AtRackbeat struct {
	Events []string
	URL    string
}

// InstructionsOf returns what the owner of a shop enters, with the shop's code or, if that is "",
// webhook.CodePlaceholder in its place. Addresses are for readers of the language.
func InstructionsOf(cfg config.Config, shop store.Shop, code string, l lang.Lang) Instructions {
	if code == "" {
		code = webhook.CodePlaceholder
	}
	url := WebhookURL(cfg) + "?"
	data := func(t status.WebhookType) string {
		return fmt.Sprintf("type=%s&username=%s&password=%s", t, shop.Shop, code)
	}
	invoices := Entry{Type: status.WebhookInvoice, Kind: lang.Text{Danish: "Faktura bogført", English: "Invoice booked"}, Name: lang.Text{Danish: "Automatisk PDF-faktura", English: "Automatic invoice PDF"},
		URL: url, Data: data(status.WebhookInvoice) + "&number=[INVOICENO]", Try: url + data(status.WebhookInvoice) + "&number=" + webhook.InvoicePlaceholder.In(l)}
	i := Instructions{Webhooks: []Entry{invoices}, Access: AccessURL(cfg, l)}
	if shop.StockSource == store.SourceRackbeat {
		i.Rackbeat = &AtRackbeat{rackbeatEvents(shop), url + data(status.WebhookRackbeat)}
		return i
	}
	i.Webhooks = []Entry{{Type: status.WebhookStock, Kind: lang.Text{Danish: "Varelager opdateret", English: "Inventory updated"}, Name: lang.Text{Danish: "Automatisk lageropdatering", English: "Automatic stock update"},
		URL: url, Data: data(status.WebhookStock) + "&number=[NUMBER]", Try: url + data(status.WebhookStock) + "&number=" + webhook.ItemPlaceholder.In(l)}, invoices}
	return i
}

// rackbeatEvents returns the events of the webhooks at Rackbeat. A new order changes what is
// available, and not what is in stock.
func rackbeatEvents(shop store.Shop) []string {
	events := []string{"inventory.changed", "product.created", "product.updated"}
	if shop.StockFigure == plan.FigureAvailable {
		events = append(events, "order.created")
	}
	return events
}

package status

import (
	"encoding/json"
	"io"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

// WriteJSON writes a value as one indented JSON document.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Settings are a shop's settings, and their JSON in `lagerd shops list --json`. None is a secret.
type Settings struct {
	Shop               string          `json:"shop"`
	Stock              bool            `json:"stock"` // it is kept
	StockFigure        plan.Figure     `json:"stock_figure"`
	StockSource        string          `json:"stock_source"` // economic, rackbeat
	Places             string          `json:"places,omitempty"`
	Invoices           bool            `json:"invoices"` // they are kept
	InvoicesFrom       string          `json:"invoices_from,omitempty"`
	InvoicesFromNumber int64           `json:"invoices_from_number,omitempty"`
	OrderField         plan.OrderField `json:"order_field"`
	OrderPattern       string          `json:"order_pattern,omitempty"`
	Lang               lang.Lang       `json:"lang"`            // of what its owner is sent: da, en
	Email              string          `json:"email,omitempty"` // of its owner; absent: the owner is told nothing by mail
	WebhookSetup       bool            `json:"webhook_setup"`   // lagerd may set up its webhooks at e-conomic
	PausedAt           *time.Time      `json:"paused_at"`       // null: it is not paused
	PauseReason        string          `json:"pause_reason,omitempty"`
	AddedAt            *time.Time      `json:"added_at"`
}

// SettingsOf converts a shop's settings to their JSON form.
func SettingsOf(s store.Shop) Settings {
	return Settings{
		Shop: s.Shop, Stock: s.StockOn, StockFigure: s.StockFigure, StockSource: string(s.StockSource), Places: s.Places,
		Invoices: s.InvoicesOn, InvoicesFrom: s.InvoicesFrom, InvoicesFromNumber: s.InvoicesFromNumber, OrderField: s.OrderField, OrderPattern: s.OrderPattern,
		Lang: s.Lang, Email: s.Email, WebhookSetup: s.WebhookSetup, PausedAt: when(s.PausedAt.Time), PauseReason: s.PauseReason, AddedAt: when(s.CreatedAt.Time),
	}
}

// Shown is the JSON of `lagerd shops show`.
type Shown struct {
	Settings   Settings `json:"settings"`
	Status     Shop     `json:"status"`
	WebhookURL string   `json:"webhook_url"`
	Codes      []Code   `json:"codes"` // oldest first
	Calls      []Call   `json:"calls"` // latest first
}

// Code is when one of a shop's codes was made and last used. The code itself is not known.
type Code struct {
	Code   CodeType   `json:"code"`           // what it is
	Kind   plan.Kind  `json:"kind,omitempty"` // of a header code: what its webhook names, stock or invoice
	MadeAt *time.Time `json:"made_at"`
	UsedAt *time.Time `json:"used_at"` // null: never
}

// CodeType says where webhooks carry a code.
type CodeType string

// The types of codes.
const (
	CodeIntegration CodeType = "integration" // in the address, as the owner pasted it
	CodeHeader      CodeType = "header"      // of a webhook that lagerd has set up
)

func codeOf(c store.ShopCode) Code {
	code := Code{Code: CodeIntegration, Kind: c.Kind, MadeAt: when(c.CreatedAt.Time), UsedAt: when(c.UsedAt.Time)}
	if c.InHeader() {
		code.Code = CodeHeader
	}
	return code
}

// Call is a call of a shop's webhook.
type Call struct {
	CalledAt *time.Time `json:"called_at"`
	Remote   string     `json:"remote"` // address
	Method   string     `json:"method"`
	Kind     plan.Kind  `json:"kind"`
	Number   string     `json:"number"`
	Status   int        `json:"status"`
	Outcome  string     `json:"outcome"`
}

// ShownOf converts what `lagerd shops show` shows to its JSON form.
func ShownOf(s store.Shop, v Shop, webhookURL string, codes []store.ShopCode, calls []store.WebhookCall) Shown {
	shown := Shown{Settings: SettingsOf(s), Status: v, WebhookURL: webhookURL, Codes: []Code{}, Calls: []Call{}}
	for _, c := range codes {
		shown.Codes = append(shown.Codes, codeOf(c))
	}
	for _, c := range calls {
		shown.Calls = append(shown.Calls, Call{CalledAt: when(c.CalledAt.Time), Remote: c.Remote, Method: c.Method, Kind: c.Kind, Number: c.Number, Status: c.Status, Outcome: c.Outcome})
	}
	return shown
}

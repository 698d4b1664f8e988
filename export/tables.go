package export

import (
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// Shown is what all items of a shop share in the views.
type Shown struct {
	Shop        string
	Since       time.Time // when they changed over from another agreement's or account's; zero: they did not
	ConfirmedAt time.Time // when the shop's last successful tick was recorded; zero: none was
	Places      []string  // the chosen places, by number; none: an item's own figure
}

// Items returns the columns of a shop's items: those of the view shop_stock, and what is in each
// of the chosen places.
func Items(of Shown) Table[plan.Row] {
	t := Table[plan.Row]{
		{"shop", func(plan.Row) Cell { return Text(of.Shop) }},
		{"item_number", func(r plan.Row) Cell { return Text(r.Number) }},
		{"name", func(r plan.Row) Cell { return Text(r.Name) }},
		{"stock", func(r plan.Row) Cell { return Figure(r.Stock) }},
		{"state", func(r plan.Row) Cell { return Text(string(r.State)) }},
		{"barred", func(r plan.Row) Cell { return Flag(r.Barred) }},
		{"in_stock", func(r plan.Row) Cell { return Figure(r.Figures.InStock) }},
		{"available", func(r plan.Row) Cell { return Figure(r.Figures.Available) }},
		{"ordered_by_customers", func(r plan.Row) Cell { return Figure(r.Figures.OrderedByCustomers) }},
		{"ordered_from_suppliers", func(r plan.Row) Cell { return Figure(r.Figures.OrderedFromSuppliers) }},
		{"bar_code", func(r plan.Row) Cell { return Text(r.BarCode) }},
		{"renumbered_to", func(r plan.Row) Cell { return Text(r.RenumberedTo) }},
		{"changed_at", func(r plan.Row) Cell { return Moment(later(r.ChangedAt, of.Since)) }},
		{"economic_updated_at", func(r plan.Row) Cell { return Moment(r.UpdatedAt) }},
		{"confirmed_at", func(plan.Row) Cell { return Moment(of.ConfirmedAt) }},
	}
	for _, place := range of.Places {
		t = append(t, Column[plan.Row]{"place_" + place, func(r plan.Row) Cell { return Figure(inPlace(r, place)) }})
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func inPlace(r plan.Row, place string) decimal.NullDecimal {
	for _, in := range r.Places {
		if in.Place == place {
			return decimal.NewNullDecimal(in.InStock)
		}
	}
	return decimal.NullDecimal{}
}

// Changes returns the columns of a shop's history.
func Changes() Table[store.Change] {
	return Table[store.Change]{
		{"shop", func(c store.Change) Cell { return Text(c.Shop) }},
		{"committed_at", func(c store.Change) Cell { return Moment(c.CommittedAt.Time) }},
		{"kind", func(c store.Change) Cell { return Text(string(c.Kind)) }},
		{"number", func(c store.Change) Cell { return Text(c.Number) }},
		{"what", func(c store.Change) Cell { return Text(string(c.What)) }},
		{"old_stock", func(c store.Change) Cell { return stored(c.OldStock) }},
		{"new_stock", func(c store.Change) Cell { return stored(c.NewStock) }},
		{"old_in_stock", func(c store.Change) Cell { return stored(c.OldInStock) }},
		{"new_in_stock", func(c store.Change) Cell { return stored(c.NewInStock) }},
		{"old_available", func(c store.Change) Cell { return stored(c.OldAvailable) }},
		{"new_available", func(c store.Change) Cell { return stored(c.NewAvailable) }},
		{"old_state", func(c store.Change) Cell { return Text(string(c.OldState)) }},
		{"new_state", func(c store.Change) Cell { return Text(string(c.NewState)) }},
		{"cause", func(c store.Change) Cell { return Text(string(c.Cause)) }},
		{"webhook", func(c store.Change) Cell { return Text(string(c.Webhook)) }},
		{"delay_seconds", func(c store.Change) Cell { return Figure(Delay(c)) }},
		{"economic_at", func(c store.Change) Cell { return Moment(c.EconomicAt.Time) }},
		{"hinted_at", func(c store.Change) Cell { return Moment(c.HintedAt.Time) }},
		{"observed_at", func(c store.Change) Cell { return Moment(c.ObservedAt.Time) }},
		{"source", func(c store.Change) Cell { return Text(string(c.Source)) }},
		{"renumbered_to", func(c store.Change) Cell { return Text(c.RenumberedTo) }},
	}
}

// stored is a figure as the history has it, with the zeros of its column.
func stored(number *string) Cell {
	if number == nil {
		return Cell{}
	}
	d, err := decimal.NewFromString(*number)
	if err != nil {
		return Text(*number)
	}
	return Figure(decimal.NewNullDecimal(d))
}

// Delay returns how many seconds a change took: from the webhook that led to it until it was
// stored, or, without one, from e-conomic's own time of the change, which may be up to a minute
// too early since it has whole minutes. It is absent if neither time is known.
func Delay(c store.Change) decimal.NullDecimal {
	from := c.HintedAt.Time
	if from.IsZero() {
		from = c.EconomicAt.Time
	}
	if from.IsZero() {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.New(c.CommittedAt.Sub(from).Microseconds(), -6))
}

// Invoices returns the columns of a shop's invoices: those of the view shop_invoices, without the
// PDF itself.
func Invoices(shop string) Table[store.Invoice] {
	return Table[store.Invoice]{
		{"shop", func(store.Invoice) Cell { return Text(shop) }},
		{"invoice_number", func(i store.Invoice) Cell { return Whole(i.Number) }},
		{"kind", func(i store.Invoice) Cell { return Text(i.Kind()) }},
		{"order_number", func(i store.Invoice) Cell { return Text(i.OrderNumber) }},
		{"invoice_date", func(i store.Invoice) Cell { return Day(string(i.InvoiceDate)) }},
		{"due_date", func(i store.Invoice) Cell { return Day(string(i.DueDate)) }},
		{"currency", func(i store.Invoice) Cell { return Text(i.Currency) }},
		{"net", func(i store.Invoice) Cell { return Figure(i.Net) }},
		{"vat", func(i store.Invoice) Cell { return Figure(i.VAT) }},
		{"gross", func(i store.Invoice) Cell { return Figure(i.Gross) }},
		{"rounding", func(i store.Invoice) Cell { return Figure(i.Rounding) }},
		{"net_base", func(i store.Invoice) Cell { return Figure(i.NetBase) }},
		{"gross_base", func(i store.Invoice) Cell { return Figure(i.GrossBase) }},
		{"customer_number", func(i store.Invoice) Cell { return Whole(i.CustomerNumber) }},
		{"recipient_name", func(i store.Invoice) Cell { return Text(i.RecipientName) }},
		{"pdf_state", func(i store.Invoice) Cell { return Text(i.PDFState) }},
		{"pdf_sha256", func(i store.Invoice) Cell { return Text(i.PDFSHA256) }},
		{"pdf_size", func(i store.Invoice) Cell { return Whole(int64(i.PDFSize)) }},
		{"pdf_stored_at", func(i store.Invoice) Cell { return Moment(i.PDFStoredAt.Time) }},
		{"found_at", func(i store.Invoice) Cell { return Moment(i.FoundAt.Time) }},
	}
}

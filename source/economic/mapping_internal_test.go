package economic

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

func valid(text string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(text))
}

var began = time.Date(2026, 11, 26, 12, 0, 1, 0, time.UTC)

// TestItemInFull: each field of an answer becomes the field of an item that it is, shortened to
// what can be stored.
func TestItemInFull(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	updated := time.Date(2026, 11, 26, 11, 58, 0, 0, time.UTC)
	in := economic.Product{Number: strings.Repeat("ø", source.LongestNumber), Name: strings.Repeat("n", source.LongestName), BarCode: strings.Repeat("b", source.LongestCode),
		Barred: true, InventoryEnabled: &yes, LastUpdated: updated,
		Inventory: &economic.Inventory{InStock: number("1.5"), Available: number("-2"), OrderedByCustomers: number("3"), OrderedFromSuppliers: number("4")}}
	want := plan.Observation{Found: true, Began: began, Item: plan.Item{Number: in.Number, Name: in.Name, BarCode: in.BarCode, Barred: true, InventoryEnabled: true, UpdatedAt: updated,
		Figures: plan.Figures{InStock: valid("1.5"), Available: valid("-2"), OrderedByCustomers: valid("3"), OrderedFromSuppliers: valid("4")}}}
	same := func(what string) {
		t.Helper()
		got, err := toObservation(&in, plan.FigureInStock, began)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	same("everything")
	in.Name, in.BarCode = in.Name+"n", in.BarCode+"b"
	want.Item.Name, want.Item.BarCode = plan.Clip(in.Name, source.LongestName), plan.Clip(in.BarCode, source.LongestCode)
	if want.Item.Name == in.Name || want.Item.BarCode == in.BarCode {
		t.Error("nothing is shortened")
	}
	same("too long")
	in.Barred, in.InventoryEnabled, in.Inventory, want.Item.Barred, want.Item.InventoryEnabled, want.Item.Figures = false, &no, nil, false, false, plan.Figures{}
	same("no stock is kept")
	in.InventoryEnabled = nil
	same("unknown whether stock is kept")
	in.Inventory = &economic.Inventory{InStock: number("0.12345"), Available: number("0.12345"), OrderedByCustomers: number("0.12345"), OrderedFromSuppliers: number("0.12345")}
	obs, err := toObservation(&in, "", began)
	if err != nil || obs.Unknown != plan.FieldsOfInventory || obs.Item.Figures != (plan.Figures{}) {
		t.Errorf("%+v, %v", obs, err)
	}
	for _, name := range []string{"inventory.inStock: ", "inventory.available: ", "inventory.orderedByCustomers: ", "inventory.orderedFromSuppliers: "} {
		if !strings.Contains(obs.Warning, name) {
			t.Errorf("%q says nothing about %s", obs.Warning, name)
		}
	}
	for _, wrong := range []string{"", strings.Repeat("ø", source.LongestNumber+1)} {
		if _, err := toObservation(&economic.Product{Number: wrong}, "", began); err == nil || !strings.Contains(err.Error(), "expected 1 to 64 characters") {
			t.Errorf("%q is an item's number: %v", wrong, err)
		}
	}
}

// TestInvoiceInFull: each field of an answer becomes the field of an invoice that it is.
func TestInvoiceInFull(t *testing.T) {
	t.Parallel()
	in := economic.Invoice{Number: 7, Date: "2026-11-20", DueDate: "2026-12-04", Currency: "DKK", ExchangeRate: number("99"), Net: number("1"), Gross: number("2"), VAT: number("3"),
		Rounding: number("4"), NetBase: number("5"), GrossBase: number("6"), Remainder: number("98"), CustomerNumber: 8, RecipientName: "name", Heading: "heading", TextLine1: "line 1",
		TextLine2: "line 2", OtherReference: "other", OrderNumber: 9, PDF: "link"}
	want := plan.Invoice{Number: 7, Date: "2026-11-20", DueDate: "2026-12-04", Currency: "DKK", Net: valid("1"), Gross: valid("2"), VAT: valid("3"), Rounding: valid("4"), NetBase: valid("5"),
		GrossBase: valid("6"), CustomerNumber: 8, RecipientName: "name", OtherReference: "other", Heading: "heading", TextLine1: "line 1", OrderNumber: 9, PDFLink: "link"}
	got, err := toInvoice(in, plan.OrderInHeading)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	// An error is about the required field, not the first one.
	in.Unsound = append(unsound("dueDate"), unsound("netAmount", "notes.heading")...)
	if got, err = toInvoice(in, plan.OrderInHeading); err == nil || err.Error() != "notes.heading: unsound" || got.Number != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	in.Net, in.Gross = nil, nil
	if got, err = toInvoice(in, plan.OrderInOtherReference); err == nil || err.Error() != "netAmount: unsound" || got.Number != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	in = economic.Invoice{Number: 7, Gross: number("0.12345"), Currency: "kroner og øre"}
	if got, err = toInvoice(in, ""); err == nil || !strings.HasPrefix(err.Error(), "grossAmount: ") {
		t.Errorf("%+v, %v", got, err)
	}
	in.Net = number("-1")
	if got, err = toInvoice(in, ""); err != nil || !got.IsCreditNote() || got.Currency != "" || !strings.Contains(got.Warning, `"kroner og øre"`) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestPages: a page keeps what is unreadable beside what is not, and everything about itself.
func TestPages(t *testing.T) {
	t.Parallel()
	bad := errors.New("bad")
	server := began.Add(-time.Second)
	items := toPage(economic.Page[economic.Product]{Items: []economic.Product{{Number: "a"}, {Number: ""}, {Number: "b"}}, Bad: []economic.BadItem{{Number: "x", Err: bad}},
		Results: 17, Next: "next", Began: began, ServerDate: server}, "")
	if len(items.Unreadable) != 2 || items.Unreadable[0] != (plan.Unreadable{Number: "x", Err: bad}) || items.Unreadable[1].Err == nil || len(items.Observed) != 2 ||
		items.Observed[1].Item.Number != "b" || !items.Observed[1].Began.Equal(began) || items.Announced != 17 || items.Next != "next" || !items.Began.Equal(began) || !items.ServerDate.Equal(server) {
		t.Errorf("%+v", items)
	}
	list := invoices{order: plan.OrderInHeading}.page(economic.Page[economic.Invoice]{Items: []economic.Invoice{{Number: 1}, {Number: 2, Unsound: unsound("notes.heading")}, {Number: 3}},
		Bad: []economic.BadItem{{Number: "9", Err: bad}}, Results: 18, Next: "more", Began: began, ServerDate: server})
	if len(list.Unreadable) != 2 || list.Unreadable[0] != (plan.Unreadable{Number: "9", Err: bad}) || list.Unreadable[1].Number != "2" || list.Unreadable[1].Err == nil || len(list.Observed) != 2 ||
		list.Observed[1].Number != 3 || list.Announced != 18 || list.Next != "more" || !list.Began.Equal(began) || !list.ServerDate.Equal(server) {
		t.Errorf("%+v", list)
	}
	if got := toPage(economic.Page[economic.Product]{}, ""); got.Unreadable != nil || got.Observed == nil {
		t.Errorf("an empty page: %+v", got)
	}
}

// TestItemsOn: an invoice's items are told once each, in order, without those that cannot be stored.
func TestItemsOn(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("ø", source.LongestNumber)
	got := itemsOn([]economic.Line{{ProductNumber: "b"}, {ProductNumber: longest}, {ProductNumber: "a"}, {}, {ProductNumber: "b"}, {ProductNumber: longest + "x"}})
	if diff := cmp.Diff([]string{"a", "b", longest}, got); diff != "" {
		t.Error(diff)
	}
}

// wire answers each request with the next of its answers, and keeps their paths.
type wire struct {
	answers []string // "": 404; "!": a broken connection
	paths   []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	path := r.URL.Path
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.Query().Encode()
	}
	w.paths = append(w.paths, path)
	answer, status := w.answers[0], http.StatusOK
	w.answers = w.answers[1:]
	switch answer {
	case "!":
		return nil, errors.New("broken")
	case "":
		body, _ := json.Marshal(map[string]any{"errorCode": "E00500", "httpStatusCode": 404, "message": "Not found."})
		answer, status = string(body), http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Date": {began.Format(http.TimeFormat)}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: r}, nil
}

// TestAbsent: a number that e-conomic does not know is an observation, an error is none.
func TestAbsent(t *testing.T) {
	t.Parallel()
	w := &wire{}
	client, err := economic.New(economic.Options{RESTURL: "https://e.test", AppSecretToken: "app", Transport: w, Now: func() time.Time { return began }})
	if err != nil {
		t.Fatal(err)
	}
	service := &Service{Client: client, PageSize: 3}
	ctx := t.Context()
	part := service.Budget("shop", 0, source.Made{}, nil)
	account := part.Account("token")
	ask := func(answers ...string) {
		w.answers, w.paths = answers, nil
	}
	stock, booked := account.Stock(plan.FigureInStock), account.Invoices("")

	ask("", "!")
	obs, err := stock.Item(ctx, source.PriorityHint, "a")
	if diff := cmp.Diff(plan.Observation{Item: plan.Item{Number: "a"}, Began: began}, obs); diff != "" || err != nil {
		t.Errorf("an unknown item: %v\n%s", err, diff)
	}
	if obs, err = stock.Item(ctx, source.PriorityHint, "a"); source.ClassOf(err) != plan.ClassInterrupted || obs.Item.Number != "" {
		t.Errorf("an item that is not read: %+v, %v", obs, err)
	}

	ask("", "!", `{"bookedInvoiceNumber":7,"date":"2026-11-20","currency":"DKK","netAmount":1,"grossAmount":2,"lines":[{"product":{"productNumber":"b"},"quantity":1},{"product":{"productNumber":"a"},"quantity":1}]}`)
	page, lines, err := booked.Invoice(ctx, source.PriorityHint, 7)
	if err != nil || len(page.Observed) != 0 || page.Announced != 0 || lines != nil || !page.Began.Equal(began) || !page.ServerDate.Equal(began) {
		t.Errorf("an unknown invoice: %+v, %v, %v", page, lines, err)
	}
	if page, lines, err = booked.Invoice(ctx, source.PriorityHint, 7); source.ClassOf(err) != plan.ClassInterrupted || len(page.Observed) != 0 || page.Announced != 0 || lines != nil {
		t.Errorf("an invoice that is not read: %+v, %v, %v", page, lines, err)
	}
	page, lines, err = booked.Invoice(ctx, source.PriorityHint, 7)
	if err != nil || len(page.Observed) != 1 || page.Observed[0].Number != 7 || page.Announced != 1 || strings.Join(lines, " ") != "a b" || !page.Began.Equal(began) {
		t.Errorf("an invoice: %+v, %v, %v", page, lines, err)
	}

	// Pages in order are of the configured size, the newest ones are not.
	const empty = `{"collection":[],"pagination":{"results":0}}`
	ask(empty, empty, empty)
	_, errList := booked.List(ctx, source.PriorityTick, source.InvoicesQuery{HasAfter: true, After: 6}, "")
	_, errNewest := booked.List(ctx, source.PriorityTick, source.InvoicesQuery{Descending: true}, "")
	_, errItems := stock.Items(ctx, source.PrioritySweep, source.ItemsQuery{}, "")
	if err := errors.Join(errList, errNewest, errItems); err != nil {
		t.Error(err)
	}
	want := []string{"/invoices/booked?filter=bookedInvoiceNumber%24gt%3A6&pagesize=3&sort=bookedInvoiceNumber", "/invoices/booked?pagesize=1000&sort=-bookedInvoiceNumber",
		"/products?pagesize=3&sort=productNumber"}
	if diff := cmp.Diff(want, w.paths); diff != "" {
		t.Error(diff)
	}
	if made := part.Made().Calls; made < 8 {
		t.Errorf("%d calls count", made)
	}
}

// TestLongNumber: an item number of an answer's size is shown in part, by the error and the log.
func TestLongNumber(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ø", 1<<20)
	page := toPage(economic.Page[economic.Product]{Items: []economic.Product{{Number: long, Name: long}}}, plan.FigureInStock)
	if len(page.Unreadable) != 1 || len(page.Observed) != 0 {
		t.Fatalf("read %d, and %d unreadable", len(page.Observed), len(page.Unreadable))
	}
	bad := page.Unreadable[0]
	if n := len([]rune(bad.Number)); n != source.LongestNumber+1 {
		t.Errorf("its number is shown as %d characters", n)
	}
	if text := bad.Err.Error(); len(text) > 300 || !strings.Contains(text, "expected 1 to 64 characters, got 1048576") {
		t.Errorf("%d bytes: %.200s", len(text), text)
	}
}

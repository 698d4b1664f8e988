package rackbeat

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/rest"
	"lagerd/secret"
)

// wholeAnswer is how errors call the whole of an answer. The paths of fields begin below it.
const wholeAnswer = "answer"

// listOf describes a listing.
type listOf[T any] struct {
	key   string // of the list
	entry func(r *rest.Reader) (T, error)
	named func(*T) (number string, unsound []Unsound) // nil: an entry has neither

	paged   bool // the answer must say how many pages there are
	counted bool // and how many entries
}

// usualEntry is the usual size of an entry in bytes. With it a page's slice seldom grows.
const usualEntry = 600

// decodePage reads a page of a listing. A page without its list is not an empty page, one of
// another number is not the page that was asked for, and one that says nothing of how many
// there are is not the last.
func decodePage[T any](got answer, number int, list listOf[T]) (Page[T], error) {
	page := Page[T]{Total: -1}
	var entries, total, pages, current rest.Value
	err := rest.Decode(wholeAnswer, got.Content, func(r *rest.Reader) rest.Value {
		entry := func() {
			at := len(page.Items) + len(page.Bad)
			if !r.AtMost(PageSize, list.key, at) {
				return
			}
			v, err := list.entry(r)
			if err != nil {
				page.Bad = append(page.Bad, BadItem{Err: rest.Under(fmt.Sprintf("%s[%d]", list.key, at), err)})
				return
			}
			if cap(page.Items) == 0 {
				page.Items = make([]T, 0, min(len(got.Body)/usualEntry+1, PageSize))
			}
			page.Items = append(page.Items, v)
		}
		return r.Object(func(name []byte) {
			switch string(name) {
			case list.key:
				page.Items, page.Bad = []T{}, nil
				entries = r.List(entry)
			case "total":
				total = r.Value()
			case "pages":
				pages = r.Value()
			case "page":
				current = r.Value()
			}
		})
	})
	if err != nil {
		return Page[T]{}, err
	}
	var f rest.Fields
	f.Required(list.key, "a list", entries)
	f.List(list.key, entries)
	if list.counted {
		f.Required("total", "a whole number", total)
	}
	if !rest.Absent(total) {
		page.Total = whole(&f, "total", total, 0)
	}
	page.pagesOf(&f, number, list.paged, pages)
	if is := whole(&f, "page", current, 0); !rest.Absent(current) && is != number {
		f.Fail("page", fmt.Sprintf("page %d", number), current)
	}
	if err := f.Err(); err != nil {
		return Page[T]{}, err
	}
	return page, nil
}

// pagesOf reads how many pages there are. A listing that need not say it has one page, unless
// that is full.
func (p *Page[T]) pagesOf(f *rest.Fields, number int, required bool, pages rest.Value) {
	entries := len(p.Items) + len(p.Bad)
	if required || entries == PageSize {
		f.Required("pages", "a whole number", pages)
	}
	p.Pages = whole(f, "pages", pages, 0)
	if p.Pages > number && entries == 0 {
		f.Fail("pages", "no page after an empty one", pages)
	}
}

// hide removes what holds a secret from a page.
func (l listOf[T]) hide(page *Page[T], secrets secret.Hidden) {
	quoted := rest.NewQuoted(secrets)
	for _, bad := range page.Bad {
		quoted.Hide(bad.Err)
	}
	if l.named == nil {
		return
	}
	kept := page.Items[:0]
	for i := range page.Items {
		number, unsound := l.named(&page.Items[i])
		for _, u := range unsound {
			quoted.Hide(u.Err)
		}
		if secrets.Found([]byte(number)) {
			// A number is stored, logged and shown: one that holds the key is none.
			page.Bad = append(page.Bad, BadItem{Err: &rest.FieldError{Path: l.key, Want: "a number", Got: "the key"}})
			continue
		}
		kept = append(kept, page.Items[i])
	}
	page.Items = kept
}

// whole reads a whole number no less than least, from a number or a numeric string; 0 if absent.
func whole(f *rest.Fields, path string, raw rest.Value, least int64) int {
	const most = 1 << 53
	var d decimal.Decimal
	if f.FigureOrTextIn(&d, path, raw) == nil {
		return 0
	}
	n := d.IntPart()
	if !d.Equal(decimal.NewFromInt(n)) || n < least || n > most {
		f.Fail(path, fmt.Sprintf("a whole number from %d", least), raw)
		return 0
	}
	return int(n)
}

// flag reads a boolean, nil if absent. PHP sends one from a database as 0 or 1 unless it is cast.
func flag(f *rest.Fields, path string, raw rest.Value) *bool {
	switch string(raw[:min(len(raw), 5)]) {
	case "true", "1", `"1"`:
		return new(true)
	case "false", "0", `"0"`:
		return new(false)
	}
	return f.Yes(path, raw)
}

// moment reads a time, zero if absent.
func moment(f *rest.Fields, path string, raw rest.Value) Time {
	text := f.Text(path, raw)
	if text == "" {
		return Time{}
	}
	_, unzoned := rest.ParseTime(text, time.DateTime)
	t, err := rest.ParseTime(text, time.DateTime, time.RFC3339, "2006-01-02T15:04:05Z0700")
	if err != nil || !rest.Keepable(t.UTC()) {
		f.Fail(path, "a time (YYYY-MM-DD HH:MM:SS or ISO 8601)", raw)
		return Time{}
	}
	return Time{At: t.UTC(), Zoned: unzoned != nil}
}

// rawItem is an item as sent, before its types are checked.
type rawItem struct {
	kind                                           rest.Value
	number, friendly, name, barcode                rest.Value
	barred, inventoryEnabled, updatedAt, deletedAt rest.Value
	inStock, available, inOrder, purchased         rest.Value
}

func readRawItem(r *rest.Reader) (raw rawItem) {
	raw.kind = r.Object(func(name []byte) {
		switch string(name) {
		case "number":
			raw.number = r.Value()
		case "urlfriendly_number":
			raw.friendly = r.Value()
		case "name":
			raw.name = r.Value()
		case "barcode":
			raw.barcode = r.Value()
		case "is_barred":
			raw.barred = r.Value()
		case "inventory_enabled":
			raw.inventoryEnabled = r.Value()
		case "updated_at":
			raw.updatedAt = r.Value()
		case "deleted_at":
			raw.deletedAt = r.Value()
		case "stock_quantity":
			raw.inStock = r.Value()
		case "available_quantity":
			raw.available = r.Value()
		case "in_order_quantity":
			raw.inOrder = r.Value()
		case "purchased_quantity":
			raw.purchased = r.Value()
		}
	})
	return raw
}

// readItem reads an item of a page.
func readItem(r *rest.Reader) (Item, error) {
	raw := readRawItem(r)
	if err := rest.IsObject(raw.kind); err != nil {
		return Item{}, err
	}
	item, err := raw.item()
	return item, rest.Under(".", err)
}

// decodeItem reads the answer about one item.
func decodeItem(got answer) (Item, error) {
	var raw rawItem
	err := rest.Decode(wholeAnswer, got.Content, func(r *rest.Reader) rest.Value {
		return r.Object(func(name []byte) {
			if string(name) == "item" {
				raw = readRawItem(r)
			}
		})
	})
	if err == nil {
		err = rest.Under("item", rest.IsObject(raw.kind))
	}
	if err != nil {
		return Item{}, err
	}
	item, err := raw.item()
	return item, rest.Under("item.", err)
}

// item returns the item, or an error if its number, or whether it exists, is unreadable. Other
// unreadable fields are in its Unsound.
func (raw *rawItem) item() (Item, error) {
	var f rest.Fields
	i := Item{Number: numberOf(&f, "number", raw.number)}
	i.Deleted = isSet(&f, "deleted_at", raw.deletedAt)
	if err := f.Err(); err != nil {
		return Item{}, err
	}
	if !rest.Absent(raw.friendly) {
		i.URLFriendly = numberUpTo(&f, longestFriendly, "urlfriendly_number", raw.friendly)
	}
	i.Name = f.Text("name", raw.name)
	if i.Barcode = rest.Text(raw.barcode); len(raw.barcode) > 0 && raw.barcode[0] != '"' && !isInteger(raw.barcode) {
		i.Barcode = f.Text("barcode", raw.barcode)
	}
	barred := flag(&f, "is_barred", raw.barred)
	i.Barred = barred != nil && *barred
	i.UpdatedAt = moment(&f, "updated_at", raw.updatedAt)
	i.InventoryEnabled = flag(&f, "inventory_enabled", raw.inventoryEnabled)
	if i.InventoryEnabled == nil || *i.InventoryEnabled {
		figures := new([4]decimal.Decimal) // one allocation: a page has 1,000
		i.InStock = f.FigureOrTextIn(&figures[0], "stock_quantity", raw.inStock)
		i.Available = f.FigureOrTextIn(&figures[1], "available_quantity", raw.available)
		i.InOrder = f.FigureOrTextIn(&figures[2], "in_order_quantity", raw.inOrder)
		i.Purchased = f.FigureOrTextIn(&figures[3], "purchased_quantity", raw.purchased)
	}
	i.Unsound = f.Unsound()
	return i, nil
}

// isSet reports whether a time is there, in whatever form.
func isSet(f *rest.Fields, path string, raw rest.Value) bool {
	return f.Text(path, raw) != ""
}

// decodeSelf reads the answer about the account.
func decodeSelf(got answer) (Self, error) {
	var account, id, company, name rest.Value
	err := rest.Decode(wholeAnswer, got.Content, func(r *rest.Reader) rest.Value {
		return r.Object(func(member []byte) {
			if string(member) != "user_account" {
				return
			}
			account = r.Object(func(member []byte) {
				switch string(member) {
				case "id":
					id = r.Value()
				case "company_name":
					company = r.Value()
				case "name":
					name = r.Value()
				}
			})
		})
	})
	if err != nil {
		return Self{}, err
	}
	var f rest.Fields
	f.Required("user_account", "an object", account)
	f.Object("user_account", account)
	f.Required("user_account.id", "a whole number from 1", id)
	self := Self{ID: int64(whole(&f, "user_account.id", id, 1))}
	if self.Name = f.Text("user_account.company_name", company); self.Name == "" {
		self.Name = f.Text("user_account.name", name)
	}
	return self, f.Err()
}

// readWebhook reads a webhook of a page.
func readWebhook(r *rest.Reader) (Webhook, error) {
	var id, event, url, active, plugin, failures rest.Value
	kind := r.Object(func(name []byte) {
		switch string(name) {
		case "id":
			id = r.Value()
		case "event":
			event = r.Value()
		case "url":
			url = r.Value()
		case "is_active":
			active = r.Value()
		case "plugin":
			plugin = r.Value()
		case "failures_since_last_success":
			failures = r.Value()
		}
	})
	if err := rest.IsObject(kind); err != nil {
		return Webhook{}, err
	}
	var f rest.Fields
	w := Webhook{
		ID: int64(whole(&f, "id", id, 0)), Event: f.Text("event", event), URL: secret.NewText(f.Text("url", url)),
		Active: flag(&f, "is_active", active), Failures: int64(whole(&f, "failures_since_last_success", failures, 0)),
	}
	if len(plugin) > 0 && plugin[0] == '"' { // or an object: only its being there is documented
		w.Plugin = rest.Text(plugin)
	}
	return w, rest.Under(".", f.Err())
}

package rackbeat

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lagerd/budget"
	"lagerd/rest"
	"lagerd/secret"
)

// Account reads from one account. Every method waits for the account's Budget, makes one HTTP
// request (Places and Webhooks one for each page), retries nothing, and returns errors of type
// *Error. It is safe for concurrent use.
type Account struct {
	client  *Client
	key     string
	secrets secret.Hidden // the key
	budget  *budget.Budget
	by      *budget.Caller // the shop that reads; nil: it is not known
}

// Account returns the account that the key belongs to. All readers of one account must share its
// budget; nil means a new one with default limits. by is the shop that reads, nil if that is not
// known.
func (c *Client) Account(key string, b *budget.Budget, by *budget.Caller) *Account {
	if b == nil {
		b = budget.New(budget.Options{Now: c.o.Now})
	}
	return &Account{client: c, key: key, secrets: secret.Hide(key), budget: b, by: by}
}

// Now returns the time by the client's clock, which Began is read from.
func (a *Account) Now() time.Time { return a.client.o.Now() }

// Self returns whose the key is.
func (a *Account) Self(ctx context.Context, p budget.Priority) (Self, error) {
	var self Self
	_, err := a.do(ctx, p, call{endpoint: "self", op: "read whose the key is", path: "/self", single: true}, func(got answer) (err error) {
		self, err = decodeSelf(got)
		return err
	})
	return self, err
}

// PageSize is how many entries a page has at most: Rackbeat's own client asks for as many, and calls
// it the maximum.
const PageSize = 1000

// ItemsQuery selects a page of all items.
type ItemsQuery struct {
	Page int // from 1

	// Unordered leaves the order of the items to Rackbeat. Default: by number, so that pages do
	// not depend on what changes. Which properties items can be ordered by is not documented.
	Unordered bool
}

// Items returns a page of all items: products, lots and variants.
func (a *Account) Items(ctx context.Context, p budget.Priority, q ItemsQuery) (Page[Item], error) {
	query := pageQuery(q.Page)
	if !q.Unordered {
		query.Set("order_by", "number")
		query.Set("order_direction", "ASC")
	}
	c := call{endpoint: "items", op: fmt.Sprintf("list items, page %d", q.Page), path: "/items?" + query.Encode()}
	return page(ctx, a, p, c, q.Page, listOf[Item]{key: "items", entry: readItem, named: itemNamed, paged: true, counted: true})
}

func pageQuery(number int) url.Values {
	return url.Values{"page": {strconv.Itoa(number)}, "limit": {strconv.Itoa(PageSize)}}
}

// Item returns the item with exactly this number. friendly is its URL-friendly number from an
// earlier answer, which is needed if NeedsFriendly(number); "": not known. The error is
// KindNotFound if the item does not exist or is deleted, and KindBadRequest if it cannot be asked for.
// It is KindMalformed if Rackbeat answers with another number: with an *OtherItemError, unless it is
// this one without leading zeros. A number sent as an integer has none, so that may be the item.
func (a *Account) Item(ctx context.Context, p budget.Priority, number, friendly string) (Read[Item], error) {
	c := call{endpoint: "item", op: fmt.Sprintf("read item %q", rest.OneLine(number, 64)), single: true}
	at, err := segment(number, friendly)
	if err != nil {
		return Read[Item]{}, failed(c.op, err)
	}
	c.path = "/items/" + at
	var item Item
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		if item, err = decodeItem(got); err != nil {
			return err
		}
		a.hideUnsound(item.Unsound)
		is := item.Number
		switch {
		case is != number:
			err = &rest.FieldError{Path: "item.number", Want: fmt.Sprintf("%.64q", number), Got: fmt.Sprintf("%.64q", is), Quotes: []byte(is)}
			if strings.TrimLeft(number, "0") != is {
				err = &OtherItemError{err}
			}
		case item.Deleted:
			err = &Error{Kind: KindNotFound, Message: "its deleted_at is set"}
		default:
			return nil
		}
		item = Item{}
		return err
	})
	return Read[Item]{Value: item, Began: got.began, ServerDate: got.serverDate}, err
}

// ItemPlaces returns what of an item is in each place that the answer lists. See Item for
// friendly. The answer does not name the item.
func (a *Account) ItemPlaces(ctx context.Context, p budget.Priority, number, friendly string) (Read[[]PlaceStock], error) {
	c := call{endpoint: "item_places", op: fmt.Sprintf("read the places of item %q", rest.OneLine(number, 64)), single: true}
	at, err := segment(number, friendly)
	if err != nil {
		return Read[[]PlaceStock]{}, failed(c.op, err)
	}
	c.path = "/items/" + at + "/locations?" + pageQuery(1).Encode()
	var places []PlaceStock
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		places, err = decodeItemPlaces(got)
		return err
	})
	if err != nil {
		places = nil
	}
	return Read[[]PlaceStock]{Value: places, Began: got.began, ServerDate: got.serverDate}, err
}

// ReportQuery selects a page of the report of stock by place.
type ReportQuery struct {
	Page int // from 1
	Size int // items on a page: ReportSize of the number of places

	// Unordered leaves the order of the items to Rackbeat. Default: by number, as lists of items
	// can be ordered. Whether the report can is not known.
	Unordered bool
}

// StockByPlace returns a page of the report of stock by place.
func (a *Account) StockByPlace(ctx context.Context, p budget.Priority, q ReportQuery) (Page[StockByPlace], error) {
	query := pageQuery(q.Page)
	query.Set("limit", strconv.Itoa(q.Size))
	query.Set("show_all_locations", "true")
	query.Set("fields", "number,name,stock_quantity,barcode,locations(*)") // as another client asks for it
	if !q.Unordered {
		query.Set("order_by", "number")
		query.Set("order_direction", "ASC")
	}
	c := call{endpoint: "report", op: fmt.Sprintf("read the stock by place, page %d", q.Page), path: "/reports/checking?" + query.Encode()}
	var count placesRead
	return page(ctx, a, p, c, q.Page, listOf[StockByPlace]{key: "items", entry: count.stockByPlace, named: stockNamed, paged: true})
}

// mostPages is how many pages of places or webhooks are read: more than anybody has.
const mostPages = 20

// Places returns all places of the warehouse.
func (a *Account) Places(ctx context.Context, p budget.Priority) ([]Place, error) {
	const op = "list the places"
	var count placesRead
	raw, err := all(ctx, a, p, call{endpoint: "places", op: op, path: "/locations"}, listOf[rawPlace]{key: "locations", entry: count.place, named: placeNamed})
	if err != nil {
		return nil, err
	}
	places, err := nest(raw)
	if err != nil {
		if a.secrets.Found([]byte(err.Error())) {
			err = &rest.FieldError{Path: "locations", Want: "places inside one another", Got: "[redacted]"}
		}
		return nil, failed(op, err)
	}
	return places, nil
}

// Webhooks returns all webhooks that are set up.
func (a *Account) Webhooks(ctx context.Context, p budget.Priority) ([]Webhook, error) {
	list, err := all(ctx, a, p, call{endpoint: "webhooks", op: "list the webhooks", path: "/webhooks"}, listOf[Webhook]{key: "webhooks", entry: readWebhook})
	for i := range list {
		list[i].Plugin = a.secrets.In(list[i].Plugin)
	}
	return list, err
}

// all reads all pages of a listing. An entry that is unreadable is an error.
func all[T any](ctx context.Context, a *Account, p budget.Priority, c call, list listOf[T]) ([]T, error) {
	var entries []T
	path, total := c.path, 0
	for number, more := 1, true; more; number++ {
		if number > mostPages {
			return nil, &Error{Op: c.op, Kind: KindMalformed, Message: fmt.Sprintf("more than %d pages", mostPages)}
		}
		c.path = path + "?" + pageQuery(number).Encode()
		read, err := page(ctx, a, p, c, number, list)
		if err == nil && len(read.Bad) > 0 {
			err = failed(c.op, read.Bad[0].Err)
		}
		if err != nil {
			return nil, err
		}
		entries, total = append(entries, read.Items...), read.Total
		more = number < read.Pages
	}
	if len(entries) < total {
		return nil, &Error{Op: c.op, Kind: KindMalformed, Message: fmt.Sprintf("announced %d and sent %d", total, len(entries))}
	}
	return entries, nil
}

// page reads one page of a listing.
func page[T any](ctx context.Context, a *Account, p budget.Priority, c call, number int, list listOf[T]) (Page[T], error) {
	if number < 1 {
		return Page[T]{}, &Error{Op: c.op, Kind: KindBadRequest, Message: "pages are counted from 1"}
	}
	var read Page[T]
	got, err := a.do(ctx, p, c, func(got answer) (err error) {
		read, err = decodePage(got, number, list)
		if err == nil {
			list.hide(&read, a.secrets)
		}
		return err
	})
	read.Began, read.ServerDate = got.began, got.serverDate
	return read, err
}

func itemNamed(i *Item) (string, []Unsound)          { return i.Number, i.Unsound }
func stockNamed(s *StockByPlace) (string, []Unsound) { return s.Number, s.Unsound }
func placeNamed(p *rawPlace) (string, []Unsound)     { return p.number, nil }

// hideUnsound redacts field errors that quote the key.
func (a *Account) hideUnsound(list []Unsound) {
	quoted := rest.NewQuoted(a.secrets)
	for _, u := range list {
		quoted.Hide(u.Err)
	}
}

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// handleRackbeat adds the control API's routes of Rackbeat.
func (s *Sandbox) handleRackbeat(mux *http.ServeMux) {
	const path = "/sandbox/agreements/{number}/rackbeat"
	handle := func(pattern string, do func(c *account, body []byte) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.control(w, r, func(a *agreement, b []byte) (any, error) {
				c := a.rackbeat.Load()
				if c == nil {
					return nil, errors.New("the agreement has no Rackbeat account")
				}
				return do(c, b)
			})
		})
	}
	for what, do := range rackbeatOperations {
		handle("POST "+path+"/"+what, do)
	}
	handle("GET "+path+"/truth", func(c *account, _ []byte) (any, error) { return c.truth(), nil })
	handle("GET "+path+"/faults", func(c *account, _ []byte) (any, error) { return c.faults(), nil })
	handle("PUT "+path+"/faults", func(c *account, b []byte) (any, error) {
		return struct{}{}, c.own.merge(b, s.rackbeatFaults.get())
	})
	handle("DELETE "+path+"/faults", func(c *account, _ []byte) (any, error) { c.own.clear(); return struct{}{}, nil })
	mux.HandleFunc("PUT "+path, func(w http.ResponseWriter, r *http.Request) {
		s.control(w, r, func(a *agreement, b []byte) (any, error) {
			return with(b, func(n NewRackbeat) error { return s.OpenRackbeat(a.number, n) })
		})
	})
	mux.HandleFunc("GET /sandbox/rackbeat/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func([]byte) (any, error) { return s.rackbeatFaults.get(), nil })
	})
	mux.HandleFunc("PUT /sandbox/rackbeat/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func(b []byte) (any, error) { return struct{}{}, s.rackbeatFaults.merge(b) })
	})
	mux.HandleFunc("DELETE /sandbox/rackbeat/faults", func(w http.ResponseWriter, r *http.Request) {
		s.reply(w, r, func([]byte) (any, error) { s.rackbeatFaults.clear(); return struct{}{}, nil })
	})
}

// rackbeatOperation is what tests and people can do to an account.
type rackbeatOperation func(c *account, body []byte) (any, error)

// rackbeatOperations are the operations by their name in the control API.
var rackbeatOperations = map[string]rackbeatOperation{
	// Trade.
	"order":    func(c *account, b []byte) (any, error) { return numbered(b, c.order) },
	"ship":     func(c *account, b []byte) (any, error) { return numbered(b, c.ship) },
	"sell":     func(c *account, b []byte) (any, error) { return numbered(b, c.sell) },
	"receive":  func(c *account, b []byte) (any, error) { return with(b, c.receive) },
	"transfer": func(c *account, b []byte) (any, error) { return with(b, c.transfer) },
	"purchase": func(c *account, b []byte) (any, error) { return with(b, c.purchase) },
	"adjust":   func(c *account, b []byte) (any, error) { return with(b, c.adjust) },
	"enable":   func(c *account, b []byte) (any, error) { return with(b, c.enable) },
	"trade":    func(c *account, b []byte) (any, error) { return with(b, c.agreement.trade) },

	// The account and its webhooks.
	"key":     func(c *account, b []byte) (any, error) { return with(b, c.changeKey) },
	"account": func(c *account, b []byte) (any, error) { return with(b, c.renumber) },
	"places":  func(c *account, b []byte) (any, error) { return with(b, c.replacePlaces) },
	"webhooks": func(c *account, b []byte) (any, error) {
		var p rackbeatPasting
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, err
		}
		return c.pasteHooks(p), nil
	},
	"hook": func(c *account, b []byte) (any, error) { return with(b, c.hook) },
	"set": func(c *account, b []byte) (any, error) {
		return with(b, func(q hookSetting) error { c.setHooks(q); return nil })
	},
	"fire": func(c *account, b []byte) (any, error) {
		return with(b, func(q struct{ Event, Number string }) error { c.fire(q.Event, q.Number); return nil })
	},
}

// numbered does what the body asks for and answers the number of what that made.
func numbered[T any](body []byte, do func(T) (int64, error)) (any, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	n, err := do(v)
	return map[string]int64{"number": n}, err
}

// newKey accepts or refuses an account's key, and may change it.
type newKey struct {
	Key    string `json:"key"`
	Refuse bool   `json:"refuse"`
}

func (c *account) changeKey(q newKey) error {
	c.mu.Lock()
	c.refused = q.Refuse
	c.mu.Unlock()
	if q.Key == "" {
		return nil
	}
	s := c.sandbox()
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.byKey[q.Key]; of != nil && of != c {
		return fmt.Errorf("key %q: %w", q.Key, errAccount)
	}
	delete(s.byKey, c.key)
	c.key = q.Key
	s.byKey[q.Key] = c
	return nil
}

// newID is the id of another account.
type newID struct {
	ID int64 `json:"id"`
}

// renumber lets GET self answer another account.
func (c *account) renumber(q newID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id = q.ID
	return nil
}

// replacePlaces replaces the account's places. What lay in one that is gone lies in the first.
func (c *account) replacePlaces(places []Place) error {
	if err := validPlaces(places); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.places = places
	for _, i := range c.byID {
		st := *i.truth()
		st.stock = map[int64]amount{}
		for number, stock := range i.truth().stock {
			at, err := c.place(number)
			if err != nil {
				at = places[0].Number
			}
			st.stock[at] += stock
		}
		c.put(i, st)
	}
	return nil
}

// foreignHook is a webhook of anybody's, such as one of Rackbeat's own links to shops.
type foreignHook struct {
	Event  string `json:"event"`
	URL    string `json:"url"`
	Plugin string `json:"plugin"`
	Token  string `json:"token"`
	Active bool   `json:"active"`
}

func (c *account) hook(q foreignHook) error {
	c.addHook(q.Event, q.URL, q.Plugin, q.Token, q.Active)
	return nil
}

// trueItem is an item as it is, whatever the API currently shows. Figures of places include
// the places in them.
type trueItem struct {
	Number    string           `json:"number"`
	Kind      string           `json:"type"`
	Barred    bool             `json:"barred"`
	Enabled   bool             `json:"enabled"`
	Stock     amount           `json:"stock"`
	Ordered   amount           `json:"ordered"`
	Available amount           `json:"available"`
	Purchased amount           `json:"purchased"`
	Places    map[int64]amount `json:"places"`
}

// truth returns the account's items in the order of their numbers.
func (c *account) truth() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	items := []trueItem{}
	for _, i := range c.byNumber {
		st := i.truth()
		if !st.deleted.IsZero() {
			continue
		}
		t := trueItem{Number: i.number, Kind: i.kind, Barred: st.barred, Enabled: st.enabled, Stock: st.total(), Ordered: st.ordered,
			Available: st.total() - st.ordered, Purchased: st.purchased, Places: map[int64]amount{}}
		for _, p := range c.places {
			t.Places[p.Number] = c.stockAt(st, p.Number, &RackbeatFaults{})
		}
		items = append(items, t)
	}
	return map[string]any{"account": c.id, "places": c.places, "items": items}
}

// products returns the account's items as the truth of its agreement, whose stock they have.
func (c *account) products() []trueProduct {
	c.mu.Lock()
	defer c.mu.Unlock()
	products := []trueProduct{}
	for _, i := range c.byNumber {
		st := i.truth()
		if !st.deleted.IsZero() {
			continue
		}
		t := trueProduct{Number: i.number, Barred: st.barred, Inventory: st.enabled}
		if stock := st.total(); st.enabled {
			available := stock - st.ordered
			t.InStock, t.Available = &stock, &available
		}
		products = append(products, t)
	}
	return products
}

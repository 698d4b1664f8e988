package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rackbeatPath begins the paths of Rackbeat's API, as at https://app.rackbeat.com/api/.
// e-conomic's API has none that begins so.
const rackbeatPath = "/api/"

// NewRackbeat describes the Rackbeat account of an agreement. It begins with the
// agreement's items and their stock; from then on stock moves there only.
type NewRackbeat struct {
	Key            string  `json:"key"`
	Account        int64   `json:"account"`        // the id that GET self answers; 0: the agreement's number + 600,000
	Places         []Place `json:"places"`         // the first is where goods come in and go out; nil: the usual ones
	StaleInventory bool    `json:"staleInventory"` // e-conomic goes on showing the figures of that time; else it shows none
}

// Place is a warehouse location.
type Place struct {
	Number int64  `json:"number"`
	Name   string `json:"name"`
	Parent int64  `json:"parent"` // the number of the place it lies in; 0: none
}

var usualPlaces = []Place{{1, "Hovedlager", 0}, {4, "Butik", 0}, {41, "Gulv", 4}, {42, "Kælder", 4}}

// account is an agreement's account at Rackbeat.
type account struct {
	agreement *agreement
	key       string // guarded by Sandbox.mu
	own       ownFaults[RackbeatFaults, *RackbeatFaults]

	mu       sync.Mutex
	id       int64 // that GET self answers
	refused  bool  // its key was revoked
	places   []Place
	opened   time.Time
	items    map[string]*item
	friendly map[string]*item // by urlfriendly_number, where that is not the number
	byID     []*item
	byNumber []*item // as the collation sorts them
	orders   []*salesOrder
	ordered  int64 // number of the last order
	shifted  int   // items created while pages were turned
	hooks    []*rackbeatHook
	made     int // webhooks so far, and their ids

	windowStart time.Time   // of the calls per minute
	used        int         // calls in this window
	lately      []time.Time // calls of the last 60 seconds
	stat        rackbeatStats
}

type rackbeatStats struct {
	Calls          map[string]int `json:"calls"`   // by endpoint
	Writes         map[string]int `json:"writes"`  // calls that are not GET, by "METHOD path"
	Busiest        int            `json:"busiest"` // most calls within any 60 seconds
	Limited        int            `json:"limited"`
	WithoutContact int            `json:"withoutContact"` // calls without Consumer-Contact and User-Agent, which Rackbeat's own client sends
	Webhooks       webhookStats   `json:"webhooks"`
	Trades         int            `json:"trades"`
	Violations     []string       `json:"violations"` // what the real Rackbeat would have refused
}

func (r *rackbeatStats) clone() *rackbeatStats {
	c := *r
	c.Calls, c.Writes, c.Violations = maps.Clone(r.Calls), maps.Clone(r.Writes), slices.Clone(r.Violations)
	c.Webhooks.Status = maps.Clone(r.Webhooks.Status)
	return &c
}

var errAccount = errors.New("the agreement has a Rackbeat account already, or the key belongs to another")

// OpenRackbeat gives an agreement a Rackbeat account.
func (s *Sandbox) OpenRackbeat(number int, n NewRackbeat) error {
	a := s.agreement(number)
	if a == nil {
		return fmt.Errorf("open a Rackbeat account: no agreement %d", number)
	}
	c := &account{agreement: a, key: n.Key, id: cmp.Or(n.Account, int64(number)+600_000), places: n.Places, ordered: 1000,
		items: map[string]*item{}, friendly: map[string]*item{}, stat: rackbeatStats{Calls: map[string]int{}, Writes: map[string]int{}}}
	if c.places == nil {
		c.places = usualPlaces
	}
	if err := validPlaces(c.places); err != nil {
		return fmt.Errorf("open a Rackbeat account: %w", err)
	}
	c.fill()
	s.mu.Lock()
	taken := n.Key == "" || s.byKey[n.Key] != nil || !a.rackbeat.CompareAndSwap(nil, c)
	if !taken {
		s.byKey[n.Key] = c
	}
	s.mu.Unlock()
	if taken {
		return fmt.Errorf("open a Rackbeat account with key %q: %w", n.Key, errAccount)
	}
	a.set(func() { a.inventory = a.inventory && n.StaleInventory })
	return nil
}

// validPlaces returns an error unless each number occurs once, and each parent before its
// children.
func validPlaces(places []Place) error {
	if len(places) == 0 {
		return errors.New("expected at least one place")
	}
	seen := map[int64]bool{0: true}
	for _, p := range places {
		if p.Number == 0 || seen[p.Number] || !seen[p.Parent] {
			return fmt.Errorf("place %d in %d: expected another number than 0 and those before it, and a parent among those", p.Number, p.Parent)
		}
		seen[p.Number] = true
	}
	return nil
}

// fill gives a new account the items of its agreement.
func (c *account) fill() {
	a := c.agreement
	c.opened = time.Now().Add(-24 * time.Hour)
	rnd := rand.New(rand.NewPCG(uint64(a.number), uint64(c.id))) //nolint:gosec // a seed
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, i := range rnd.Perm(len(a.order)) { // ids are in another order than numbers
		p := a.order[i]
		was := p.truth()
		if was.deleted {
			continue
		}
		st := itemState{name: was.name, barcode: was.barCode, barred: was.barred, enabled: was.stocked, ordered: was.ordered,
			stock: map[int64]amount{}, updated: was.updated}
		rest := was.inStock
		for _, place := range c.places[1:] {
			if rest >= 100 {
				st.stock[place.Number] = amount(rnd.Int64N(int64(rest/200+1))) * 100
				rest -= st.stock[place.Number]
			}
		}
		st.stock[c.places[0].Number] = rest
		kind := "product"
		if rnd.IntN(12) == 0 {
			kind = "lot"
		}
		i := &item{number: p.number, kind: kind, created: c.opened, versions: []itemVersion{{state: st}}}
		c.index(i)
		c.byNumber = append(c.byNumber, i)
	}
	slices.SortFunc(c.byNumber, collateItems) // once, for accounts of many items
}

func (c *account) sandbox() *Sandbox { return c.agreement.sandbox }

// serveRackbeat serves Rackbeat's API.
func (s *Sandbox) serveRackbeat(w http.ResponseWriter, r *http.Request) {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	c := s.byKey[key]
	s.mu.Unlock()
	if c == nil {
		f := s.rackbeatFaults.get()
		write(w, f.now(), encoder{f}.unauthenticated())
		return
	}
	f := c.faults()
	if f.Slow > 0 && c.strikes(f.SlowProbability, "slow") && !pause(r.Context(), time.Duration(f.Slow)) {
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), rackbeatPath)
	c.count(r, path)
	limited, wait := c.limit(f)
	if f.Hang > 0 && !hang(r.Context(), func() Duration { return c.faults().Hang }) {
		return
	}
	var ans answer
	if limited || c.strikes(f.RateLimit, "rateLimit") {
		ans = c.tooMany(f, wait)
	} else {
		ans = c.faulty(f, func() answer { return c.serve(r, path, f) })
	}
	ans.cut = good(ans.status) && len(ans.body) > 1 && c.strikes(f.Cut, "cut")
	if good(ans.status) && c.strikes(f.Stall, "stall") {
		ans.stalls = r.Context().Done()
	}
	write(w, f.now(), ans)
}

// count counts a call. What is no GET is counted by its path too: lagerd must never send any.
func (c *account) count(r *http.Request, path string) {
	endpoint, _, _ := strings.Cut(path, "/")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stat.Calls[endpoint]++
	now := time.Now()
	c.lately = append(slices.DeleteFunc(c.lately, func(at time.Time) bool { return now.Sub(at) >= time.Minute }), now)
	c.stat.Busiest = max(c.stat.Busiest, len(c.lately))
	if r.Method != http.MethodGet {
		c.stat.Writes[r.Method+" "+path]++
	}
	if r.Header.Get("Consumer-Contact") == "" || r.Header.Get("User-Agent") == "" {
		c.stat.WithoutContact++
	}
}

// limit counts a call against the key's calls per minute. It reports whether there are none
// left, and how many seconds it is until there are.
func (c *account) limit(f *RackbeatFaults) (limited bool, wait int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.windowStart) >= time.Minute {
		c.windowStart, c.used = now, 0
	}
	c.used++
	most := cmp.Or(f.CallsPerMinute, c.sandbox().o.RackbeatRate)
	if limited = most > 0 && c.used > most; limited {
		c.stat.Limited++
		return true, int((time.Minute-now.Sub(c.windowStart))/time.Second) + 1
	}
	return false, 1
}

func (c *account) tooMany(f *RackbeatFaults, wait int) answer {
	ans := encoder{f}.problem(http.StatusTooManyRequests, "Too Many Attempts.")
	switch f.RetryAfter {
	case "none":
	case "date":
		ans.header = map[string]string{"Retry-After": f.now().Add(time.Duration(wait) * time.Second).Format(http.TimeFormat)}
	default:
		ans.header = map[string]string{"Retry-After": strconv.Itoa(wait)}
	}
	return ans
}

// faulty returns a fault's answer, or serve's.
func (c *account) faulty(f *RackbeatFaults, serve func() answer) answer {
	c.mu.Lock()
	refused := c.refused
	c.mu.Unlock()
	e := encoder{f}
	switch {
	case refused || c.strikes(f.Unauthorized, "unauthorized"):
		return e.unauthenticated()
	case c.strikes(f.Forbidden, "forbidden"):
		return e.problem(http.StatusForbidden, "This action is unauthorized.")
	case c.strikes(f.HTML, "html"):
		return htmlAnswer(http.StatusOK)
	case c.strikes(f.ServerError, "serverError"):
		switch c.sandbox().intn(3) {
		case 0:
			return e.answer(http.StatusInternalServerError, object{{"message", "Server Error"}})
		case 1:
			return htmlAnswer(http.StatusBadGateway)
		}
		return answer{status: http.StatusServiceUnavailable, body: []byte("Service Unavailable"), contentType: "text/plain"}
	}
	ans := serve()
	if good(ans.status) && f.Padding > 0 {
		ans.body = append(ans.body, strings.Repeat(" ", f.Padding<<20)...)
	}
	if good(ans.status) && c.strikes(f.Garbled, "garbled") {
		ans.body = append(ans.body[:len(ans.body)/2:len(ans.body)/2], "\x00<html>"...)
	}
	return ans
}

// serve answers a call to the account.
func (c *account) serve(r *http.Request, path string, f *RackbeatFaults) answer {
	q := request{encoder: encoder{f}, account: c, base: "http://" + r.Host + rackbeatPath, query: r.URL.Query()}
	segments, err := split(path, f.EncodedSlash)
	if err != nil {
		c.violate("%s: %v", path, err)
		return q.notFound()
	}
	q.path = segments
	if segments[0] == "webhooks" {
		return c.webhooksCall(q, r)
	}
	if r.Method != http.MethodGet {
		return q.problem(http.StatusMethodNotAllowed, "The "+r.Method+" method is not supported for this route. Supported methods: GET, HEAD.")
	}
	return c.read(q)
}

// split returns the decoded segments of a path. Most servers decode a path before they
// divide it, so that %2F divides it too.
func split(path string, encodedSlash bool) ([]string, error) {
	if !encodedSlash {
		decoded, err := url.PathUnescape(path)
		return strings.Split(decoded, "/"), err
	}
	segments := strings.Split(path, "/")
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return nil, err
		}
	}
	return segments, nil
}

// request is a call to an account.
type request struct {
	encoder
	account *account
	base    string
	path    []string
	query   url.Values
}

// is reports whether the path has this form, where "*" stands for any segment.
func (q request) is(form ...string) bool {
	return slices.EqualFunc(q.path, form, func(segment, form string) bool { return form == "*" && segment != "" || form == segment })
}

// collections are the lists of items, and what one of each is called.
var collections = map[string]string{"items": "item", "products": "product", "lots": "lot"}

// read answers a GET.
func (c *account) read(q request) answer {
	switch {
	case q.is("self"):
		return c.self(q)
	case q.is("reports", "checking"):
		return c.checking(q)
	case q.is("locations"):
		return c.listPlaces(q)
	case q.is("locations", "*"):
		return c.onePlace(q)
	case q.is("locations", "*", "get-stock", "*"):
		return c.stockOf(q)
	case len(q.path) == 1 && collections[q.path[0]] != "":
		return c.listItems(q)
	case len(q.path) == 2 && collections[q.path[0]] != "" && q.path[1] != "":
		return c.oneItem(q)
	case len(q.path) == 3 && collections[q.path[0]] != "" && q.path[2] == "locations":
		return c.placesOf(q)
	}
	return q.notFound()
}

func (c *account) self(q request) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return q.answer(http.StatusOK, object{{"user_account", object{
		{"id", c.id}, {"name", fmt.Sprintf("Sandkassen %d ApS", c.id)}, {"email", "sandkasse@example.com"}, {"country", "DK"},
	}}})
}

func (c *account) violate(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stat.Violations) < 1000 {
		c.stat.Violations = append(c.stat.Violations, fmt.Sprintf(format, args...))
	}
}

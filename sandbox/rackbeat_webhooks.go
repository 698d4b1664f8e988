package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Events of Rackbeat's webhooks that are known.
const (
	inventoryChanged = "inventory.changed" // receipt, shipment, adjustment
	productCreated   = "product.created"
	productUpdated   = "product.updated"
	orderCreated     = "order.created"
)

// rackbeatHook is a webhook that somebody has set up. c.mu guards it.
type rackbeatHook struct {
	id       int64
	event    string
	url      string
	active   bool
	plugin   string // of one of Rackbeat's own links, that link's name
	token    string
	failures int // since the last success
	created  time.Time
	logs     []hookLog // the newest last
}

// hookLog is a try to send a webhook.
type hookLog struct {
	id     int
	at     time.Time
	status int // 0: no answer
	try    int
	body   string
}

const (
	logsKept    = 100
	firstRetry  = 10 * time.Second
	longestWait = 4 * time.Hour
	retriedFor  = 24 * time.Hour
)

// fire sends an event's webhooks about an item, or about an order, unless chance suppresses
// or loses them.
func (c *account) fire(event, number string) {
	s, f := c.sandbox(), c.faults()
	c.mu.Lock()
	var hooks []*rackbeatHook
	for _, h := range c.hooks {
		if h.event == event && h.active {
			hooks = append(hooks, h)
		}
	}
	id := c.id
	c.mu.Unlock()
	if len(hooks) > 0 && s.chance(f.Suppress) {
		s.events.add(Event{Agreement: c.agreement.number, Kind: "webhook", Number: number, Webhook: event, Fate: "suppressed"})
		return
	}
	body := c.body(event, number, f)
	for _, h := range hooks {
		what := s.fateOf(f.Lose, f.Double, f.Late, f.Reorder, time.Duration(f.LateBy))
		c.mu.Lock()
		c.stat.Webhooks.Fired++
		c.stat.Webhooks.count(what.name)
		c.mu.Unlock()
		s.events.add(Event{Agreement: c.agreement.number, Kind: "webhook", Number: number, Webhook: event, Fate: what.name})
		for range what.copies {
			s.rackbeatSender.send(c.delivery(h, id, body), what.delay)
		}
	}
}

// delivery returns how a webhook is sent, and sent again when that fails: with growing
// distance for about 24 hours.
func (c *account) delivery(h *rackbeatHook, account int64, body []byte) delivery {
	began := time.Now()
	return delivery{
		request: func(ctx context.Context) (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
			if err != nil {
				return nil, err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Rackbeat-Webhook-Token", h.token)
			req.Header.Set("Rackbeat-Webhook-Event", h.event)
			req.Header.Set("Rackbeat-Account-Id", strconv.FormatInt(account, 10))
			return req, nil
		},
		answered: func(status, tries int) time.Duration {
			wait := c.retry(tries)
			last := good(status) || time.Since(began)+wait > retriedFor
			c.tried(h, hookLog{at: time.Now(), status: status, try: tries, body: string(body)}, last)
			if last {
				return 0
			}
			return wait
		},
	}
}

// retry returns the distance between the nth try and the next.
func (c *account) retry(tries int) time.Duration {
	first := time.Duration(c.faults().FirstRetry)
	if first <= 0 {
		first = firstRetry
	}
	return min(first<<min(tries-1, 20), longestWait)
}

func (c *account) tried(h *rackbeatHook, log hookLog, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	log.id = len(h.logs) + 1
	if len(h.logs) > 0 {
		log.id = h.logs[len(h.logs)-1].id + 1
	}
	h.logs = append(h.logs, log)
	h.logs = h.logs[max(0, len(h.logs)-logsKept):]
	if h.failures++; good(log.status) {
		h.failures = 0
	}
	if last {
		c.stat.Webhooks.answered(log.status)
	}
}

// body renders a webhook's body. Three forms are known, and that of an order names no item.
func (c *account) body(event, number string, f *RackbeatFaults) []byte {
	form := f.Body
	switch {
	case form == "mixed":
		form = []string{"stock", "number", "documented"}[c.sandbox().intn(3)]
	case form == "" && event == inventoryChanged:
		form = "stock"
	}
	if form == "stock" && event == orderCreated {
		form = "documented"
	}
	e := encoder{f}
	switch form {
	case "stock":
		return e.encode(object{{"item", itemNumber(number)}, {"item_type", c.kindOf(number)}, {"type", "stock"}})
	case "number":
		return e.encode(object{{"key_name", "number"}, {"key", itemNumber(number)}})
	case "none":
		return e.encode(object{{"event", event}})
	}
	return e.encode(object{{"key", itemNumber(number)}, {"key_name", "number"}, {"event", event}, {"data", object{{"number", itemNumber(number)}}}})
}

func (c *account) kindOf(number string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.items[number]; i != nil {
		return i.kind
	}
	return "product"
}

// addHook sets up a webhook, with a token of its own unless one is given.
func (c *account) addHook(event, address, plugin, token string, active bool) *rackbeatHook {
	if token == "" {
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		text := make([]byte, 32)
		for i := range text {
			text[i] = letters[c.sandbox().intn(len(letters))]
		}
		token = string(text)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	h := &rackbeatHook{id: int64(c.made), event: event, url: address, plugin: plugin, token: token, active: active, created: c.faults().now()}
	c.hooks = append(c.hooks, h)
	return h
}

// webhooksCall serves the API of webhooks, the only part of Rackbeat's that is written to
// here: by people, never by lagerd.
func (c *account) webhooksCall(q request, r *http.Request) answer {
	switch {
	case r.Method == http.MethodGet && q.is("webhooks"):
		return c.listHooks(q)
	case r.Method == http.MethodPost && q.is("webhooks"):
		return c.newHook(q, r)
	case r.Method == http.MethodGet && q.is("webhooks", "*", "logs"):
		return c.listLogs(q)
	case !q.is("webhooks", "*"):
		return q.notFound()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.hookNamed(q.path[1])
	switch {
	case at < 0:
		return q.notFound()
	case r.Method == http.MethodGet:
		return q.answer(http.StatusOK, object{{"webhook", c.hooks[at].object()}})
	case r.Method == http.MethodDelete:
		c.hooks = slices.Delete(c.hooks, at, at+1)
		return answer{status: http.StatusNoContent, contentType: "application/json"}
	}
	return q.problem(http.StatusMethodNotAllowed, "The "+r.Method+" method is not supported for this route.")
}

// hookNamed returns the index of the webhook that a path names, or -1. c.mu is held.
func (c *account) hookNamed(text string) int {
	return slices.IndexFunc(c.hooks, func(h *rackbeatHook) bool { return strconv.FormatInt(h.id, 10) == text })
}

// newHook sets up a webhook as a person does.
func (c *account) newHook(q request, r *http.Request) answer {
	var form struct {
		Event    string `json:"event"`
		URL      string `json:"url"`
		IsActive *bool  `json:"is_active"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	if err == nil {
		err = json.Unmarshal(body, &form)
	}
	address, bad := url.Parse(form.URL)
	switch {
	case err != nil:
		return q.problem(http.StatusBadRequest, "The body is not JSON.")
	case form.Event == "":
		return q.invalid("event", "The event field is required.")
	case bad != nil || address.Host == "" || !strings.HasPrefix(address.Scheme, "http"):
		return q.invalid("url", "The url format is invalid.")
	}
	h := c.addHook(form.Event, form.URL, "", "", form.IsActive == nil || *form.IsActive)
	c.mu.Lock()
	defer c.mu.Unlock()
	return q.answer(http.StatusCreated, object{{"webhook", h.object()}})
}

func (h *rackbeatHook) object() object {
	return object{{"id", h.id}, {"event", h.event}, {"url", h.url}, {"is_active", h.active}, {"plugin", orNull(h.plugin)},
		{"failures_since_last_success", h.failures}, {"token", h.token}, {"created_at", moment(h.created)}, {"updated_at", moment(h.created)}}
}

func (c *account) listHooks(q request) answer {
	p, bad := q.page([]string{"id"})
	if bad != nil {
		return *bad
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	page := c.rows(p, len(c.hooks), q.f)
	list := make([]object, 0, page.to-page.from)
	for _, h := range c.hooks[page.from:page.to] {
		list = append(list, h.object().only(p.fields))
	}
	return q.list(p, "webhooks", list, len(c.hooks))
}

// listLogs answers a webhook's tries, the newest first. How the real ones look is not known.
func (c *account) listLogs(q request) answer {
	p, bad := q.page(nil)
	if bad != nil {
		return *bad
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.hookNamed(q.path[1])
	if at < 0 {
		return q.notFound()
	}
	h := c.hooks[at]
	logs := slices.Clone(h.logs)
	slices.Reverse(logs)
	page := c.rows(p, len(logs), q.f)
	list := make([]object, 0, page.to-page.from)
	for _, l := range logs[page.from:page.to] {
		list = append(list, object{{"id", l.id}, {"webhook_id", h.id}, {"status", l.status}, {"attempt", l.try}, {"body", l.body}, {"created_at", moment(l.at)}})
	}
	return q.list(p, "logs", list, len(logs))
}

// pasteHooks sets up lagerd's webhooks as a shop owner would.
func (c *account) pasteHooks(p rackbeatPasting) []madeHook {
	if p.Events == nil {
		p.Events = []string{inventoryChanged, productCreated, productUpdated, orderCreated}
	}
	address := fmt.Sprintf("%s/webhooks.php?type=rackbeatStock&username=%s&password=%s",
		strings.TrimSuffix(p.BaseURL, "/"), url.QueryEscape(p.Username), url.QueryEscape(p.Password))
	made := []madeHook{}
	for _, event := range p.Events {
		h := c.addHook(event, address, "", p.Token, true)
		made = append(made, madeHook{h.id, h.event, h.token})
	}
	return made
}

// rackbeatPasting is a request to set up lagerd's webhooks.
type rackbeatPasting struct {
	BaseURL  string   `json:"baseURL"`
	Username string   `json:"username"`
	Password string   `json:"password"`
	Events   []string `json:"events"` // nil: all known
	Token    string   `json:"token"`  // of all of them; "": each has its own
}

type madeHook struct {
	ID    int64  `json:"id"`
	Event string `json:"event"`
	Token string `json:"token"`
}

// hookSetting changes webhooks: that of the id, or all for 0.
type hookSetting struct {
	ID     int64 `json:"id"`
	Active *bool `json:"active"`
	Delete bool  `json:"delete"`
}

func (c *account) setHooks(q hookSetting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hooks {
		if q.Active != nil && (q.ID == 0 || h.id == q.ID) {
			h.active = *q.Active
		}
	}
	if q.Delete {
		c.hooks = slices.DeleteFunc(c.hooks, func(h *rackbeatHook) bool { return q.ID == 0 || h.id == q.ID })
	}
}

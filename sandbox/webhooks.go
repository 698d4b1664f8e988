package sandbox

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// hook is a webhook: entered by a person, or set up by an app through the webhooks API.
type hook struct {
	EventType        string         `json:"eventType"`
	Name             string         `json:"name"`
	URL              string         `json:"url"`
	ContentType      string         `json:"contentType"`
	PostData         string         `json:"postData,omitempty"`
	CustomHeaders    []customHeader `json:"customHeaders,omitempty"`
	IsDisabled       bool           `json:"isDisabled,omitempty"` // false is left out
	LastDisabledDate string         `json:"lastDisabledDate,omitempty"`
	LastUpdated      string         `json:"lastUpdated,omitempty"`
	ObjectVersion    string         `json:"objectVersion,omitempty"`

	failed *atomic.Int64 // how many calls in a row were given up
}

// customHeader is a header that a webhook is called with.
type customHeader struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// webhookStats counts an agreement's webhooks by outcome.
type webhookStats struct {
	Fired   int         `json:"fired"`
	Lost    int         `json:"lost"`
	Doubled int         `json:"doubled"`
	Late    int         `json:"late"`
	Sent    int         `json:"sent"`   // answered with 2xx
	Failed  int         `json:"failed"` // given up after some tries
	Status  map[int]int `json:"byStatus"`
}

// mergeField is the placeholder that e-conomic replaces in the sent data.
var mergeField = map[string]string{inventoryUpdated: "[NUMBER]", invoiceBooked: "[INVOICENO]"}

// fire sends an event's webhook, unless chance loses it.
func (a *agreement) fire(eventType, number string) {
	f := a.faults()
	for _, hooks := range []map[string]*hook{a.hooks, a.made} {
		a.mu.Lock()
		h := hooks[eventType]
		on := h != nil && !h.IsDisabled
		if on {
			a.sent.Fired++
		}
		a.mu.Unlock()
		if on {
			a.call(h, number, f)
		}
	}
}

// call sends a webhook, unless chance loses it.
func (a *agreement) call(h *hook, number string, f *Faults) {
	s := a.sandbox
	what := s.fateOf(f.Lose, f.Double, f.Late, f.Reorder, time.Duration(f.LateBy))
	a.set(func() { a.sent.count(what.name) })
	s.events.add(Event{Agreement: a.number, Kind: "webhook", Number: number, Webhook: h.EventType, Fate: what.name})
	answered := func(status, tries int) time.Duration {
		again := a.answered(status, tries)
		if again == 0 {
			a.judge(h, status)
		}
		return again
	}
	for range what.copies {
		s.sender.send(delivery{request: h.request(number, f), answered: answered}, what.delay)
	}
}

// judge switches a webhook off once so many of its calls in a row were given up as the fault says.
func (a *agreement) judge(h *hook, status int) {
	most := a.faults().DisableAfter
	if h.failed == nil || most <= 0 {
		return
	}
	if good(status) {
		h.failed.Store(0)
		return
	}
	if h.failed.Add(1) < int64(most) {
		return
	}
	a.set(func() {
		if a.made[h.EventType] == h {
			a.replace(h.disabled(a.now()))
		}
	})
}

// disabled returns the webhook switched off at a time.
func (h hook) disabled(now time.Time) *hook {
	h.IsDisabled, h.LastDisabledDate = true, now.UTC().Format(apiTime)
	return &h
}

// fate is what happens to a webhook.
type fate struct {
	name   string // sent, lost, doubled, late
	copies int
	delay  time.Duration
}

// fateOf decides what happens to a webhook, given the probabilities of the faults.
func (s *Sandbox) fateOf(lose, double, late, reorder float64, lateBy time.Duration) fate {
	switch {
	case s.chance(lose):
		return fate{name: "lost"}
	case s.chance(double):
		return fate{name: "doubled", copies: 2}
	case s.chance(late):
		return fate{name: "late", copies: 1, delay: time.Duration(1+s.intn(int(max(1, lateBy.Milliseconds())))) * time.Millisecond}
	case s.chance(reorder):
		return fate{name: "sent", copies: 1, delay: 50 * time.Millisecond}
	}
	return fate{name: "sent", copies: 1}
}

func (w *webhookStats) count(fate string) {
	switch fate {
	case "lost":
		w.Lost++
	case "doubled":
		w.Doubled++
	case "late":
		w.Late++
	}
}

// answered counts a webhook that was answered with 2xx, or given up.
func (w *webhookStats) answered(status int) {
	if w.Status == nil {
		w.Status = map[int]int{}
	}
	w.Status[status]++
	if good(status) {
		w.Sent++
	} else {
		w.Failed++
	}
}

func good(status int) bool { return status >= 200 && status < 300 }

// delivery is a webhook to be sent.
type delivery struct {
	request func(context.Context) (*http.Request, error)
	// answered receives the status of the nth try, 0 if there was no answer. It returns
	// how long to wait before the next; 0: there is none.
	answered func(status, tries int) (again time.Duration)
	tries    int
}

// sender sends webhooks, sendAtOnce concurrently and in no particular order. The others
// wait in memory.
type sender struct {
	client *http.Client
	ctx    context.Context
	stop   context.CancelFunc

	mu      sync.Mutex
	queue   []delivery
	sending int // sending goroutines
	running sync.WaitGroup
}

const (
	sendAtOnce = 64
	sendTries  = 4
)

// newSender returns a sender that waits as long as connect for a connection, 15 s for an
// answer, and as long as whole for both.
func newSender(connect, whole time.Duration) *sender {
	ctx, stop := context.WithCancel(context.Background())
	return &sender{ctx: ctx, stop: stop, client: &http.Client{
		Timeout: whole,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: connect}).DialContext, ResponseHeaderTimeout: 15 * time.Second,
			MaxIdleConnsPerHost: sendAtOnce, MaxConnsPerHost: sendAtOnce},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// close drops queued webhooks and waits for those in flight.
func (w *sender) close() {
	w.mu.Lock()
	w.stop()
	w.queue = nil
	w.mu.Unlock()
	w.running.Wait()
	w.client.CloseIdleConnections()
}

// send queues a webhook after delay. It does not block.
func (w *sender) send(d delivery, delay time.Duration) {
	if delay > 0 {
		time.AfterFunc(delay, func() { w.send(d, 0) })
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	w.queue = append(w.queue, d)
	if w.sending < sendAtOnce {
		w.sending++
		w.running.Go(w.work)
	}
}

// work sends queued webhooks until the queue is empty.
func (w *sender) work() {
	for {
		w.mu.Lock()
		if len(w.queue) == 0 {
			w.queue = nil // frees the memory of a burst
			w.sending--
			w.mu.Unlock()
			return
		}
		d := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Unlock()
		w.deliver(d)
	}
}

// deliver sends a webhook, and again later if its sender wants that.
func (w *sender) deliver(d delivery) {
	status := w.try(d)
	if w.ctx.Err() != nil {
		return
	}
	d.tries++
	if again := d.answered(status, d.tries); again > 0 {
		w.send(d, again)
	}
}

// try sends a webhook once and returns the status, or 0 if there is no answer.
func (w *sender) try(d delivery) int {
	req, err := d.request(w.ctx)
	if err != nil {
		return 0
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return res.StatusCode
}

// answered retries a webhook a few times, with a delay, if it is not answered with 2xx.
func (a *agreement) answered(status, tries int) (again time.Duration) {
	if !good(status) && tries < sendTries {
		return time.Duration(tries) * 500 * time.Millisecond
	}
	a.set(func() { a.sent.answered(status) })
	return 0
}

// request returns how to send a webhook about a number. A hook is replaced, never modified.
func (h *hook) request(number string, f *Faults) func(context.Context) (*http.Request, error) {
	return func(ctx context.Context) (*http.Request, error) {
		data := strings.ReplaceAll(h.PostData, mergeField[h.EventType], merged(number, f))
		method, target, body := http.MethodPost, h.URL, io.Reader(strings.NewReader(data))
		if f.UseGET {
			method, target, body = http.MethodGet, strings.TrimSuffix(target, "?")+"?"+data, nil
		}
		req, err := http.NewRequestWithContext(ctx, method, target, body)
		if err != nil {
			return nil, err
		}
		if h.ContentType != "" {
			req.Header.Set("Content-Type", h.ContentType)
		}
		for _, custom := range h.CustomHeaders {
			req.Header.Set(custom.Key, custom.Value)
		}
		return req, nil
	}
}

// merged returns a number as merged into the sent data. Whether e-conomic encodes it,
// and in which character set, is not known.
func merged(number string, f *Faults) string {
	switch {
	case f.Raw:
		return number
	case f.Latin1:
		if b, err := charmap.Windows1252.NewEncoder().String(number); err == nil && utf8.ValidString(number) {
			return url.QueryEscape(b)
		}
	}
	return url.QueryEscape(number)
}

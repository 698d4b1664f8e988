package sandbox

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// hook is a webhook that the shop owner has set up; e-conomic has one per event type
// and agreement.
type hook struct {
	EventType     string `json:"eventType"`
	Name          string `json:"name"`
	URL           string `json:"url"`
	ContentType   string `json:"contentType"`
	PostData      string `json:"postData,omitempty"`
	IsDisabled    bool   `json:"isDisabled"`
	LastUpdated   string `json:"lastUpdated,omitempty"`
	ObjectVersion string `json:"objectVersion,omitempty"`
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
	a.mu.Lock()
	h := a.hooks[eventType]
	if h == nil || h.IsDisabled {
		a.mu.Unlock()
		return
	}
	d := delivery{agreement: a, hook: h, number: number, faults: f}
	a.sent.Fired++
	a.mu.Unlock()

	s := a.sandbox
	fate, delay, copies := "sent", time.Duration(0), 1
	switch {
	case s.chance(f.Lose):
		fate, copies = "lost", 0
	case s.chance(f.Double):
		fate, copies = "doubled", 2
	case s.chance(f.Late):
		fate, delay = "late", time.Duration(1+s.intn(int(max(1, time.Duration(f.LateBy).Milliseconds()))))*time.Millisecond
	case s.chance(f.Reorder):
		delay = 50 * time.Millisecond
	}
	a.mu.Lock()
	switch fate {
	case "lost":
		a.sent.Lost++
	case "doubled":
		a.sent.Doubled++
	case "late":
		a.sent.Late++
	}
	a.mu.Unlock()
	s.events.add(Event{Agreement: a.number, Kind: "webhook", Number: number, Webhook: eventType, Fate: fate})
	for range copies {
		s.sender.send(d, delay)
	}
}

// delivery is a webhook to be sent.
type delivery struct {
	agreement *agreement
	hook      *hook // at the time of the event: a hook is replaced, never modified
	number    string
	faults    *Faults
	tries     int
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

func newSender() *sender {
	ctx, stop := context.WithCancel(context.Background())
	return &sender{ctx: ctx, stop: stop, client: &http.Client{
		Timeout:       15 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: sendAtOnce, MaxConnsPerHost: sendAtOnce},
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

// deliver sends a webhook, and retries it a few times, with a delay, if it is not
// answered with 2xx.
func (w *sender) deliver(d delivery) {
	status := w.try(d)
	if w.ctx.Err() != nil {
		return
	}
	good := status >= 200 && status < 300
	if d.tries++; !good && d.tries < sendTries {
		w.send(d, time.Duration(d.tries)*500*time.Millisecond)
		return
	}
	d.agreement.delivered(status, good)
}

func (a *agreement) delivered(status int, good bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sent.Status == nil {
		a.sent.Status = map[int]int{}
	}
	a.sent.Status[status]++
	if good {
		a.sent.Sent++
	} else {
		a.sent.Failed++
	}
}

// try sends a webhook once and returns the status, or 0 if there is no answer.
func (w *sender) try(d delivery) int {
	data := strings.ReplaceAll(d.hook.PostData, mergeField[d.hook.EventType], merged(d.number, d.faults))
	method, target, body := http.MethodPost, d.hook.URL, io.Reader(strings.NewReader(data))
	if d.faults.UseGET {
		method, target, body = http.MethodGet, strings.TrimSuffix(target, "?")+"?"+data, nil
	}
	req, err := http.NewRequestWithContext(w.ctx, method, target, body)
	if err != nil {
		return 0
	}
	if d.hook.ContentType != "" {
		req.Header.Set("Content-Type", d.hook.ContentType)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	return res.StatusCode
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

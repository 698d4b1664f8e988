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

// hook is a webhook as the shop owner has set it up; e-conomic has one for an
// event type and agreement.
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

// webhookStats count what became of an agreement's webhooks.
type webhookStats struct {
	Fired   int         `json:"fired"`
	Lost    int         `json:"lost"`
	Doubled int         `json:"doubled"`
	Late    int         `json:"late"`
	Sent    int         `json:"sent"`   // answered with 2xx
	Failed  int         `json:"failed"` // given up after some tries
	Status  map[int]int `json:"byStatus"`
}

// mergeField is what e-conomic replaces in the sent data.
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
	d := delivery{agreement: a, hook: *h, number: number, faults: f}
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

// delivery is one webhook on its way.
type delivery struct {
	agreement *agreement
	hook      hook
	number    string
	faults    Faults
}

// sender sends webhooks, many at once, in no certain order.
type sender struct {
	sandbox *Sandbox
	client  *http.Client
	ctx     context.Context
	stop    context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup
}

const (
	sendAtOnce = 64
	sendTries  = 4
)

func newSender(s *Sandbox) *sender {
	ctx, stop := context.WithCancel(context.Background())
	return &sender{sandbox: s, ctx: ctx, stop: stop, slots: make(chan struct{}, sendAtOnce), client: &http.Client{
		Timeout:       15 * time.Second,
		Transport:     &http.Transport{MaxIdleConnsPerHost: sendAtOnce, MaxConnsPerHost: sendAtOnce},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *sender) close() {
	w.stop()
	w.running.Wait()
	w.client.CloseIdleConnections()
}

func (w *sender) send(d delivery, delay time.Duration) {
	w.running.Go(func() {
		if !w.sleep(delay) {
			return
		}
		select {
		case w.slots <- struct{}{}:
			defer func() { <-w.slots }()
		case <-w.ctx.Done():
			return
		}
		status := 0
		for try := range sendTries {
			if try > 0 && !w.sleep(time.Duration(try)*500*time.Millisecond) {
				return
			}
			if status = w.try(d); status >= 200 && status < 300 {
				break
			}
		}
		a := d.agreement
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.sent.Status == nil {
			a.sent.Status = map[int]int{}
		}
		a.sent.Status[status]++
		if status >= 200 && status < 300 {
			a.sent.Sent++
		} else {
			a.sent.Failed++
		}
	})
}

func (w *sender) sleep(d time.Duration) bool {
	if d <= 0 {
		return w.ctx.Err() == nil
	}
	select {
	case <-w.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// try sends once and returns the status, 0 without an answer.
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

// merged is a value as it stands in the sent data. Whether e-conomic encodes
// it, and in which character set, is not known.
func merged(number string, f Faults) string {
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

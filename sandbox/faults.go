package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Duration is a time.Duration written as "1.5s" in JSON.
type Duration time.Duration

// MarshalJSON writes it in Go's syntax.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads it in Go's syntax.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("expected a duration such as \"1.5s\": %w", err)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

// Faults configures how the sandbox misbehaves. Probabilities are from 0 to 1, per
// request or webhook. Some faults apply to all agreements, and an agreement can
// override them with its own: see ownFaults.
type Faults struct {
	// Answers of the API.
	RateLimit       float64        `json:"rateLimit"`       // 429 although the bucket is not empty
	NoRetryAfter    bool           `json:"noRetryAfter"`    // a 429 has no Retry-After
	ServerError     float64        `json:"serverError"`     // 500 in JSON, 502 in HTML or 503
	Unauthorized    float64        `json:"unauthorized"`    // 401
	Forbidden       float64        `json:"forbidden"`       // 403
	Slow            Duration       `json:"slow"`            // how long a slow answer takes
	SlowProbability float64        `json:"slowProbability"` // that an answer is slow
	Hang            Duration       `json:"hang"`            // an answer's first byte is delayed this long, or until this fault ends
	Cut             float64        `json:"cut"`             // the body breaks off
	Stall           float64        `json:"stall"`           // the body's last byte is not sent, until the caller leaves
	Garbled         float64        `json:"garbled"`         // the body is not JSON
	HalfPage        float64        `json:"halfPage"`        // half of a page's items are missing
	EmptyPage       float64        `json:"emptyPage"`       // all of a page's items are missing
	IgnoreFilter    float64        `json:"ignoreFilter"`    // a listing shows everything
	IgnoreSort      float64        `json:"ignoreSort"`      // a listing has its usual order
	Endless         float64        `json:"endless"`         // every page of a listing is the first, and has a next one
	Repeated        float64        `json:"repeated"`        // numbers occur twice in an item or invoice
	OddDates        float64        `json:"oddDates"`        // dates have another form
	Padding         int            `json:"padding"`         // MiB by which an answer is longer
	NoLimitHeaders  bool           `json:"noLimitHeaders"`  // X-RateLimiting is absent, X-CallCost not a number
	Force           map[string]int `json:"force"`           // the next n answers have the fault of that name

	// Items in answers.
	ZeroStock bool     `json:"zeroStock"` // every inventory figure is 0
	NoFigures bool     `json:"noFigures"` // inventory blocks are missing
	Truncate  float64  `json:"truncate"`  // this share of the items, the last ones, is missing from a listing without a filter, and from its results
	Poison    []string `json:"poison"`    // an answer with only this item is a 500; in a page its inStock is the string "x"

	// Reads that lag behind writes.
	ReadLag       Duration `json:"readLag"`       // how long after its webhook a change becomes readable
	InvoiceLag    Duration `json:"invoiceLag"`    // how long after booking a late invoice becomes readable
	LateInvoice   float64  `json:"lateInvoice"`   // share of invoices that become readable late
	PDFLag        Duration `json:"pdfLag"`        // how long after booking a PDF answers 404
	PDFHTML       float64  `json:"pdfHTML"`       // HTML with status 200 instead of a PDF
	PDFCut        float64  `json:"pdfCut"`        // a truncated PDF with a matching Content-Length
	ClockSkew     Duration `json:"clockSkew"`     // how far e-conomic's clock is ahead
	FrozenUpdated bool     `json:"frozenUpdated"` // stock movements do not change lastUpdated

	// Webhooks.
	Lose    float64  `json:"lose"`
	Double  float64  `json:"double"`
	Late    float64  `json:"late"`
	LateBy  Duration `json:"lateBy"` // at most
	Reorder float64  `json:"reorder"`
	Raw     bool     `json:"raw"`    // merged values are not percent-encoded
	Latin1  bool     `json:"latin1"` // percent-encoded as Windows-1252
	UseGET  bool     `json:"useGET"` // the data goes into the query, as in older documentation

	// The webhooks API. A forced webhookConflict is a change by somebody else just before an update.
	WebhooksForbidden bool `json:"webhooksForbidden"` // 403: the app is not a super-user
	NoInventoryEvent  bool `json:"noInventoryEvent"`  // there is no event type for stock
	BareMergeFields   bool `json:"bareMergeFields"`   // event types name merge fields without brackets
	SlotPerApp        bool `json:"slotPerApp"`        // what others have set up does not take an event type's only webhook
	HideHeaders       bool `json:"hideHeaders"`       // a webhook is shown without its headers
	WebhookPages      bool `json:"webhookPages"`      // a page of webhooks has one
	PlainWebhooks     bool `json:"plainWebhooks"`     // an address may be http
	DisableAfter      int  `json:"disableAfter"`      // a webhook is switched off after so many calls that were given up; 0: never
}

// faultSet is a set of faults: of e-conomic (Faults) or of Rackbeat (RackbeatFaults).
type faultSet[F any] interface {
	*F
	clone() F               // a copy that shares nothing that may be modified
	forces() map[string]int // the next n answers have the fault of that name
	validate() error
}

// faultBox holds the faults of all agreements. They are read often and changed
// rarely: get takes no lock, and the value it returns is replaced, never modified.
type faultBox[F any, P faultSet[F]] struct {
	changing sync.Mutex
	faults   atomic.Pointer[F]
}

func (b *faultBox[F, P]) get() *F {
	if f := b.faults.Load(); f != nil {
		return f
	}
	b.faults.CompareAndSwap(nil, new(F))
	return b.faults.Load()
}

func (b *faultBox[F, P]) change(how func(*F) error) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	next := P(b.get()).clone()
	if err := how(&next); err != nil {
		return err
	}
	b.faults.Store(&next)
	return nil
}

// forced consumes one forced fault of that name and reports whether there was one.
func (b *faultBox[F, P]) forced(name string) (taken bool) {
	if P(b.get()).forces()[name] <= 0 {
		return false
	}
	_ = b.change(func(f *F) error {
		if force := P(f).forces(); force[name] > 0 {
			taken = true
			force[name]--
		}
		return nil
	})
	return taken
}

// merge sets the faults that the JSON names and leaves the others.
func (b *faultBox[F, P]) merge(raw []byte) error {
	return b.change(func(f *F) error { return setFaults[F, P](f, raw) })
}

func (b *faultBox[F, P]) clear() {
	_ = b.change(func(f *F) error { *f = *new(F); return nil })
}

func (f *Faults) clone() Faults {
	c := *f
	c.Force, c.Poison = maps.Clone(f.Force), slices.Clone(f.Poison)
	return c
}

func (f *Faults) forces() map[string]int { return f.Force }

func (f *Faults) validate() error { return nil }

// setFaults sets the faults that the JSON names.
func setFaults[F any, P faultSet[F]](f *F, raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	return P(f).validate()
}

// ownFaults are the faults of one agreement. The faults they name override those of
// all agreements, even if the latter change later; forced ones are counted separately
// and consumed first.
type ownFaults[F any, P faultSet[F]] struct {
	changing sync.Mutex
	named    map[string]json.RawMessage
	force    map[string]int
	laid     atomic.Pointer[laidFaults[F]] // nil: no own faults
}

// laidFaults are an agreement's faults merged over a snapshot of those of all
// agreements.
type laidFaults[F any] struct {
	all    *F
	faults F
}

// get returns the agreement's faults. It is almost free for an agreement without its
// own.
func (o *ownFaults[F, P]) get(all *F) *F {
	switch laid := o.laid.Load(); {
	case laid == nil:
		return all
	case laid.all == all:
		return &laid.faults
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	if o.named == nil { // cleared meanwhile
		return all
	}
	return o.lay(all)
}

func (o *ownFaults[F, P]) lay(all *F) *F {
	laid := &laidFaults[F]{all: all, faults: P(all).clone()}
	for name, value := range o.named {
		// merge has validated it.
		_ = setFaults[F, P](&laid.faults, fmt.Appendf(nil, "{%q:%s}", name, value))
	}
	o.laid.Store(laid)
	return &laid.faults
}

// merge sets the faults that the JSON names and leaves the others.
func (o *ownFaults[F, P]) merge(raw []byte, all *F) error {
	var next F
	named := map[string]json.RawMessage{}
	if err := errors.Join(setFaults[F, P](&next, raw), json.Unmarshal(raw, &named)); err != nil {
		return err
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	if o.named == nil {
		o.named, o.force = map[string]json.RawMessage{}, map[string]int{}
	}
	delete(named, "force")
	maps.Copy(o.named, named)
	maps.Copy(o.force, P(&next).forces())
	o.lay(all)
	return nil
}

func (o *ownFaults[F, P]) clear() {
	o.changing.Lock()
	defer o.changing.Unlock()
	o.named, o.force = nil, nil
	o.laid.Store(nil)
}

// forced consumes one of the agreement's own forced faults of that name.
func (o *ownFaults[F, P]) forced(name string) bool {
	if o.laid.Load() == nil {
		return false
	}
	o.changing.Lock()
	defer o.changing.Unlock()
	if o.force[name] <= 0 {
		return false
	}
	o.force[name]--
	return true
}

func (a *agreement) faults() *Faults { return a.own.get(a.sandbox.faults.get()) }

// strikes reports whether the fault of that name and probability applies to an answer
// of the agreement; a is nil if the request has none.
func (s *Sandbox) strikes(a *agreement, probability float64, name string) bool {
	return s.chance(probability) || a != nil && a.own.forced(name) || s.faults.forced(name)
}

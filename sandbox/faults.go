package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Duration is a time.Duration that is written 1.5s in JSON.
type Duration time.Duration

// MarshalJSON writes it as Go does.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads it as Go does.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("expected a duration such as \"1.5s\": %w", err)
	}
	v, err := time.ParseDuration(s)
	*d = Duration(v)
	return err
}

// Faults say how the sandbox misbehaves. Probabilities are from 0 to 1, each
// for one request or one webhook.
type Faults struct {
	// Answers of the API.
	RateLimit       float64        `json:"rateLimit"`       // 429 though the bucket is not empty
	NoRetryAfter    bool           `json:"noRetryAfter"`    // a 429 does not say when to come again
	ServerError     float64        `json:"serverError"`     // 500 in JSON, 502 in HTML or 503
	Unauthorized    float64        `json:"unauthorized"`    // 401
	Forbidden       float64        `json:"forbidden"`       // 403
	Slow            Duration       `json:"slow"`            // how long a slow answer takes
	SlowProbability float64        `json:"slowProbability"` // that an answer is slow
	Cut             float64        `json:"cut"`             // the body breaks off
	Garbled         float64        `json:"garbled"`         // the body is not JSON
	HalfPage        float64        `json:"halfPage"`        // half of a page's items are left out
	EmptyPage       float64        `json:"emptyPage"`       // all of them
	NoLimitHeaders  bool           `json:"noLimitHeaders"`  // X-RateLimiting is absent, X-CallCost not a number
	Force           map[string]int `json:"force"`           // the next n answers have the fault of that name

	// The reading side.
	ReadLag       Duration `json:"readLag"`       // how long after its webhook a change can be read
	InvoiceLag    Duration `json:"invoiceLag"`    // how long after booking an invoice surfaces
	LateInvoice   float64  `json:"lateInvoice"`   // share of invoices that surface late
	PDFLag        Duration `json:"pdfLag"`        // how long after booking a PDF answers 404
	PDFHTML       float64  `json:"pdfHTML"`       // HTML with status 200 instead of a PDF
	PDFCut        float64  `json:"pdfCut"`        // a truncated PDF with a right Content-Length
	ClockSkew     Duration `json:"clockSkew"`     // how far e-conomic's clock is ahead
	FrozenUpdated bool     `json:"frozenUpdated"` // stock movements do not move lastUpdated

	// Webhooks.
	Lose    float64  `json:"lose"`
	Double  float64  `json:"double"`
	Late    float64  `json:"late"`
	LateBy  Duration `json:"lateBy"` // at most
	Reorder float64  `json:"reorder"`
	Raw     bool     `json:"raw"`    // merged values are not percent-encoded
	Latin1  bool     `json:"latin1"` // percent-encoded as Windows-1252
	UseGET  bool     `json:"useGET"` // the data goes into the query, as in older descriptions
}

type faultBox struct {
	mu sync.Mutex
	f  Faults
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.f
	f.Force = maps.Clone(f.Force)
	return f
}

func (b *faultBox) set(change func(*Faults)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.f)
}

// forced takes one of the forced faults of that name.
func (b *faultBox) forced(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.f.Force[name] <= 0 {
		return false
	}
	b.f.Force[name]--
	return true
}

// merge sets the faults that the JSON names and leaves the others.
func (b *faultBox) merge(raw []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.f
	next.Force = maps.Clone(next.Force)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&next); err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	b.f = next
	return nil
}

func (b *faultBox) clear() { b.set(func(f *Faults) { *f = Faults{} }) }

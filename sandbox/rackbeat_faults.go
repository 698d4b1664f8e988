package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// RackbeatFaults configures how the sandbox's Rackbeat answers: how it misbehaves, and
// each thing that is not known of the real one, whose zero value is the default.
// Probabilities are from 0 to 1, per request or webhook. An account's own override those
// of all accounts.
type RackbeatFaults struct {
	// Answers of the API.
	CallsPerMinute  int            `json:"callsPerMinute"`  // per key; 0: as the sandbox was started
	RateLimit       float64        `json:"rateLimit"`       // 429 although calls are left
	RetryAfter      string         `json:"retryAfter"`      // of a 429: "seconds" (default), "date", "none"
	ServerError     float64        `json:"serverError"`     // 500 in JSON, 502 in HTML or 503
	Unauthorized    float64        `json:"unauthorized"`    // 401
	Forbidden       float64        `json:"forbidden"`       // 403
	HTML            float64        `json:"html"`            // a page in HTML with status 200
	HTMLErrors      bool           `json:"htmlErrors"`      // 401, 404, 422 and 429 come in HTML, as from a gateway
	Slow            Duration       `json:"slow"`            // how long a slow answer takes
	SlowProbability float64        `json:"slowProbability"` // that an answer is slow
	Hang            Duration       `json:"hang"`            // an answer's first byte is delayed this long, or until this fault ends
	Cut             float64        `json:"cut"`             // the body breaks off
	Stall           float64        `json:"stall"`           // the body's last byte is not sent, until the caller leaves
	Garbled         float64        `json:"garbled"`         // the body is not JSON
	HalfPage        float64        `json:"halfPage"`        // half of a page's rows are missing; total stays
	EmptyPage       float64        `json:"emptyPage"`       // all of a page's rows are missing
	Endless         float64        `json:"endless"`         // every page is the first, and another one follows
	OtherItem       float64        `json:"otherItem"`       // a single read answers another item
	Padding         int            `json:"padding"`         // MiB by which an answer is longer
	MissingKeys     []string       `json:"missingKeys"`     // keys of these names are absent, wherever they stand
	Force           map[string]int `json:"force"`           // the next n answers have the fault of that name

	// The form of answers.
	Partial        string `json:"partial"`        // 206 instead of 200 for a list: of more "pages" than one (default), "always", "never"
	IntegerNumbers bool   `json:"integerNumbers"` // item numbers that look like an integer are one
	TextPlaces     bool   `json:"textPlaces"`     // numbers of places are text
	PlaceIDs       bool   `json:"placeIDs"`       // places have an id, which is what parent_id names
	TextFigures    bool   `json:"textFigures"`    // figures are text
	Decimals       int    `json:"decimals"`       // least decimals of a figure
	ISOTimes       bool   `json:"isoTimes"`       // times have an offset
	Filters        bool   `json:"filters"`        // updated_at_from and updated_at_to are accepted with items, not 422
	MaxLimit       int    `json:"maxLimit"`       // rows in a page at most, whatever was asked for; 0: 1000
	EncodedSlash   bool   `json:"encodedSlash"`   // %2F in a path is part of a number, not a slash
	CheckingTotal  bool   `json:"checkingTotal"`  // the report has total, limit and page as lists have
	CheckingOrder  string `json:"checkingOrder"`  // an order of the report is "ignored", "refused" (422), or always "backwards" by number; default: obeyed
	CheckingFigure bool   `json:"checkingFigure"` // the report's items have available_quantity

	// Items in answers.
	Figures        string   `json:"figures"`        // of items: "absent", "null"; default: there
	ZeroStock      bool     `json:"zeroStock"`      // every figure is 0
	Poison         []string `json:"poison"`         // this item alone is a 500; in a page its stock_quantity is "x"
	Truncate       float64  `json:"truncate"`       // this share of the items, the last ones, is missing from lists and totals
	Deleted        string   `json:"deleted"`        // a deleted item is "gone" (default; 404), shown "alone", or "listed", with deleted_at
	OwnPlaces      bool     `json:"ownPlaces"`      // a place's figure leaves out what lies in the places below it
	UnevenPlaces   []string `json:"unevenPlaces"`   // the places of these items hold one more together than the item; "*": of all
	OccupiedPlaces bool     `json:"occupiedPlaces"` // an item's places are those that hold some of it
	CreatePaging   float64  `json:"createPaging"`   // before a later page an item is created that is first by number
	DeletePaging   float64  `json:"deletePaging"`   // before a later page an item of the first is deleted

	// Reads that lag behind writes, and clocks.
	ReadLag       Duration `json:"readLag"`       // how long after its webhook a change becomes readable
	ClockSkew     Duration `json:"clockSkew"`     // how far Rackbeat's clock is ahead
	FrozenUpdated bool     `json:"frozenUpdated"` // updated_at does not move with stock

	// Webhooks.
	Suppress     float64  `json:"suppress"` // the writer wanted no event
	Lose         float64  `json:"lose"`
	Double       float64  `json:"double"`
	Late         float64  `json:"late"`
	LateBy       Duration `json:"lateBy"` // at most
	Reorder      float64  `json:"reorder"`
	Body         string   `json:"body"`         // "stock", "number", "documented", "none" (names no number), "mixed"; default: "stock" of stock, else "documented"
	OrderChanges bool     `json:"orderChanges"` // a new order is an inventory.changed too
	FirstRetry   Duration `json:"firstRetry"`   // after a failed try; 0: 10s
}

func (f *RackbeatFaults) clone() RackbeatFaults {
	c := *f
	c.Force, c.Poison = maps.Clone(f.Force), slices.Clone(f.Poison)
	c.MissingKeys, c.UnevenPlaces = slices.Clone(f.MissingKeys), slices.Clone(f.UnevenPlaces)
	return c
}

func (f *RackbeatFaults) forces() map[string]int { return f.Force }

// validate returns an error for a choice that does not exist.
func (f *RackbeatFaults) validate() error {
	for _, c := range []struct {
		name, value string
		choices     []string
	}{
		{"retryAfter", f.RetryAfter, []string{"seconds", "date", "none"}},
		{"partial", f.Partial, []string{"pages", "always", "never"}},
		{"figures", f.Figures, []string{"absent", "null"}},
		{"checkingOrder", f.CheckingOrder, []string{"ignored", "refused", "backwards"}},
		{"deleted", f.Deleted, []string{"gone", "alone", "listed"}},
		{"body", f.Body, []string{"stock", "number", "documented", "none", "mixed"}},
	} {
		if c.value != "" && !slices.Contains(c.choices, c.value) {
			return fmt.Errorf("faults: %s is %q, expected one of %q", c.name, c.value, c.choices)
		}
	}
	return nil
}

func (f *RackbeatFaults) now() time.Time { return time.Now().Add(time.Duration(f.ClockSkew)).UTC() }

func (c *account) faults() *RackbeatFaults { return c.own.get(c.sandbox().rackbeatFaults.get()) }

// strikes reports whether the fault of that name and probability applies to an answer of
// the account.
func (c *account) strikes(probability float64, name string) bool {
	s := c.sandbox()
	return s.chance(probability) || c.own.forced(name) || s.rackbeatFaults.forced(name)
}

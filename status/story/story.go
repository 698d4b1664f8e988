package story

import (
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// Story is the life of one item or invoice. Its JSON is a contract: fields may be added.
type Story struct {
	Shop   string    `json:"shop"`
	Kind   plan.Kind `json:"kind"` // stock: of an item; invoice
	Number string    `json:"number"`
	ToldAt time.Time `json:"told_at"`
	Since  time.Time `json:"since"` // no event is older

	State   Shop      `json:"state"`
	Stored  Stored    `json:"stored"`
	Answer  Answer    `json:"answer"`
	Verdict Verdict   `json:"verdict"`
	Next    []Step    `json:"next"`
	Near    []Near    `json:"near,omitempty"`     // what may have been meant, if the number is not known
	LeftOut []LeftOut `json:"left_out,omitempty"` // of what happened since then
	Events  []Event   `json:"events"`             // oldest first
}

// LeftOut says that what happened before a time is not told, or not all of it.
type LeftOut struct {
	What   LeftOutWhat `json:"what"`
	Before time.Time   `json:"before"`
}

// LeftOutWhat says what is left out.
type LeftOutWhat string

// What can be left out.
const (
	LeftOutChanges  LeftOutWhat = "changes"
	LeftOutActions  LeftOutWhat = "actions"  // that are no requests
	LeftOutRequests LeftOutWhat = "requests" // to read the number
	LeftOutChecks   LeftOutWhat = "checks"   // of the whole shop, that people asked for
	LeftOutCalls    LeftOutWhat = "calls"    // of the shop's webhooks: only its latest ones are kept

	LeftOutObstacles LeftOutWhat = "obstacles" // failed reads and passes, and holds that have ended
)

// Shop is the state of the shop, as `lagerd status` shows it.
type Shop struct {
	State        string     `json:"state"`
	Reason       string     `json:"reason,omitempty"`
	LastGoodTick *time.Time `json:"last_good_tick"`
}

// Stored is what the database has: an item or an invoice, or neither.
type Stored struct {
	Item    *Item    `json:"item,omitempty"`
	Invoice *Invoice `json:"invoice,omitempty"`
	Former  []Former `json:"former,omitempty"` // invoices of that number from previous agreements
}

// Item is an item as it is stored.
type Item struct {
	Name         string              `json:"name"`
	State        plan.State          `json:"state"`
	Stock        decimal.NullDecimal `json:"stock"`  // null: there is no figure
	Figure       plan.Figure         `json:"figure"` // that the shop uses as its stock
	Source       store.StockSource   `json:"source"` // where it was read
	Figures      Figures             `json:"figures"`
	Places       []Place             `json:"places,omitempty"`
	FirstSeenAt  time.Time           `json:"first_seen_at"`
	ChangedAt    time.Time           `json:"changed_at"` // when stock or state last changed, as read
	RenumberedTo string              `json:"renumbered_to,omitempty"`
}

// Figures are all stock figures of an item; null: the source sent none.
type Figures struct {
	InStock              decimal.NullDecimal `json:"in_stock"`
	Available            decimal.NullDecimal `json:"available"`
	OrderedByCustomers   decimal.NullDecimal `json:"ordered_by_customers"`
	OrderedFromSuppliers decimal.NullDecimal `json:"ordered_from_suppliers"`
}

// Place is what is in one of the places that the shop has chosen at Rackbeat.
type Place struct {
	Place   string          `json:"place"`
	InStock decimal.Decimal `json:"in_stock"`
}

// Invoice is an invoice as it is stored.
type Invoice struct {
	Number      int64      `json:"number"`
	CreditNote  bool       `json:"credit_note"`
	Date        string     `json:"invoice_date"` // YYYY-MM-DD
	OrderNumber string     `json:"order_number"`
	Order       Order      `json:"order"`
	PDFState    string     `json:"pdf_state"` // pending, stored
	PDFSize     int        `json:"pdf_size"`  // bytes
	PDFSHA256   string     `json:"pdf_sha256,omitempty"`
	FoundAt     time.Time  `json:"found_at"`
	Tries       int        `json:"tries"` // failed ones at its lines or PDF
	TryAt       *time.Time `json:"try_at,omitempty"`
	Error       string     `json:"error,omitempty"` // of the last try
}

// Order is where the shop's order number is looked for.
type Order struct {
	Field   plan.OrderField `json:"field"`
	Text    string          `json:"text"` // of the field
	Pattern string          `json:"pattern,omitempty"`
}

// Former is an invoice with the same number, of an agreement that the shop had before.
type Former struct {
	Agreement   int64  `json:"agreement"`
	Date        string `json:"invoice_date"`
	OrderNumber string `json:"order_number"`
	PDFState    string `json:"pdf_state"`
}

// Answered says how the source answered.
type Answered string

// The answers.
const (
	AnsweredFound  Answered = "found"
	AnsweredAbsent Answered = "absent"    // it has no such number
	AnsweredError  Answered = "error"     // it could not be asked, or its answer not be understood
	NotAsked       Answered = "not_asked" // because of --offline, or of the shop's state
)

// Answer is what the source says right now.
type Answer struct {
	Source   string     `json:"source"` // e-conomic, Rackbeat
	Answered Answered   `json:"answered"`
	Error    string     `json:"error,omitempty"`
	AskedAt  *time.Time `json:"asked_at,omitempty"`
	Warning  string     `json:"warning,omitempty"` // fields that could not be understood

	State  plan.State          `json:"item_state,omitempty"`
	Stock  decimal.NullDecimal `json:"stock"`
	Places []Place             `json:"places,omitempty"`

	Date        string `json:"invoice_date,omitempty"`
	OrderNumber string `json:"order_number,omitempty"`

	Observation *plan.Observation `json:"-"` // of an item
}

// Verdict says whether the source and the database agree.
type Verdict string

// The verdicts.
const (
	Agree   Verdict = "agree"
	Differ  Verdict = "differ"
	Neither Verdict = "neither" // has such a number
	Unknown Verdict = "unknown" // the source did not answer
)

// StepWhat says what happens next.
type StepWhat string

// What can happen next. Those in the first group wait for a person.
const (
	StepResume StepWhat = "resume"      // the shop is paused
	StepStart  StepWhat = "start"       // no lagerd is running
	StepOff    StepWhat = "switched_on" // the part is off, or has no key
	StepUnhold StepWhat = "hold_ends"   // lagerd holds the shop or the part
	StepAsk    StepWhat = "asked_for"   // an invoice before the shop's start
	StepOrder  StepWhat = "no_order"    // an invoice has no order number

	StepTake    StepWhat = "taken"          // another lagerd takes the shop over
	StepPass    StepWhat = "read_now"       // it is due
	StepReread  StepWhat = "read_again"     // nothing new was seen yet
	StepConfirm StepWhat = "confirm"        // less stock must be seen twice
	StepRetry   StepWhat = "retry"          // it could not be read
	StepListing StepWhat = "listing"        // waits for the next listing
	StepCalls   StepWhat = "calls"          // the day's calls are spent
	StepSpare   StepWhat = "spare_calls"    // waits until calls can be spared for it
	StepShop    StepWhat = "shop_retry"     // the shop's passes fail
	StepTick    StepWhat = "tick"           // the next tick reads what changed
	StepSweep   StepWhat = "sweep"          // the next sweep reads everything
	StepChange  StepWhat = "changeover"     // to another agreement, account or choice of places
	StepPDF     StepWhat = "pdf"            // is fetched
	StepStays   StepWhat = "stays"          // a stored invoice is never deleted
	StepNothing StepWhat = "nothing_to_do"  //
	StepUnknown StepWhat = "unknown_answer" // ask again
	StepUnread  StepWhat = "unreadable"     // the answer has unreadable fields
)

// Step is something that happens next, or has to.
type Step struct {
	What   StepWhat    `json:"what"`
	At     *time.Time  `json:"at,omitempty"` // when; absent: not known
	Tries  int         `json:"tries,omitempty"`
	Scope  plan.Scope  `json:"scope,omitempty"`  // of a hold
	Reason plan.Reason `json:"reason,omitempty"` // of a hold
	Detail string      `json:"detail,omitempty"` // in English, or as it came
}

// Near is a number that nearly is the one asked for.
type Near struct {
	Kind   plan.Kind `json:"kind"`
	Number string    `json:"number"`
}

// What says what an event is, and which of its fields is set.
type What string

// The kinds of events.
const (
	EventSeen      What = "first_seen" // stored without a change: by the shop's first listing
	EventCall      What = "call"
	EventRefused   What = "refused_calls"
	EventHint      What = "hint"
	EventChange    What = "change"
	EventPDF       What = "pdf"
	EventAction    What = "action"
	EventHold      What = "hold"
	EventFailed    What = "failed"
	EventLease     What = "lease"
	EventAgreement What = "agreement"
	EventWarning   What = "warning"
)

// Event is something that happened.
type Event struct {
	At        time.Time `json:"at"`
	What      What      `json:"what"`
	Call      *Call     `json:"call,omitempty"`
	Refused   *Refused  `json:"refused_calls,omitempty"`
	Hint      *Hint     `json:"hint,omitempty"`
	Change    *Change   `json:"change,omitempty"`
	PDF       *PDF      `json:"pdf,omitempty"`
	Action    *Action   `json:"action,omitempty"`
	Hold      *Hold     `json:"hold,omitempty"`
	Failed    *Failed   `json:"failed,omitempty"`
	Lease     *Lease    `json:"lease,omitempty"`
	Agreement int64     `json:"agreement,omitempty"`
	Warning   *Warning  `json:"warning,omitempty"`
}

// Warning is what of the source's answers cannot be understood. The event is at the time when that
// began.
type Warning struct {
	Number string `json:"number"` // "": entries whose number cannot be understood
	Text   string `json:"text"`
}

// Call is a call of the webhook endpoint that named the number.
type Call struct {
	Status  int    `json:"status"`
	Outcome string `json:"outcome"`
	Remote  string `json:"remote"`
}

// Refused are a day's calls for the shop with a wrong code. Which numbers they named is not
// known. The event is at the time of the last.
type Refused struct {
	Calls  int64  `json:"calls"`
	Day    string `json:"day"` // UTC
	Remote string `json:"remote"`
}

// Hint is what is on lagerd's list of numbers to read, or was last. The event is at the time of
// the first webhook, or of whatever else it came from.
type Hint struct {
	Open     bool            `json:"open"`
	Cause    plan.Cause      `json:"cause"`
	Webhooks int64           `json:"webhooks"`
	LastAt   time.Time       `json:"last_at"`
	Tries    int             `json:"tries"` // reads that showed nothing new
	Failures int             `json:"failures"`
	Reason   plan.HintReason `json:"reason,omitempty"`
	Note     string          `json:"note,omitempty"` // in English, or as it came
}

// Change is a change that was stored. The event is at the time of its commit.
type Change struct {
	What         plan.What           `json:"what"`
	OldStock     decimal.NullDecimal `json:"old_stock"`
	NewStock     decimal.NullDecimal `json:"new_stock"`
	Other        *Other              `json:"other,omitempty"`       // the figure that changed, if not the shop's own
	NewSetting   bool                `json:"new_setting,omitempty"` // a person had changed which figure is the shop's stock
	OldState     plan.State          `json:"old_state,omitempty"`
	NewState     plan.State          `json:"new_state,omitempty"`
	Cause        plan.Cause          `json:"cause"`
	Webhook      plan.Webhook        `json:"webhook"`
	Webhooks     int                 `json:"webhooks"`             // calls that named it since the change before
	Source       store.StockSource   `json:"source"`               // where it was read
	Elsewhere    bool                `json:"-"`                    // the shop's stock has been read in more than one place
	SourceAt     *time.Time          `json:"source_at,omitempty"`  // when it changed there, as the source says
	HintedAt     *time.Time          `json:"webhook_at,omitempty"` // when the webhook came that led to it
	ObservedAt   time.Time           `json:"read_at"`
	RenumberedTo string              `json:"renumbered_to,omitempty"`
	Delay        *Duration           `json:"delay_seconds,omitempty"` // from the webhook, or the source's time, to the commit
}

// Other is a figure that is not the shop's stock.
type Other struct {
	Figure plan.Figure         `json:"figure,omitempty"` // "": one of those that are not kept in the history
	Old    decimal.NullDecimal `json:"old"`
	New    decimal.NullDecimal `json:"new"`
}

// Duration is a time.Duration whose JSON is a number of seconds.
type Duration time.Duration

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) {
	return []byte(decimal.New(time.Duration(d).Milliseconds(), -3).String()), nil
}

// PDF is an invoice's PDF that was stored.
type PDF struct {
	Size  int      `json:"size"`                    // bytes
	Delay Duration `json:"delay_seconds,omitempty"` // since the invoice was stored
}

// Action is what a person did to the shop.
type Action struct {
	What    store.ActionWhat `json:"what"`
	Number  string           `json:"number,omitempty"`
	Detail  string           `json:"detail,omitempty"`
	Account string           `json:"account,omitempty"` // of the operating system
	Command string           `json:"command,omitempty"`
}

// Hold is a hold, in force or ended. The event is at the time when it began.
type Hold struct {
	Scope   plan.Scope  `json:"scope"`
	Reason  plan.Reason `json:"reason"`
	Detail  string      `json:"detail,omitempty"`   // in English
	EndedAt *time.Time  `json:"ended_at,omitempty"` // absent: it is in force
}

// Failed are attempts that failed: to read the number, to fetch the invoice's lines and PDF, or,
// if a change had to wait for them, passes of the shop. The event is at the time of the first.
type Failed struct {
	What   store.ObstacleWhat `json:"what"`
	Times  int                `json:"times"`
	LastAt time.Time          `json:"last_at"`
	Error  string             `json:"error"` // the last, in English or as it came
}

// Lease says that another lagerd took the shop over.
type Lease struct {
	Instance string `json:"instance,omitempty"` // "": not known any more
	Host     string `json:"host,omitempty"`
}

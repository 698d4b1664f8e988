package webhook

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Path is the one path that is served, the one that e-conomic users know.
const Path = "/webhooks.php"

const defaultMaxBodyBytes = 16 << 10

// Kind says what a hint is about.
type Kind string

// The kinds, with the type that asks for them in a call.
const (
	KindStock   Kind = "stock"   // type=stockUpdate
	KindInvoice Kind = "invoice" // type=orderPdf
)

// Hint says: look at this number. It never carries truth.
type Hint struct {
	Shop       string
	Kind       Kind
	Number     string    // item number, or invoice number in plain digits
	ReceivedAt time.Time // when the call came in
}

// Recorder stores hints.
type Recorder interface {
	// Record returns nil only after the commit that carries the hint. It returns
	// ErrFull at once when too much waits already. After any error the hint may
	// or may not be stored. It is called by many goroutines at once.
	Record(ctx context.Context, h Hint) error
}

// Authenticator knows the shops' integration codes.
type Authenticator interface {
	// Authenticate reports whether code is one of the shop's. It takes the same
	// time for a wrong code and for an unknown shop, and must not wait for
	// anything. It is called by many goroutines at once, with arbitrary strings.
	Authenticate(shop, code string) bool
}

// Journal keeps the calls for the shops' webhook logs.
type Journal interface {
	// Add must not block. It is called by many goroutines at once.
	Add(Call)
}

// Call is one call of the endpoint, without anything secret.
type Call struct {
	Shop     string // "" where the call was not authenticated
	At       time.Time
	Method   string // a method that HTTP knows, or "other"
	Remote   string // the caller's address without the port; a proxy's, behind one
	Kind     Kind   // "" where it was not understood
	Number   string // as it was sent, be it a merge field; "" where it was not valid
	Status   int    // of the answer
	Outcome  string
	Duration time.Duration
}

// The outcomes of a call.
const (
	OutcomeRecorded      = "recorded"        // 200
	OutcomeRefused       = "refused"         // 403: unknown shop or wrong code
	OutcomeBadType       = "bad_type"        // 400
	OutcomeNoNumber      = "no_number"       // 400
	OutcomeNumberTooLong = "number_too_long" // 400
	OutcomeBadNumber     = "bad_number"      // 400
	OutcomeMergeField    = "merge_field"     // 400: the number is still [NUMBER] or [INVOICENO]; 200: it looks so, and is recorded all the same
	OutcomePlaceholder   = "placeholder"     // 400: the number is still the VARENUMMER of the address for a test
	OutcomeHTMLEscaped   = "html_escaped"    // 200: "&amp;" stands where "&" is meant
	OutcomeDoubleEncoded = "double_encoded"  // 200: the number is encoded twice; both readings are recorded
	OutcomeInvisible     = "invisible"       // 200: invisible characters around the number; recorded with and without them
	OutcomeQuoted        = "quoted"          // 200: quotation marks around what was sent; a number is recorded with and without them
	OutcomeBadBody       = "bad_body"        // 400: the body broke off
	OutcomeTooLarge      = "too_large"       // 413
	OutcomeBadMethod     = "bad_method"      // 405
	OutcomeNotFound      = "not_found"       // 404, not in the journal
	OutcomeUnavailable   = "unavailable"     // 503: the hint could not be committed
	OutcomeFull          = "full"            // 503: too many hints wait
	OutcomeGone          = "gone"            // the caller left before the commit; the hint may be recorded
	OutcomePanic         = "panic"           // 500
)

// Outcomes returns every outcome, for metrics that are to start at zero.
func Outcomes() []string {
	return []string{
		OutcomeRecorded, OutcomeRefused, OutcomeBadType, OutcomeNoNumber, OutcomeNumberTooLong, OutcomeBadNumber,
		OutcomeMergeField, OutcomePlaceholder, OutcomeHTMLEscaped, OutcomeDoubleEncoded, OutcomeInvisible, OutcomeQuoted, OutcomeBadBody, OutcomeTooLarge, OutcomeBadMethod, OutcomeNotFound, OutcomeUnavailable,
		OutcomeFull, OutcomeGone, OutcomePanic,
	}
}

// ToDo says what to put right where calls come out so, "" where that is nothing.
func ToDo(outcome string) string {
	switch outcome {
	case OutcomeRefused:
		return "username and password do not belong together: enter the data anew, or make a new code with `lagerd shops rotate-code`"
	case OutcomeBadType:
		return "the data must hold type=stockUpdate or type=orderPdf"
	case OutcomeNoNumber, OutcomeMergeField:
		return "e-conomic did not fill in the number: type \"Inventory updated\" with number=[NUMBER], type \"Invoice booked\" with number=[INVOICENO]"
	case OutcomePlaceholder:
		return "somebody tried the address without putting in an item number"
	case OutcomeNumberTooLong, OutcomeBadNumber:
		return "what stands behind number= is no number of e-conomic's: look at the end of the data at e-conomic"
	case OutcomeHTMLEscaped:
		return "\"&amp;\" stands where \"&\" is meant: enter URL and data anew at e-conomic, as `lagerd shops add` printed them"
	case OutcomeDoubleEncoded:
		return "numbers are encoded twice: look at the proxy in front of lagerd. Both readings are looked up"
	case OutcomeQuoted:
		return "quotation marks stand around what is sent: enter the data anew at e-conomic, without them. A number is looked up with and without them"
	case OutcomeInvisible:
		return "invisible characters stand around the number, at e-conomic or in the data: enter it anew. Both readings are looked up"
	}
	return ""
}

// Options are what a handler works with. Only Recorder and Authenticator are
// required.
type Options struct {
	Recorder      Recorder
	Authenticator Authenticator
	Journal       Journal
	Now           func() time.Time // time.Now
	MaxBodyBytes  int64            // 16 KiB
	// Observe is told of every call, those that are not in the journal included.
	// It must not block.
	Observe func(outcome string, d time.Duration)
	// Panicked is given the stack of a panic, which holds no text of the request.
	Panicked func(stack []byte)
	// RandN returns a random number in [0, n), to spread retries: math/rand/v2's IntN.
	RandN func(n int) int
}

// NewHandler returns the endpoint.
func NewHandler(o Options) http.Handler {
	if o.Journal == nil {
		o.Journal = noJournal{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = defaultMaxBodyBytes
	}
	if o.Observe == nil {
		o.Observe = func(string, time.Duration) {}
	}
	if o.Panicked == nil {
		o.Panicked = func([]byte) {}
	}
	if o.RandN == nil {
		o.RandN = rand.IntN
	}
	return &handler{o}
}

type noJournal struct{}

func (noJournal) Add(Call) {}

type handler struct{ Options }

// ServeHTTP answers, and then tells Journal and Observe.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{At: h.Now(), Method: knownMethod(r.Method), Remote: host(r.RemoteAddr)}
	a := h.judge(w, r, &call)
	a.write(w, h.RandN)

	call.Status, call.Outcome = a.status, a.outcome
	call.Duration = h.Now().Sub(call.At)
	// Scanners ask for paths without end; they are not to push a shop's calls
	// out of the log.
	if a.outcome != OutcomeNotFound {
		h.Journal.Add(call)
	}
	h.Observe(a.outcome, call.Duration)
}

// judge does what a call asks and returns the answer, filling in call as it
// learns. Nothing has been written to w when it returns, nor when it panics.
func (h *handler) judge(w http.ResponseWriter, r *http.Request, call *Call) (a answer) {
	defer func() {
		// The value is dropped, for it may quote the request.
		if recover() != nil {
			a = answerPanic
			h.Panicked(debug.Stack())
		}
	}()
	if r.URL.Path != Path {
		return answerNotFound
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return answerBadMethod
	}
	var p params
	if r.Body != nil && r.Body != http.NoBody {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBodyBytes))
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return answerTooLarge
		}
		if err != nil {
			return answerBadBody
		}
		p.read(string(body))
	}
	p.read(r.URL.RawQuery)

	if !h.Authenticator.Authenticate(p.username, p.password) {
		return answerRefused
	}
	call.Shop = p.username

	kind, ok := kindOf(p.typ)
	if !ok {
		return answerBadType
	}
	call.Kind = kind

	n, problem := p.hintNumbers(kind)
	call.Number = n.sent
	if problem != nil {
		return *problem
	}

	hint := Hint{Shop: p.username, Kind: kind, Number: n.sent, ReceivedAt: call.At}
	err := h.Recorder.Record(r.Context(), hint)
	if err == nil && n.meant != "" {
		hint.Number = n.meant
		err = h.Recorder.Record(r.Context(), hint)
	}
	switch {
	case err == nil:
		return recorded(p.username, kind, n)
	case errors.Is(err, ErrFull):
		return answerFull
	case r.Context().Err() != nil:
		return answerGone
	default:
		return answerUnavailable
	}
}

// knownMethod keeps text that a caller made up out of the journal.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "other"
}

// host returns the address without port and brackets.
func host(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i >= 0 {
		remote = remote[:i]
	}
	return strings.Trim(remote, "[]")
}

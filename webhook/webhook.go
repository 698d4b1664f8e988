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

	"lagerd/lang"
)

// Path is the only path served, and the one that e-conomic users know.
const Path = "/webhooks.php"

// HeaderCode is the header in which a webhook that lagerd has set up at e-conomic carries its code.
const HeaderCode = "Lagerd-Webhook-Code"

const defaultMaxBodyBytes = 16 << 10

// Kind is the kind of thing that a hint is about.
type Kind string

// The kinds, with the type parameter that selects them.
const (
	KindStock   Kind = "stock"   // type=stockUpdate, or rackbeatStock
	KindInvoice Kind = "invoice" // type=orderPdf
)

// Hint means "look at this number", or "look at everything soon" if it has none. It never
// carries truth.
type Hint struct {
	Shop       string
	Kind       Kind
	Number     string    // item number, or invoice number in plain digits; of KindStock "": all items
	ReceivedAt time.Time // when the call arrived
}

// Recorder stores hints.
type Recorder interface {
	// Record returns nil only after the commit that contains the hint. It returns
	// ErrFull at once if too many hints are queued. After any error the hint may or
	// may not be stored. It must be safe for concurrent use.
	Record(ctx context.Context, h Hint) error
}

// Authenticator checks the shops' integration codes.
type Authenticator interface {
	// Authenticate returns the shop, and reports whether code is one of its codes. It must
	// take the same time for a wrong code and for an unknown shop, must not block, and must
	// be safe for concurrent use. Both strings are arbitrary. byPerson says that a person tries the
	// code in a browser, which does not show that e-conomic has it: such a call is no use of it.
	Authenticate(shop, code string, byPerson bool) (of Shop, ok bool)

	// AuthenticateHeader returns the shop, and reports whether code is one that its webhooks at
	// e-conomic carry in the header HeaderCode, if lagerd has set them up. The same applies as to
	// Authenticate.
	AuthenticateHeader(shop, code string) (of Shop, ok bool)

	// AuthenticateToken reports whether token is one of those stored for the shop's webhooks
	// at Rackbeat, or none is stored. It is asked once the code was found to be right, and the same applies.
	AuthenticateToken(shop, token string) bool
}

// Journal stores calls in the shops' webhook logs.
type Journal interface {
	// Add must not block, and must be safe for concurrent use.
	Add(call Call)
}

// Call is one call of the endpoint, without secrets.
type Call struct {
	Shop     string // "" if the call was not authenticated
	Claims   string // the shop that a call with a wrong code names: any text
	At       time.Time
	Method   string // a standard HTTP method, or "other"
	Remote   string // the address of the caller or its proxy, without the port
	Kind     Kind   // "" if unknown
	Rackbeat bool   // its type is rackbeatStock; valid with Kind
	Number   string // as sent, even if it is a merge field; "" if invalid, or for all items
	Status   int    // of the answer
	Outcome  string
	Duration time.Duration
}

// Outcomes of a call.
const (
	OutcomeRecorded      = "recorded"        // 200
	OutcomeRefused       = "refused"         // 403: unknown shop or wrong code
	OutcomeBadToken      = "bad_token"       // 403: a good code, and not the token of Rackbeat's webhook
	OutcomeLimited       = "limited"         // 429: either of the two, too often
	OutcomeEverything    = "everything"      // 200: a webhook of Rackbeat's that names no item; all are looked at soon
	OutcomeUnreadable    = "unreadable"      // 200: the same, since its body could not be understood
	OutcomeTried         = "tried"           // 200: a person opened the address of a webhook in a browser, without a number; nothing is recorded
	OutcomeFromBrowser   = "from_browser"    // 200: recorded; a person with a browser made the call, which does not show that e-conomic calls
	OutcomeBadType       = "bad_type"        // 400
	OutcomeNoNumber      = "no_number"       // 400
	OutcomeNumberTooLong = "number_too_long" // 400
	OutcomeBadNumber     = "bad_number"      // 400
	OutcomeMergeField    = "merge_field"     // 400: the number is still [NUMBER] or [INVOICENO]; 200: it looks like one, but is recorded
	OutcomePlaceholder   = "placeholder"     // 400: the number is still the VARENUMMER of the address for tests, or the like
	OutcomeHTMLEscaped   = "html_escaped"    // 200: "&amp;" instead of "&"
	OutcomeDoubleEncoded = "double_encoded"  // 200: the number is encoded twice; both readings are recorded
	OutcomeInvisible     = "invisible"       // 200: invisible characters around the number; recorded with and without them
	OutcomeQuoted        = "quoted"          // 200: quotation marks around a value; a number is recorded with and without them
	OutcomeBadBody       = "bad_body"        // 400: the body was truncated
	OutcomeTooLarge      = "too_large"       // 413
	OutcomeBadMethod     = "bad_method"      // 405
	OutcomeNotFound      = "not_found"       // 404, not in the journal
	OutcomeUnavailable   = "unavailable"     // 503: the hint could not be committed
	OutcomeFull          = "full"            // 503: the queue is full
	OutcomeGone          = "gone"            // the caller left before the commit; the hint may be recorded
	OutcomePanic         = "panic"           // 500
)

// Outcomes returns every outcome, for metrics that start at zero.
func Outcomes() []string {
	return []string{
		OutcomeRecorded, OutcomeEverything, OutcomeUnreadable, OutcomeTried, OutcomeFromBrowser, OutcomeRefused, OutcomeBadToken, OutcomeLimited, OutcomeBadType, OutcomeNoNumber, OutcomeNumberTooLong, OutcomeBadNumber,
		OutcomeMergeField, OutcomePlaceholder, OutcomeHTMLEscaped, OutcomeDoubleEncoded, OutcomeInvisible, OutcomeQuoted, OutcomeBadBody, OutcomeTooLarge, OutcomeBadMethod, OutcomeNotFound, OutcomeUnavailable,
		OutcomeFull, OutcomeGone, OutcomePanic,
	}
}

// ToDo returns advice on how to fix calls with this outcome, "" if there is nothing to
// fix.
func ToDo(outcome string) string {
	switch outcome {
	case OutcomeRefused, OutcomeLimited:
		return "username and password do not match: enter the data again, or with a new code, which `lagerd shops instructions SHOP --new-code` makes"
	case OutcomeBadToken:
		return "Rackbeat's calls carry another token than the one stored, or none: store that of each of its webhooks with `lagerd shops set SHOP --rackbeat-webhook-token-file FILE`"
	case OutcomeUnreadable:
		return "what came is not like Rackbeat's webhooks: check what else uses their address, and their events at Rackbeat (inventory.changed, product.created, product.updated). All items were read again instead"
	case OutcomeBadType:
		return "the data must contain type=stockUpdate or type=orderPdf, or the URL of Rackbeat's webhook type=rackbeatStock"
	case OutcomeNoNumber, OutcomeMergeField:
		return "e-conomic did not fill in the number: type \"Inventory updated\" with number=[NUMBER], type \"Invoice booked\" with number=[INVOICENO]"
	case OutcomePlaceholder:
		return "somebody tried the address without putting in a number"
	case OutcomeNumberTooLong, OutcomeBadNumber:
		return "the value after number= is not a number from e-conomic: check the end of the data at e-conomic"
	case OutcomeHTMLEscaped:
		return "the data contains \"&amp;\" instead of \"&\": enter URL and data again at e-conomic, as `lagerd shops instructions SHOP` prints them"
	case OutcomeDoubleEncoded:
		return "numbers are encoded twice: check the proxy in front of lagerd. Both readings are looked up"
	case OutcomeQuoted:
		return "there are quotation marks around a value: enter the data again at e-conomic, without them. A number is looked up with and without them"
	case OutcomeInvisible:
		return "there are invisible characters around the number, at e-conomic or in the data: enter it again. Both readings are looked up"
	}
	return ""
}

// Options are a handler's dependencies and settings. Only Recorder and Authenticator are
// required.
type Options struct {
	Recorder      Recorder
	Authenticator Authenticator
	Journal       Journal
	Now           func() time.Time // default time.Now
	MaxBodyBytes  int64            // default 16 KiB
	// Proxy reports whether an address, as in Call.Remote, is a proxy's: refused calls from
	// it are not limited by address. Default: none is.
	Proxy func(remote string) bool

	// Caller returns the address, without a port, that a call comes from: that of its peer, or what a
	// trusted proxy says in a header. nil: the peer's.
	Caller func(peer string, h http.Header) string
	// Observe is called for every call, including those that are not in the journal.
	// It must not block.
	Observe func(outcome string, d time.Duration)
	// Panicked is called with the stack of a panic, which has no text of the request.
	Panicked func(stack []byte)
	// RandN returns a random number in [0, n), to spread retries. Default: rand.IntN
	// of math/rand/v2.
	RandN func(n int) int
}

// NewHandler returns the endpoint's handler.
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
	if o.Caller == nil {
		o.Caller = func(peer string, _ http.Header) string { return peer }
	}
	if o.Proxy == nil {
		o.Proxy = func(string) bool { return false }
	}
	return &handler{o, newLimits()}
}

type noJournal struct{}

func (noJournal) Add(Call) {}

type handler struct {
	Options
	limits limits
}

// ServeHTTP answers the call, then reports it to Journal and Observe.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := Call{At: h.Now(), Method: knownMethod(r.Method), Remote: h.Caller(host(r.RemoteAddr), r.Header)}
	var of Shop
	a := h.judge(w, r, &call, &of)
	l := of.Lang
	if l == "" {
		l = lang.Accepted(r.Header.Get("Accept-Language"))
	}
	a.write(w, l, h.RandN)

	call.Status, call.Outcome = a.status, a.outcome
	call.Duration = h.Now().Sub(call.At)
	// Scanners request endless paths.
	if a.outcome != OutcomeNotFound {
		h.Journal.Add(call)
	}
	h.Observe(a.outcome, call.Duration)
}

// judge processes a call and returns the answer, filling in call on the way, and the shop if the
// code is one of its codes. It has written nothing to w when it returns or panics.
func (h *handler) judge(w http.ResponseWriter, r *http.Request, call *Call, of *Shop) (a answer) { //nolint:gocyclo,funlen // one case per row of its table
	defer func() {
		// Drop the value, which may quote the request.
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
	p.read(r.URL.RawQuery)
	rackbeat := strings.EqualFold(p.typ, TypeRackbeat)
	body, tooLarge, err := h.body(w, r)
	switch {
	case err != nil:
		return answerBadBody
	case tooLarge && !rackbeat:
		return answerTooLarge
	case len(body) > 0 && !rackbeat:
		p = params{} // what the body says comes first
		p.read(string(body))
		p.read(r.URL.RawQuery)
	}

	shop, ok := h.authenticate(r, &p)
	if !ok {
		call.Claims = p.username
		call.Kind, _ = kindOf(p.typ)
		if rackbeat {
			call.Kind, call.Rackbeat = KindStock, true
		}
		switch {
		case !h.limits.allow(p.username, call.Remote, h.Proxy(call.Remote), call.At):
			return answerLimited
		case p.password == CodePlaceholder:
			return answerNoCode
		}
		return answerRefused
	}
	call.Shop, *of = p.username, shop
	if rackbeat {
		return h.fromRackbeat(r, &p, body, call, shop)
	}

	kind, ok := kindOf(p.typ)
	if !ok {
		if strings.EqualFold(p.typ, TypeRackbeat) {
			return answerTypeInBody
		}
		return answerBadType
	}
	call.Kind = kind

	n, problem := p.hintNumbers(kind)
	call.Number = n.sent
	switch {
	case problem == nil:
	case problem.outcome == OutcomeMergeField && byPerson(r) && isOwnField(kind, p.number):
		return tried(&p, shop, trialOf(kind), shop.try(kind))
	default:
		return *problem
	}

	hint := Hint{Shop: p.username, Kind: kind, Number: n.sent, ReceivedAt: call.At}
	err = h.Recorder.Record(r.Context(), hint)
	if err == nil && n.meant != "" {
		hint.Number = n.meant
		err = h.Recorder.Record(r.Context(), hint)
	}
	if err != nil {
		return notRecorded(r, err)
	}
	a = recorded(p.username, shop, kind, n)
	if byPerson(r) && a.outcome == OutcomeRecorded { // what is odd about a text is worth more
		a.outcome = OutcomeFromBrowser
	}
	return a
}

// byPerson reports whether a call comes from a browser, which wants a page in some language. e-conomic
// sends no Accept-Language; should a proxy add one, it does not ask for HTML besides.
func byPerson(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Accept-Language") != "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// authenticate returns a call's shop, and reports whether the call has a code of that: in its
// parameters or, if those have none, in its header. That code is then the call's password.
func (h *handler) authenticate(r *http.Request, p *params) (of Shop, ok bool) {
	code := r.Header.Get(HeaderCode)
	if p.password != "" || code == "" {
		return h.Authenticator.Authenticate(p.username, p.password, byPerson(r))
	}
	p.password = code // which must not appear in a number either
	return h.Authenticator.AuthenticateHeader(p.username, code)
}

// body reads the body of a call, nil if it has none. tooLarge says that it is larger than
// MaxBodyBytes.
func (h *handler) body(w http.ResponseWriter, r *http.Request) (body []byte, tooLarge bool, err error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, false, nil
	}
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, h.MaxBodyBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, true, nil
	}
	return body, false, err
}

// notRecorded returns the answer to a call whose hint was not recorded.
func notRecorded(r *http.Request, err error) answer {
	switch {
	case errors.Is(err, ErrFull):
		return answerFull
	case r.Context().Err() != nil:
		return answerGone
	default:
		return answerUnavailable
	}
}

// knownMethod keeps arbitrary text from the caller out of the journal.
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

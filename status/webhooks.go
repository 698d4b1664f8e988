package status

import (
	"slices"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// WebhookType is what a webhook is about, as its type parameter says it.
type WebhookType string

// The types of webhooks.
const (
	WebhookStock    WebhookType = "stockUpdate"   // of e-conomic
	WebhookInvoice  WebhookType = "orderPdf"      // of e-conomic
	WebhookRackbeat WebhookType = "rackbeatStock" // of Rackbeat, instead of stockUpdate
)

// WebhookTypes returns the types of webhooks that a shop has.
func WebhookTypes(s store.Shop) []WebhookType {
	if s.StockSource == store.SourceRackbeat {
		return []WebhookType{WebhookRackbeat, WebhookInvoice}
	}
	return []WebhookType{WebhookStock, WebhookInvoice}
}

// Kind returns the kind of hints that these webhooks give.
func (t WebhookType) Kind() plan.Kind {
	if t == WebhookInvoice {
		return plan.KindInvoice
	}
	return plan.KindStock
}

// Source returns where the changes are read that these webhooks announce.
func (t WebhookType) Source() store.StockSource {
	if t == WebhookRackbeat {
		return store.SourceRackbeat
	}
	return store.SourceEconomic
}

// Is reports whether a call in the webhook log is one of these.
func (t WebhookType) Is(call store.LoggedCall) bool {
	return call.Kind != "" && t.is(call.Kind, call.Source)
}

// is reports whether calls of a kind and source are, or may be, of this type: that of a call may not
// have been understood, or be from before it was recorded.
func (t WebhookType) is(kind plan.Kind, source store.StockSource) bool {
	return kind == "" || kind == t.Kind() && (source == "" || source == t.Source())
}

// ExpectedBy reports whether the shop keeps what these webhooks announce.
func (t WebhookType) ExpectedBy(s store.Shop) bool {
	if t == WebhookInvoice {
		return s.InvoicesOn
	}
	return s.StockOn
}

// WebhookState is how a shop's webhooks of a type fare.
type WebhookState string

// The states of webhooks. See HealthOf.
const (
	WebhooksOff        WebhookState = "off"             // the shop does not keep what they announce
	WebhooksArrive     WebhookState = "arrive"          // all is well
	WebhooksLate       WebhookState = "late"            // they come after the change was found
	WebhooksMissing    WebhookState = "some_missing"    // some changes were found without one
	WebhooksStopped    WebhookState = "stopped"         // they came once, and the latest changes were all found without one
	WebhooksNever      WebhookState = "none_ever"       // none has ever come
	WebhooksWrongCode  WebhookState = "wrong_code"      // calls have a wrong username or code
	WebhooksWrongToken WebhookState = "wrong_token"     // Rackbeat's calls have another token than the ones stored
	WebhooksMergeField WebhookState = "merge_field"     // calls still carry a merge field in place of the number
	WebhooksWrongData  WebhookState = "wrong_data"      // calls have the right code and cannot be understood
	WebhooksUnknown    WebhookState = "unknown_numbers" // most of the numbers that calls name do not exist
)

// NeedsPerson reports whether somebody has to do something about the state.
func (s WebhookState) NeedsPerson() bool {
	return s != WebhooksOff && s != WebhooksArrive && s != WebhooksLate
}

// How much HealthOf looks at.
const (
	// WebhooksJudged is how many of the latest changes, and of the numbers that calls named, decide:
	// once so many went well, webhooks are well again.
	WebhooksJudged = 10

	// WebhooksSince is how far back changes are looked at, unless a person says otherwise.
	WebhooksSince = 7 * 24 * time.Hour

	// stoppedAfter is how many changes in a row without a webhook mean that they have stopped.
	stoppedAfter = 3
)

// WebhookFacts are what was counted of a shop's webhooks of one type.
type WebhookFacts struct {
	Expected bool // the shop keeps what they announce

	Accepted    Calls // of which a hint was recorded
	FromBrowser Calls // the same, and a person made them

	// Calls after the last accepted one that were not: with a wrong code or token, with a merge
	// field in place of the number, or not to be understood.
	WrongCode, WrongToken, MergeField, WrongData Calls

	// Of the latest numbers that accepted calls named, how many there are, and how many the source
	// does not know.
	Named, Unknown int

	Changes store.Announcements // that these webhooks should announce
}

// Calls counts calls in a shop's webhook log.
type Calls struct {
	Count       int
	First, Last time.Time
	From        string // the address that the last one came from
}

// add adds a call that is older than those before. On nil it does nothing.
func (c *Calls) add(call store.LoggedCall) {
	if c == nil {
		return
	}
	if c.Count == 0 {
		c.Last, c.From = call.CalledAt.Time, call.Remote
	}
	c.Count++
	c.First = call.CalledAt.Time
}

// CountWebhooks counts a shop's webhooks of a type. log is its webhook log, newest first.
func CountWebhooks(t WebhookType, s store.Shop, log []store.LoggedCall, changes store.Announcements) WebhookFacts {
	f := WebhookFacts{Expected: t.ExpectedBy(s), Changes: changes}
	named := map[string]bool{}
	for _, call := range log {
		if !t.is(call.Kind, call.Source) {
			continue
		}
		of := f.class(call.Outcome, call.Status)
		switch {
		case of == nil:
			continue
		case of != &f.Accepted && f.Accepted.Count > 0:
			continue
		case of == &f.Accepted && call.Number != "" && !named[call.Number] && f.Named < WebhooksJudged:
			named[call.Number] = true
			f.Named++
			if call.Unknown {
				f.Unknown++
			}
		}
		of.add(call)
	}
	return f
}

// CountWebhookGroups counts a shop's webhooks of a type as CountWebhooks does, from what the log has
// in groups. It suffices for each state above unknown_numbers in the table of HealthOf: the numbers
// are not known, nor is it when wrong calls began if some came before the last accepted one.
func CountWebhookGroups(t WebhookType, s store.Shop, log []store.CallGroup, changes store.Announcements) WebhookFacts {
	f := WebhookFacts{Expected: t.ExpectedBy(s), Changes: changes}
	for _, g := range log {
		if t.is(g.Kind, g.Source) {
			f.class(g.Outcome, g.Status).addGroup(g)
		}
	}
	if f.Accepted.Count == 0 {
		return f
	}
	for _, c := range []*Calls{&f.WrongCode, &f.WrongToken, &f.MergeField, &f.WrongData} {
		switch last := f.Accepted.Last; {
		case !c.Last.After(last):
			*c = Calls{}
		case !c.First.After(last):
			c.First = time.Time{}
		}
	}
	return f
}

// addGroup adds calls. On nil it does nothing.
func (c *Calls) addGroup(g store.CallGroup) {
	if c == nil {
		return
	}
	if c.Count == 0 || g.First.Before(c.First) {
		c.First = g.First
	}
	c.Last = later(c.Last, g.Last)
	c.Count += g.Count
}

// class returns where a call counts, nil if it says nothing.
func (f *WebhookFacts) class(outcome string, status int) *Calls {
	const good = 200
	switch outcome {
	case webhook.OutcomeTried, webhook.OutcomePlaceholder: // a person with a browser
		return nil
	case webhook.OutcomeFromBrowser:
		return &f.FromBrowser
	case webhook.OutcomeRefused:
		return &f.WrongCode
	case webhook.OutcomeBadToken:
		return &f.WrongToken
	case webhook.OutcomeBadType, webhook.OutcomeNoNumber, webhook.OutcomeNumberTooLong, webhook.OutcomeBadNumber, webhook.OutcomeBadBody:
		return &f.WrongData
	}
	switch {
	case status == good:
		return &f.Accepted
	case outcome == webhook.OutcomeMergeField:
		return &f.MergeField
	}
	return nil // lagerd's own trouble, or a call that is not e-conomic's
}

// Received reports whether a call was received: lagerd reads what it names.
func Received(call store.LoggedCall) bool {
	var f WebhookFacts
	return f.class(call.Outcome, call.Status) == &f.Accepted
}

// TypeOf returns which of the types a logged call is of; ok is false if it is of none.
func TypeOf(types []WebhookType, call store.LoggedCall) (t WebhookType, ok bool) {
	at := slices.IndexFunc(types, func(t WebhookType) bool { return t.Is(call) })
	if at < 0 {
		return "", false
	}
	return types[at], true
}

// Works reports whether a call shows that the webhooks of one of the types work: it was received,
// and nothing about it is to be put right.
func Works(types []WebhookType, call store.LoggedCall) bool {
	t, ok := TypeOf(types, call)
	return ok && Received(call) && Advice(lang.English, t, call) == "" && webhook.ToDo(call.Outcome) == ""
}

// WrongOutcomes returns the outcomes that calls with something wrong may have.
func WrongOutcomes() []string {
	var f WebhookFacts
	return slices.DeleteFunc(webhook.Outcomes(), func(outcome string) bool {
		of := f.class(outcome, 0)
		return of == nil || of == &f.Accepted || of == &f.FromBrowser
	})
}

// lastCame returns when an accepted call came last, as far as that is known.
func (f *WebhookFacts) lastCame() time.Time {
	last := f.Accepted.Last
	if !f.changesCount() {
		return last
	}
	for _, c := range f.Changes.Latest {
		if c.Webhook != plan.WebhookMissed {
			return later(last, c.CommittedAt)
		}
	}
	return last
}

// changesCount reports whether a change that a webhook announced shows that e-conomic calls. While all
// calls in the log are a person's, it may have been theirs.
func (f *WebhookFacts) changesCount() bool {
	return f.Accepted.Count > 0 || f.FromBrowser.Count == 0
}

// HealthOf decides how webhooks fare, and since when; zero: that is not known, or nothing is wrong.
// The first row that applies decides. A "missed" change is one that was found without its webhook.
//
//	not kept by the shop                                                    off
//	calls since the last accepted one, the newest of them:
//	  with a wrong code or token; and none was ever accepted, or a
//	  change was missed since: else a stranger may have made them           wrong_code, wrong_token
//	  with a merge field                                                    merge_field
//	  not to be understood                                                  wrong_data
//	none was ever accepted                                                  none_ever
//	the latest three changes, or more, were missed, and no call since       stopped
//	most of the latest numbers do not exist                                 unknown_numbers
//	some of the latest ten changes were missed                              some_missing
//	some of the latest ten changes were found before their webhook came     late
//	otherwise                                                               arrive
func HealthOf(f WebhookFacts) (state WebhookState, since time.Time) {
	came := f.lastCame()
	ever := f.Accepted.Count > 0 || f.Changes.Ever && f.changesCount()
	run, missed, late := f.latest()
	wrong, its := f.wrong(!ever || run > 0 && f.Changes.Latest[0].CommittedAt.After(came))
	switch {
	case !f.Expected:
		return WebhooksOff, time.Time{}
	case wrong != "":
		return wrong, its.First
	case !ever:
		return WebhooksNever, time.Time{}
	case run >= stoppedAfter && f.Changes.Latest[run-1].CommittedAt.After(came):
		return WebhooksStopped, f.Changes.Latest[run-1].CommittedAt
	case 2*f.Unknown > f.Named:
		return WebhooksUnknown, time.Time{}
	case !missed.IsZero():
		return WebhooksMissing, missed
	case !late.IsZero():
		return WebhooksLate, late
	}
	return WebhooksArrive, time.Time{}
}

// latest returns how many of the latest changes were missed in a row, and when the first of the
// latest was found that was missed, and that was found before its webhook; zero if none was.
func (f *WebhookFacts) latest() (run int, missed, late time.Time) {
	list := f.Changes.Latest[:min(len(f.Changes.Latest), WebhooksJudged)]
	if run = slices.IndexFunc(list, func(c store.Announced) bool { return c.Webhook != plan.WebhookMissed }); run < 0 {
		run = len(list)
	}
	for _, c := range list {
		switch c.Webhook {
		case plan.WebhookMissed:
			missed = c.CommittedAt
		case plan.WebhookLate:
			late = c.CommittedAt
		case plan.WebhookCame, plan.WebhookNone:
		}
	}
	return run, missed, late
}

// wrong returns what is wrong with the newest call that was not accepted, "" if there is none.
// believed says that calls with a wrong code are the shop's own.
func (f *WebhookFacts) wrong(believed bool) (state WebhookState, its Calls) {
	for _, c := range []struct {
		state WebhookState
		calls Calls
		is    bool
	}{
		{WebhooksWrongCode, f.WrongCode, believed},
		{WebhooksWrongToken, f.WrongToken, true}, // it has the code
		{WebhooksMergeField, f.MergeField, true},
		{WebhooksWrongData, f.WrongData, true},
	} {
		if c.is && c.calls.Count > 0 && (state == "" || c.calls.Last.After(its.Last)) {
			state, its = c.state, c.calls
		}
	}
	return state, its
}

// WebhookHealth is how a shop's webhooks of a type fare, and its JSON.
type WebhookHealth struct {
	Type        WebhookType  `json:"type"`
	State       WebhookState `json:"state"`
	NeedsPerson bool         `json:"needs_person"`
	Since       *time.Time   `json:"since"`       // when what is wrong began
	LastCall    *time.Time   `json:"last_call"`   // the last accepted
	Calls       int          `json:"calls"`       // accepted, as far as the webhook log reaches
	WrongCalls  int          `json:"wrong_calls"` // after the last accepted one
	WrongFrom   string       `json:"wrong_calls_from,omitempty"`
	Named       int          `json:"numbers"`         // of the latest calls
	Unknown     int          `json:"unknown_numbers"` // of those
	Changes     int64        `json:"changes"`         // that webhooks should have announced
	Missed      int64        `json:"missed"`          // of those
	Late        int64        `json:"late"`            // of those
	MissedShare *float64     `json:"missed_share"`    // from 0 to 1; null without changes
	Says        string       `json:"says"`            // in the language asked for
	ToDo        string       `json:"to_do,omitempty"`
	AtEconomic  *WebhookSeen `json:"at_economic,omitempty"`
}

// HealthOfWebhooks returns how a shop's webhooks of a type fare, for people in the language.
func HealthOfWebhooks(t WebhookType, f WebhookFacts, l lang.Lang) WebhookHealth {
	state, since := HealthOf(f)
	h := WebhookHealth{Type: t, State: state, NeedsPerson: state.NeedsPerson(), Since: when(since), LastCall: when(f.lastCame()),
		Calls: f.Accepted.Count, Named: f.Named, Unknown: f.Unknown,
		Changes: f.Changes.Came + f.Changes.Late + f.Changes.Missed, Missed: f.Changes.Missed, Late: f.Changes.Late}
	var wrong Calls
	for _, c := range []Calls{f.WrongCode, f.WrongToken, f.MergeField, f.WrongData} {
		h.WrongCalls += c.Count
		if c.Count > 0 && c.Last.After(wrong.Last) {
			wrong = c
		}
	}
	h.WrongFrom = wrong.From
	if h.Changes > 0 {
		h.MissedShare = new(float64(h.Missed) / float64(h.Changes))
	}
	h.Says, h.ToDo = HealthIn(l, t, state)
	return h
}

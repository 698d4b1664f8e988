package status

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// Shop is the state of a shop, and its JSON in `lagerd status --json`.
type Shop struct {
	Shop           string     `json:"shop"`
	State          string     `json:"state"` // running, paused, held, not_taken, no_lagerd
	Reason         string     `json:"reason,omitempty"`
	Held           string     `json:"held,omitempty"` // the reason code of its widest hold
	Holds          []Hold     `json:"holds,omitempty"`
	Suspicion      string     `json:"suspicion,omitempty"`
	Instance       string     `json:"instance,omitempty"` // the lagerd that holds its lease
	Agreement      int64      `json:"agreement,omitempty"`
	StockSource    string     `json:"stock_source"`            // economic, rackbeat
	StockAccount   int64      `json:"stock_account,omitempty"` // at the stock source, unless that is e-conomic
	Places         string     `json:"places,omitempty"`        // whose stock counts there; empty: an item's own figure
	LastGoodTick   *time.Time `json:"last_good_tick"`
	Failures       int        `json:"failures"`
	Failure        string     `json:"failure,omitempty"`
	OpenHints      int64      `json:"open_hints"`
	OldestHint     *time.Time `json:"oldest_hint"`
	FailingHints   int64      `json:"failing_hints"`
	AwaitingHints  int64      `json:"hints_awaiting_listing,omitempty"` // of numbers that are not stored; not counted in oldest_hint
	ShortHints     int64      `json:"hints_short_of_calls,omitempty"`   // that wait for calls
	Marked         int64      `json:"marked_webhooks,omitempty"`        // no hint was kept for them: the next sweep covers them
	MarkedSince    *time.Time `json:"marked_since,omitempty"`
	OldInvoices    int64      `json:"old_invoice_webhooks,omitempty"` // of invoices before the shop's start, which are not fetched
	Unread         []Notice   `json:"unread,omitempty"`               // the numbers of those hints
	Warnings       []Notice   `json:"warnings,omitempty"`             // items and invoices that are only partly readable
	MissedWebhooks int64      `json:"missed_webhooks"`
	LateWebhooks   int64      `json:"late_webhooks"`
	Drift          int64      `json:"drift"`
	WaitingForPDF  int64      `json:"invoices_waiting_for_pdf"`
	WithoutOrder   int64      `json:"invoices_without_order"`
	Items          int64      `json:"items"`
	Invoices       int64      `json:"invoices"`
	LastSweep      *time.Time `json:"last_sweep"`
	ReadLagLast    string     `json:"read_lag_last,omitempty"`
	ReadLagLongest string     `json:"read_lag_longest,omitempty"`
	CallsToday     int64      `json:"calls_today"`
	StockCalls     int64      `json:"stock_calls_today,omitempty"` // to the stock source, unless that is e-conomic
	ShortOfCalls   bool       `json:"short_of_calls,omitempty"`    // at either service: hints get none until the next day
	RefusedCalls   int64      `json:"refused_calls"`               // webhook calls with a wrong code or token, on the day of the last
	RefusedAt      *time.Time `json:"last_refused_call,omitempty"` // the last of them

	Everything      int64      `json:"webhooks_without_number,omitempty"` // the next sweep covers them
	EverythingSince *time.Time `json:"webhooks_without_number_since,omitempty"`

	Needs []Need   `json:"needs,omitempty"` // what needs a person
	Notes []string `json:"-"`               // what else is to be said of it

	readsStock bool     // anywhere
	troubles   []Need   // see Troubles
	short      []string // see ShortOfCalls
}

// Hold is a hold on a shop or a part of it, in JSON.
type Hold struct {
	Scope  plan.Scope  `json:"scope"` // shop, stock, invoices, pdf
	Reason plan.Reason `json:"reason"`
	Detail string      `json:"detail,omitempty"`
	Since  *time.Time  `json:"since"`
}

// The states of a shop.
const (
	StateRunning = "running"
	StatePaused  = "paused" // by a person
	StateHeld    = "held"   // by lagerd

	StateNotTaken = "not_taken" // no lagerd holds its lease yet
	StateNoLagerd = "no_lagerd" // its lagerd has died, or none is running
)

// NoLagerd is shown to people if nothing is reconciled.
const NoLagerd = "NO LAGERD IS RUNNING"

// Attend sets the state and reason of shops that are not reconciled because their lagerd
// is not alive. living are the live instances on the database.
func Attend(shops []Shop, living map[string]store.Instance) {
	for i := range shops {
		s := &shops[i]
		_, lives := living[s.Instance]
		switch {
		case lives || s.State == StatePaused:
			continue
		case len(living) == 0 && s.State == StateHeld:
			s.Reason = NoLagerd + ", and the shop is held: " + s.Reason
			continue
		case s.State == StateHeld:
			continue
		case len(living) == 0:
			s.State, s.Reason = StateNoLagerd, "nothing is reconciled on this database: run `systemctl start lagerd`; the end of its log says why it stopped"
		case s.Instance != "":
			s.State, s.Reason = StateNoLagerd, "the lagerd that had the shop has died: another takes over within lease.ttl"
		}
	}
}

// SuspectAppToken reports whether the app's token is probably wrong: several agreements
// answer 401 and none succeeds. If so, it adds that to those shops' reasons.
func SuspectAppToken(shops []Shop) bool {
	refusing, since := map[string]bool{}, time.Time{}
	for _, s := range shops {
		if h, ok := s.holdFor(plan.ScopeShop, plan.HeldTokenRefused); ok && s.State == StateHeld {
			agreement := s.Shop
			if s.Agreement != 0 {
				agreement = strconv.FormatInt(s.Agreement, 10)
			}
			refusing[agreement] = true
			if h.Since != nil && (since.IsZero() || h.Since.Before(since)) {
				since = *h.Since
			}
		}
	}
	accepting := slices.ContainsFunc(shops, func(s Shop) bool {
		return s.State == StateRunning && s.LastGoodTick != nil && s.LastGoodTick.After(since)
	})
	if len(refusing) < reconcile.SeveralRefused || accepting {
		return false
	}
	blameAppToken(shops)
	return true
}

// blameAppToken says of the shops whose token is refused that the app's is probably wrong.
func blameAppToken(shops []Shop) {
	for i := range shops {
		if s := &shops[i]; s.State == StateHeld && s.HeldFor(plan.ScopeShop, plan.HeldTokenRefused) {
			s.Reason = "several agreements answer 401 and none succeeds, so check the app's token first (economic.app_secret_token_file): " + s.Reason
		}
	}
}

func (s Shop) holdFor(scope plan.Scope, reason plan.Reason) (Hold, bool) {
	for _, h := range s.Holds {
		if h.Scope == scope && h.Reason == reason {
			return h, true
		}
	}
	return Hold{}, false
}

// Of converts a shop's stored status to its JSON form.
func Of(s store.ShopStatus) Shop {
	p := s.Progress
	_, calls, _ := p.CallsOf()
	holds := s.Shop.InForce(p.Holds)
	v := Shop{
		Shop: s.Shop.Shop, State: StateRunning, Suspicion: p.Suspicion, Instance: s.Holder, Agreement: p.AgreementNumber,
		StockSource: string(s.Shop.StockSource), readsStock: s.Shop.ReadsStock(),
		LastGoodTick: when(p.TickAt.Time), Failures: p.Failures, Failure: p.Failure,
		OpenHints: s.OpenHints, OldestHint: when(s.OldestHint), FailingHints: s.FailingHints, AwaitingHints: s.AwaitingHints, ShortHints: s.ShortHints,
		Marked: s.Marked, MarkedSince: when(s.MarkedSince), OldInvoices: p.OldInvoiceHints,
		Everything: s.Everything, EverythingSince: when(s.EverythingSince),
		Unread: noticesOf(s.Failing), Warnings: noticesOf(s.Warnings),
		MissedWebhooks: p.MissedWebhooks, LateWebhooks: p.LateWebhooks, Drift: p.Drift,
		WaitingForPDF: s.WaitForPDF, WithoutOrder: s.WithoutOrder, Items: s.ItemsStored, Invoices: s.InvoicesStored,
		LastSweep: when(p.SweptAt.Time), CallsToday: int64(calls), RefusedCalls: s.Refused.Calls, RefusedAt: when(s.Refused.LastAt.Time),
	}
	if s.Shop.ReadsRackbeat() {
		v.StockAccount, v.Places = p.StockAccount, s.Shop.Places
		if p.StockCallsDay >= p.CallsDay { // else there were none since
			v.StockCalls = p.StockCalls
		}
	}
	if p.Lags > 0 {
		v.ReadLagLast = (time.Duration(p.LagLastUS) * time.Microsecond).String()
		v.ReadLagLongest = (time.Duration(p.LagMaxUS) * time.Microsecond).String()
	}
	for _, h := range holds {
		v.Holds = append(v.Holds, Hold{Scope: h.Scope, Reason: h.Reason, Detail: h.Detail, Since: when(h.Since)})
	}
	if len(holds) > 0 {
		v.Held = string(holds[0].Reason)
	}
	switch {
	case s.Shop.Paused():
		v.State, v.Reason = StatePaused, s.Shop.PauseReason
	case len(holds) > 0:
		v.State, v.Reason = StateHeld, holds.String()
	case s.Holder == "":
		v.State, v.Reason = StateNotTaken, "no running lagerd has taken the shop yet: it will within a few seconds"
	case p.Failures > 0:
		v.Reason = p.Failure
	case s.Shop.StockSource == store.SourceRackbeat && !s.Shop.ReadsRackbeat():
		v.Reason = fmt.Sprintf("stock is kept in Rackbeat, and no key for it is stored, so it is not read: `lagerd shops set %s --rackbeat-key-file FILE`; invoices continue", s.Shop.Shop)
	default:
		v.Reason = allZero(s)
	}
	if v.State != StatePaused {
		unread, warnings := v.Notices()
		v.Reason = reasons(slices.Concat([]string{v.Reason, toRackbeat(s, holds), changingOver(s), v.awaiting(), v.marked()}, unread, warnings)...)
	}
	return v
}

// allZero asks about a shop whose every figure is zero; otherwise it returns "".
func allZero(s store.ShopStatus) string {
	if s.Progress.Suspicion != string(plan.SuspicionAllZero) {
		return ""
	}
	return "every stock figure at " + s.Shop.StockSource.Name() + " is zero: is the stock really kept there?"
}

// toRackbeat says how to move a shop whose e-conomic shows signs of stock in Rackbeat: no figure,
// or none but zero. Otherwise it returns "".
func toRackbeat(s store.ShopStatus, holds plan.Holds) string {
	none := slices.ContainsFunc(holds, func(h plan.Hold) bool { return h.Reason == plan.HeldNoInventory })
	zero := s.Progress.Suspicion == string(plan.SuspicionAllZero) && s.Progress.Failures == 0
	if s.Shop.StockSource != store.SourceEconomic || !s.Shop.ReadsStock() || !none && !zero {
		return ""
	}
	return fmt.Sprintf("if its stock is in Rackbeat: `lagerd shops set %s --stock-source rackbeat --rackbeat-key-file FILE`", s.Shop.Shop)
}

// changingOver returns a reason while the shop's software still sees the items of the
// shop's former agreement, account or choice of places, otherwise "".
func changingOver(s store.ShopStatus) string {
	if s.Progress.ItemsDataset == s.Shop.StockDataset || !s.Shop.ReadsStock() {
		return ""
	}
	from := fmt.Sprintf("agreement %d", s.Progress.AgreementNumber)
	if s.Shop.ReadsRackbeat() {
		from = "Rackbeat" + AccountAndPlaces(s.Progress.StockAccount, s.Shop.Places)
	}
	return fmt.Sprintf("its items are still the former ones: they change over once %s has been read in full twice", from)
}

// AccountAndPlaces names where at Rackbeat a shop's stock is, after the name of Rackbeat.
func AccountAndPlaces(account int64, places string) string {
	text := "account not known yet"
	if account != 0 {
		text = fmt.Sprintf("account %d", account)
	}
	if places != "" {
		text += ", places " + places
	}
	return " (" + text + ")"
}

// awaiting returns a reason while hinted numbers wait for a listing, otherwise "".
func (s Shop) awaiting() string {
	if s.AwaitingHints == 0 {
		return ""
	}
	return fmt.Sprintf("%s waiting for the next listing: more numbers that are not stored, or that cannot be read, were hinted at than are asked for alone", counted(int(s.AwaitingHints), "hint"))
}

// sharing returns what is to be said while hints wait for calls that other shops use as well,
// otherwise "". While the day's calls for hints are spent, that says it.
func (s Shop) sharing(st store.ShopStatus) string {
	calls, of := st.AgreementCalls, fmt.Sprintf("agreement %d", st.Progress.AgreementNumber)
	if st.Shop.ReadsRackbeat() {
		calls, of = st.StockAccountCalls, fmt.Sprintf("account %d at Rackbeat", st.Progress.StockAccount)
	}
	if s.ShortHints == 0 || s.ShortOfCalls || s.State == StatePaused || calls.Shops < 2 {
		return ""
	}
	return fmt.Sprintf("%s waiting for calls, which other shops of %s use too", counted(int(s.ShortHints), "hint"), of)
}

// everything returns what is to be said while webhooks that named no number wait for the next
// sweep, otherwise "". It is no reason to act.
func (s Shop) everything() string {
	if s.Everything == 0 {
		return ""
	}
	return fmt.Sprintf("%s that named no number since %s: the next sweep covers them", counted(int(s.Everything), "webhook"), shown(s.EverythingSince))
}

// marked returns a reason while webhooks are covered by a sweep only, otherwise "".
func (s Shop) marked() string {
	if s.Marked == 0 {
		return ""
	}
	return fmt.Sprintf("%s of unknown numbers came at once: the next sweep covers them; `lagerd shops show %s --calls 20` shows the latest", counted(int(s.Marked), "webhook"), s.Shop)
}

// HeldFor reports whether the scope is held for the reason.
func (s Shop) HeldFor(scope plan.Scope, reason plan.Reason) bool {
	_, held := s.holdFor(scope, reason)
	return held
}

// ReadsNo reports whether lagerd reads no numbers of the kind because the shop or that part is held.
// A hold for losses stops only a number that has been read and postponed: it would be one of the
// losses.
func (s Shop) ReadsNo(kind plan.Kind, postponed bool) bool {
	scopes := []plan.Scope{plan.ScopeShop, plan.ScopeStock}
	if kind == plan.KindInvoice {
		scopes = []plan.Scope{plan.ScopeShop, plan.ScopeInvoices, plan.ScopePDFs}
	}
	return slices.ContainsFunc(s.Holds, func(h Hold) bool {
		return slices.Contains(scopes, h.Scope) && (h.Reason != plan.HeldLosses || postponed)
	})
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func age(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	d := now.Sub(*t)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
)

// A hold begins and ends by what e-conomic answered to the lagerd that says so, or by
// a person's approval: the oracle remembers the answers and looks at each hold that
// comes or goes.

type holdKey struct {
	shop  string
	scope plan.Scope
}

// heldState is a hold and when it was committed, or when the refusal came that led to it.
type heldState struct {
	reason plan.Reason
	step   int64
}

// partKey is a part of a shop, as an instance reads it.
type partKey struct {
	inst  int
	shop  string
	scope plan.Scope
}

// answers is how the latest reads of a part were answered.
type answers struct {
	well    int64 // the step at which one was last answered whole
	refused int64 // and at which one was last refused
	status  int   // with which

	latest []int64 // refusals: those that hold a part, and what may be under way then
}

// partOf returns which part a path reads.
func partOf(path string) plan.Scope {
	switch {
	case path == "/self":
		return plan.ScopeShop
	case strings.HasPrefix(path, "/products"):
		return plan.ScopeStock
	case strings.HasSuffix(path, "/pdf"):
		return plan.ScopePDFs
	}
	return plan.ScopeInvoices
}

// answer takes note of how e-conomic answered for a part.
func (o *oracle) answer(i *instance, x *shop, req *http.Request, status int) {
	k := partKey{i.id, x.name, partOf(req.URL.EscapedPath())}
	a := o.answers[k]
	switch {
	case status == http.StatusOK, status == http.StatusNotFound && k.scope != plan.ScopePDFs:
		a.well = o.sim.step.Load()
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		a.refused, a.status = o.sim.step.Load(), status
		a.latest = append(a.latest, a.refused)
		a.latest = slices.Clone(a.latest[max(0, len(a.latest)-plan.RefusedInARow-2):])
	}
	o.answers[k] = a
}

// checkHolds: a hold begins by a refusal of what it stops, is overwritten by none, and
// ends by its own condition alone.
func (o *oracle) checkHolds(i *instance) {
	found := map[holdKey]heldState{}
	for _, row := range o.sim.db.mustQuery("SELECT shop, scope, reason FROM holds") {
		k := holdKey{row[0].(string), plan.Scope(row[1].(string))}
		is := heldState{plan.Reason(row[2].(string)), o.sim.step.Load()}
		was, held := o.holds[k]
		switch {
		case held && was.reason != is.reason:
			o.violate("holds: %v was held for %s, and that was overwritten with %s", k, was.reason, is.reason)
		case held:
			is.step = was.step
		default:
			o.sim.counts["hold: "+string(k.scope)+" "+string(is.reason)]++
			o.checkBegin(i, k, is.reason)
			if a := o.answers[partKey{i.id, k.shop, k.scope}]; is.reason == plan.HeldForbidden && len(a.latest) > 0 {
				// What was under way when it was refused may end it.
				is.step = a.latest[0]
			}
		}
		found[k] = is
	}
	for k, was := range o.holds {
		if _, held := found[k]; !held {
			o.checkEnd(i, k, was)
		}
	}
	o.holds = found
}

func (o *oracle) checkBegin(i *instance, k holdKey, reason plan.Reason) {
	a := o.answers[partKey{i.id, k.shop, k.scope}]
	switch {
	case k.scope == plan.ScopeShop && reason == plan.HeldAgreementChanged:
	case k.scope == plan.ScopeShop:
		want := map[plan.Reason]int{plan.HeldTokenRefused: http.StatusUnauthorized, plan.HeldForbidden: http.StatusForbidden}[reason]
		if a.refused < a.well || a.status != want {
			o.violate("holds: %s is held for %s by %s, to which /self has not said %d (%+v)", k.shop, reason, i.name, want, a)
		}
	case reason == plan.HeldForbidden && a.refused == 0:
		o.violate("holds: %v is held for %s by %s, to which no read of it was refused", k, reason, i.name)
	}
}

func (o *oracle) checkEnd(i *instance, k holdKey, was heldState) {
	a := o.answers[partKey{i.id, k.shop, k.scope}]
	x := o.sim.world.shops[slices.IndexFunc(o.sim.world.shops, func(x *shop) bool { return x.name == k.shop })]
	ended := true
	switch {
	case was.reason == plan.HeldLosses:
		l := o.wholes[listingKey{i.id, k.shop}]
		ended = x.approved || l != nil && l.began >= was.step && o.takes(i, x, l, was.step) <= max(lossMin, len(x.numbers)*lossPercent/100)
	case k.scope == plan.ScopeShop:
		ended = a.well >= was.step || a.refused >= was.step && was.reason != plan.HeldAgreementChanged &&
			a.status != map[plan.Reason]int{plan.HeldTokenRefused: http.StatusUnauthorized, plan.HeldForbidden: http.StatusForbidden}[was.reason]
	case was.reason == plan.HeldForbidden:
		ended = a.well >= was.step
	}
	if !ended {
		o.violate("holds: %s has ended the hold of %v for %s, which began at step %d, by nothing that it saw (%+v)", i.name, k, was.reason, was.step, a)
	}
}

// forbidParts has e-conomic refuse a part of a shop for a while, though /self is well.
func (w *world) forbidParts() {
	s := w.sim
	x := w.shops[s.rng.IntN(len(w.shops))]
	part := []plan.Scope{plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}[s.rng.IntN(3)]
	s.counts["part refused"]++
	x.forbidden[part] = []int{http.StatusUnauthorized, http.StatusForbidden}[s.rng.IntN(2)]
	s.after(s.between(time.Second, 60*time.Second), "a part is not refused any more", func() { delete(x.forbidden, part) })
}

// refuses returns the status with which the shop's agreement refuses a path, 0 if it
// does not.
func (x *shop) refuses(path string) int {
	part := partOf(path)
	if part == plan.ScopePDFs {
		var number int64
		if _, err := fmt.Sscanf(path, "/invoices/booked/%d/pdf", &number); err == nil && x.noPDF[number] != 0 {
			return x.noPDF[number]
		}
	}
	return x.forbidden[part]
}

// forbidPDF has e-conomic refuse an invoice's PDF for ever, at times.
func (w *world) forbidPDF(x *shop, number int64) {
	if w.sim.profile.forbids && !w.sim.calm && w.sim.rng.IntN(3) == 0 {
		x.noPDF[number] = []int{http.StatusUnauthorized, http.StatusForbidden}[w.sim.rng.IntN(2)]
		w.sim.counts["PDF refused for ever"]++
	}
}

// stops says what has stopped though nothing but PDFs is refused for ever, "" if
// nothing has.
func (o *oracle) stops(x *shop) string {
	if len(x.noPDF) == 0 {
		return ""
	}
	row := o.sim.db.mustQuery("SELECT tick_at, failures, failure FROM progress WHERE shop = ?", x.name)[0]
	if since := time.Since(moment(row[0])); since > 3*time.Minute || row[1].(int64) > 0 {
		return fmt.Sprintf("the last good tick was %s ago: %v", since, row[2])
	}
	return ""
}

// refusal is e-conomic's answer to what it refuses.
func refusal(status int) []byte {
	body, _ := json.Marshal(map[string]any{"message": http.StatusText(status), "errorCode": "E02000"})
	return body
}

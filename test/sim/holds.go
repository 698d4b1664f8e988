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

// A hold begins and ends with e-conomic's answers to the lagerd that writes it, or with a
// person's approval. The oracle remembers the answers and checks each hold that begins or ends.

type holdKey struct {
	shop  string
	scope plan.Scope
}

// heldState is a hold and when it was committed, or when the refusal that led to it arrived.
type heldState struct {
	reason plan.Reason
	step   int64
}

// partKey identifies a part of a shop as read by one instance.
type partKey struct {
	inst  int
	shop  string
	scope plan.Scope
}

// answers describes e-conomic's latest answers for a part.
type answers struct {
	well    int64 // step of the last complete answer
	refused int64 // step of the last refusal
	status  int   // its status

	latest []int64 // latest refusals: those that hold a part, and those of reads still running then
}

// partOf returns which part a path reads.
func partOf(path string) plan.Scope {
	switch {
	case path == "/api/self":
		return scopeKey
	case path == "/self":
		return plan.ScopeShop
	case strings.HasPrefix(path, "/products"), strings.HasPrefix(path, "/api/"):
		return plan.ScopeStock
	case strings.HasSuffix(path, "/pdf"):
		return plan.ScopePDFs
	}
	return plan.ScopeInvoices
}

// answer records e-conomic's answer for a part.
func (o *oracle) answer(i *instance, x *shop, req *http.Request, status int) {
	k := partKey{i.id, x.name, partOf(req.URL.EscapedPath())}
	a := o.answers[k]
	switch {
	case status == http.StatusOK, status == http.StatusPartialContent, status == http.StatusNotFound && k.scope != plan.ScopePDFs:
		a.well = o.sim.step.Load()
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		a.refused, a.status = o.sim.step.Load(), status
		a.latest = append(a.latest, a.refused)
		a.latest = slices.Clone(a.latest[max(0, len(a.latest)-plan.RefusedInARow-2):])
	}
	o.answers[k] = a
}

// checkHolds checks that a hold begins with a refusal of what it stops, is never overwritten,
// and ends only by its own condition, or since a person has moved the shop's stock.
func (o *oracle) checkHolds(i *instance, moved bool) {
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
				// A read that was running when the part was refused may end the
				// hold.
				is.step = a.latest[0]
			}
		}
		found[k] = is
	}
	for k, was := range o.holds {
		if _, held := found[k]; !held && !moved {
			o.checkEnd(i, k, was)
		}
	}
	o.holds = found
}

func (o *oracle) checkBegin(i *instance, k holdKey, reason plan.Reason) {
	a, x := o.answers[partKey{i.id, k.shop, k.scope}], o.sim.world.named(k.shop)
	switch {
	case x.divides(k.scope, reason):
		if by := o.answers[partKey{i.id, k.shop, x.identityOf(k.scope)}]; by.refused < by.well || by.refused == 0 {
			o.violate("holds: %v is held for %s by %s, but nothing refused its token (%+v)", k, reason, i.name, by)
		}
	case k.scope == plan.ScopeShop && x.divided():
		o.violate("holds: all of %s is held for %s by %s, though its stock and its invoices have tokens of their own", k.shop, reason, i.name)
	case k.scope == plan.ScopeShop && reason == plan.HeldAgreementChanged:
	case k.scope == plan.ScopeShop:
		want := map[plan.Reason]int{plan.HeldTokenRefused: http.StatusUnauthorized, plan.HeldForbidden: http.StatusForbidden}[reason]
		if a.refused < a.well || a.status != want {
			o.violate("holds: %s is held for %s by %s, but /self did not answer %d to it (%+v)", k.shop, reason, i.name, want, a)
		}
	case reason == plan.HeldForbidden && a.refused == 0:
		o.violate("holds: %v is held for %s by %s, but no read of it was refused", k, reason, i.name)
	}
}

func (o *oracle) checkEnd(i *instance, k holdKey, was heldState) {
	a := o.answers[partKey{i.id, k.shop, k.scope}]
	x := o.sim.world.shops[slices.IndexFunc(o.sim.world.shops, func(x *shop) bool { return x.name == k.shop })]
	ended := true
	switch {
	case was.reason == plan.HeldLosses:
		l := o.wholes[listingKey{i.id, o.reader(k.shop)}]
		ended = x.approved || l != nil && l.began >= was.step && o.takes(i, x, l, was.step) <= max(lossMin, len(x.numbers)*lossPercent/100)
	case x.divides(k.scope, was.reason):
		ended = o.answers[partKey{i.id, k.shop, x.identityOf(k.scope)}].well >= was.step
	case k.scope == plan.ScopeShop:
		ended = a.well >= was.step || a.refused >= was.step && was.reason != plan.HeldAgreementChanged &&
			a.status != map[plan.Reason]int{plan.HeldTokenRefused: http.StatusUnauthorized, plan.HeldForbidden: http.StatusForbidden}[was.reason]
	case was.reason == plan.HeldForbidden:
		ended = a.well >= was.step
	}
	if !ended {
		o.violate("holds: %s ended the hold of %v for %s, which began at step %d, without its condition (%+v)", i.name, k, was.reason, was.step, a)
	}
}

// forbidParts makes e-conomic refuse a part of a shop for a while although /self succeeds.
func (w *world) forbidParts() {
	s := w.sim
	x := w.shops[s.rng.IntN(len(w.shops))]
	part := []plan.Scope{plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}[s.rng.IntN(3)]
	s.counts["part refused"]++
	x.forbidden[part] = []int{http.StatusUnauthorized, http.StatusForbidden}[s.rng.IntN(2)]
	s.after(s.between(time.Second, 60*time.Second), "a part is not refused any more", func() { delete(x.forbidden, part) })
}

// refuses returns the status with which the shop's agreement refuses a path, or 0.
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

// forbidPDF makes e-conomic refuse some invoices' PDFs for ever.
func (w *world) forbidPDF(x *shop, number int64) {
	if w.sim.profile.forbids && !w.sim.calm && w.sim.rng.IntN(3) == 0 {
		x.noPDF[number] = []int{http.StatusUnauthorized, http.StatusForbidden}[w.sim.rng.IntN(2)]
		w.sim.counts["PDF refused for ever"]++
	}
}

// stops describes what is held although only PDFs are refused for ever, "" if nothing is.
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

// refusal returns the body of e-conomic's refusal.
func refusal(status int) []byte {
	body, _ := json.Marshal(map[string]any{"message": http.StatusText(status), "errorCode": "E02000"})
	return body
}

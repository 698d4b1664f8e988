package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// lossWindow is what the shop has lost within Options.LossWindow: losses that
// trickle, in each read fewer than the limit, would empty it otherwise. It is
// stored in the transaction that stores the losses, so that it outlives the
// lagerd, and loaded with the shop. A shop that loses nothing costs no statement.
type lossWindow struct {
	losses map[string]plan.Loss // by number: those that are stored, also what is over

	// Those of them that a listing has shown in stock again, which ended a hold, and
	// that the next one is going to store.
	back map[string]struct{}

	// For how long the shop was held, in all. What is stored of a loss's time is less
	// by that, so that one row has all of them stand still.
	held time.Duration
}

func (l *lossWindow) add(number string, loss plan.Loss) {
	if l.losses == nil {
		l.losses = map[string]plan.Loss{}
	}
	l.losses[number] = loss
}

func (w *Shop) loadLosses(ctx context.Context) error {
	now := w.Now()
	m, err := w.Store.LossMemory(ctx, w.shop.Shop, w.shop.Dataset, now.Add(-approvalLasts))
	if err != nil {
		return err
	}
	w.approve(m.Approved)
	w.window = lossWindow{held: m.Held}
	for _, l := range m.Losses {
		// A clock that was ahead may have stored it: it counts from now on then.
		age := max(0, now.Sub(l.At.Add(m.Held)))
		w.window.add(l.Number, plan.Loss{At: now.Add(-age), Gone: l.Gone})
	}
	return nil
}

// lossWindow returns what decides about further losses.
func (w *Shop) lossWindow(coming map[string]plan.Suspect, back map[string]struct{}) plan.LossWindow {
	return plan.LossWindow{Now: heldSince(w.progress.Holds, w.Now()), Within: w.LossWindow, Percent: w.LossWindowPercent, Min: w.LossWindowMin,
		Items: int(w.progress.Items), Approved: w.approved, Recent: w.window.losses, Coming: coming, Back: back}
}

// judge decides about what a read would take away, together with what was lost
// within the window and what is suspected already.
func (w *Shop) judge(batch itemsBatch, p plan.ItemsPlan, suspected map[string]plan.Suspect) plan.LossVerdict {
	for _, o := range batch.observations {
		delete(w.window.back, o.Item.Number)
	}
	if len(p.Lost)+len(suspected) == 0 || len(w.window.losses)+len(w.suspects)+len(p.Lost)+len(suspected) <= w.LossWindowMin {
		return plan.LossVerdict{}
	}
	coming := make(map[string]plan.Suspect, len(w.suspects)+len(suspected))
	maps.Copy(coming, w.suspects)
	for _, o := range batch.observations {
		delete(coming, o.Item.Number)
	}
	maps.Copy(coming, suspected)
	for _, l := range p.Lost {
		coming[l.Number] = plan.Suspect{Loss: true, Unlisted: w.suspects[l.Number].Unlisted}
	}
	back := maps.Clone(w.window.back)
	for _, number := range p.Restored {
		if back == nil {
			back = map[string]struct{}{}
		}
		back[number] = struct{}{}
	}
	return w.lossWindow(coming, back).Judge()
}

func (w *Shop) windowDetail(v plan.LossVerdict) string {
	return fmt.Sprintf("a reconciliation would take away the stock of %d more items: with the %d lost within %s, of which no webhook told, %d of %d items: look at `lagerd diff %s`; if it is right, say `lagerd approve %s`",
		v.Coming, v.Taken, short(w.LossWindow), v.Taken+v.Coming, v.Items, w.shop.Shop, w.shop.Shop)
}

// short writes a duration without the units that are zero: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// remember returns what the transaction that stores a plan changes of the window.
func (w *Shop) remember(p plan.ItemsPlan) store.LossChange {
	c := store.LossChange{Forgotten: p.Restored}
	if len(p.Lost) == 0 || w.changingOver() {
		return c // nobody sees yet what a new agreement's items lose
	}
	c.Forgotten = append(c.Forgotten, w.overLosses(false)...)
	window := w.lossWindow(nil, nil)
	for _, l := range p.Lost {
		at := window.Now
		known, counted := w.window.losses[l.Number]
		switch {
		case counted && !window.Over(known):
			at = known.At
		case c.Approved < w.approved:
			c.Approved++
			continue
		}
		c.Lost = append(c.Lost, store.Loss{Number: l.Number, At: at.Add(-w.window.held), Gone: l.Gone})
	}
	return c
}

// remembered takes over what has been stored.
func (w *Shop) remembered(c store.LossChange) {
	for _, number := range c.Forgotten {
		delete(w.window.losses, number)
	}
	for _, l := range c.Lost {
		w.window.add(l.Number, plan.Loss{At: l.At.Add(w.window.held), Gone: l.Gone})
	}
	w.approved -= c.Approved
}

// overLosses returns the numbers of losses that count no more, or of all, as
// many as one transaction forgets.
func (w *Shop) overLosses(all bool) []string {
	window := w.lossWindow(nil, nil)
	var over []string
	for number, l := range w.window.losses {
		if all || window.Over(l) {
			over = append(over, number)
		}
	}
	slices.Sort(over)
	return over[:min(len(over), store.RowsPerPiece)]
}

// forgetLosses forgets the losses that count no more, or all.
func (w *Shop) forgetLosses(ctx context.Context, all bool) error {
	for {
		c := store.LossChange{Forgotten: w.overLosses(all)}
		if len(c.Forgotten) == 0 {
			return nil
		}
		if err := w.apply(ctx, store.Applied{Losses: c}); err != nil {
			return err
		}
		w.remembered(c)
	}
}

// heldSince returns since when the holds keep the shop's stock from being read,
// the given time if they do not.
func heldSince(holds plan.Holds, now time.Time) time.Time {
	since := now
	for _, h := range holds {
		if (h.Scope == plan.ScopeShop || h.Scope == plan.ScopeStock) && h.Since.Before(since) {
			since = h.Since
		}
	}
	return since
}

// standStill returns what the end of holds changes of the window: its losses are no
// older then than when the holds began.
func (w *Shop) standStill(left plan.Holds) store.LossChange {
	now := w.Now()
	stood := heldSince(left, now).Sub(heldSince(w.progress.Holds, now))
	if len(w.window.losses) == 0 || stood <= 0 {
		return store.LossChange{}
	}
	return store.LossChange{Held: w.window.held + stood}
}

// stoodStill takes over what standStill returned, once it is stored.
func (w *Shop) stoodStill(c store.LossChange) {
	if c.Held == 0 {
		return
	}
	now, stood := w.Now(), c.Held-w.window.held
	w.window.held = c.Held
	for number, l := range w.window.losses {
		if l.At = l.At.Add(stood); l.At.After(now) {
			l.At = now
		}
		w.window.losses[number] = l
	}
}

package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"lagerd/economic"
	"lagerd/reconcile/plan"
	"lagerd/store"
)

// listing is a read of everything the agreement holds, some pages each pass.
type listing struct {
	cause      plan.Cause
	priority   economic.Priority
	hints      hintMap
	began      time.Time
	next       string
	started    bool
	seen       map[string]struct{}
	unknown    int // items without a readable number
	read       int
	results    int
	latest     time.Time
	serverDate time.Time
	assessment plan.Assessment
	created    []plan.Item
	digest     hash.Hash
	notBefore  time.Time // the budget says so
}

// beginListing starts a listing. Its hints are loaded before its first page.
func (w *worker) beginListing(ctx context.Context, j job) error {
	l := &listing{cause: plan.CauseSweep, priority: economic.PrioritySweep, seen: map[string]struct{}{}, digest: sha256.New()}
	if j.tick && !j.sweep && w.progress.Items <= plan.PageSize && !w.progress.SweptAt.IsZero() {
		l.cause, l.priority = plan.CauseTick, economic.PriorityTick
	}
	var err error
	if l.hints, err = w.allHints(ctx, j); err != nil {
		return err
	}
	if len(l.hints) > 0 {
		l.priority = economic.PriorityHint
	}
	w.sweep = l
	return nil
}

// pagesPerPass bounds how long a listing keeps its shop from hints.
const pagesPerPass = 10

// turnPages reads and stores the next pages of the listing under way.
func (w *worker) turnPages(ctx context.Context) error {
	l := w.sweep
	for range pagesPerPass {
		p, err := w.stock.Listing(ctx, l.priority, l.next)
		if err != nil {
			if economic.KindOf(err) != economic.KindBudget {
				w.sweep = nil // it begins anew: what was not read may have changed
			}
			return err
		}
		if !l.started {
			l.started, l.began, l.serverDate = true, p.began, p.serverDate
			held, err := w.assessFirst(ctx, p)
			if err != nil || held {
				w.sweep = nil
				return errors.Join(err, w.answerAll(ctx, l.hints, w.progress.HeldDetail))
			}
		}
		l.add(p)
		w.complain(p)
		last := p.next == ""
		if last && w.unchanged(l) {
			w.sweep = nil
			return nil
		}
		also := store.Applied{}
		if last {
			if err := l.complete(w); err != nil {
				w.sweep = nil
				return err
			}
			also.Progress = w.listed(l)
		}
		created, err := w.storeItems(ctx, itemsBatch{observations: p.observations, hints: l.hints, cause: l.cause, created: l.created}, also)
		if err != nil {
			w.sweep = nil
			return err
		}
		l.created = append(l.created, created...)
		if last {
			w.sweep = nil
			return w.finishListing(ctx, l)
		}
		l.next = p.next
	}
	return nil
}

func (l *listing) add(p page) {
	l.read += p.size()
	l.results = p.results
	for _, o := range p.observations {
		i := o.Item
		l.seen[i.Number] = struct{}{}
		l.assessment.Add(i)
		if i.UpdatedAt.After(l.latest) {
			l.latest = i.UpdatedAt
		}
		fmt.Fprintf(l.digest, "%q %q %q %t %t %v %d\n", i.Number, i.Name, i.BarCode, i.Barred, i.InventoryEnabled, i.Figures, i.UpdatedAt.Unix())
	}
	for _, b := range p.bad {
		if b.Number == "" {
			l.unknown++
		}
		l.seen[b.Number] = struct{}{}
	}
}

// unchanged reports whether the listing says, to the letter, what the last one
// said that was stored whole, with nothing stored since: then there is nothing
// to do, and the database is not asked at all.
func (w *worker) unchanged(l *listing) bool {
	return w.settled != "" && len(l.hints) == 0 && l.cause == plan.CauseTick && l.sum() == w.settled
}

func (l *listing) sum() string { return hex.EncodeToString(l.digest.Sum(nil)) }

// complete reports an error where the listing was cut short: nothing is
// concluded from what it did not show.
func (l *listing) complete(w *worker) error {
	switch {
	case l.read < l.results:
		return fmt.Errorf("shop %s: e-conomic announced %d items and sent %d: nothing is concluded from those that are missing", w.shop.Shop, l.results, l.read)
	case l.read == 0 && w.progress.Items > 0:
		return fmt.Errorf("shop %s: e-conomic lists no items at all, where there were %d: nothing is concluded from that", w.shop.Shop, w.progress.Items)
	}
	return nil
}

// listed returns the progress that is stored with the last page.
func (w *worker) listed(l *listing) map[string]any {
	set := map[string]any{}
	put := func(column string, is, value any) {
		if is != value {
			set[column] = value
		}
	}
	suspicion := ""
	if l.assessment.Verdict() == plan.VerdictAllZero {
		suspicion = SuspicionAllZero
		if w.progress.Suspicion == "" {
			w.log.Warn("every stock figure of the agreement is zero: is its stock really kept in e-conomic?")
		}
	}
	put("suspicion", w.progress.Suspicion, suspicion)
	put("items", w.progress.Items, int64(len(l.seen)))
	cursor := moveCursor(w.progress.ItemsCursor.Time, l.latest, l.serverDate, w.Overlap)
	if l.cause != plan.CauseTick || cursor.Sub(w.progress.ItemsCursor.Time) >= w.Overlap {
		set["items_cursor"] = store.At(cursor)
		set["swept_at"] = store.At(l.began)
	}
	return set
}

// finishListing asks for the items that the listing did not show and takes
// over what was stored.
func (w *worker) finishListing(ctx context.Context, l *listing) error {
	cursor := moveCursor(w.progress.ItemsCursor.Time, l.latest, l.serverDate, w.Overlap)
	w.progress.ItemsCursor, w.progress.SweptAt = store.At(cursor), store.At(l.began)
	w.progress.Items = int64(len(l.seen))
	w.progress.Suspicion = ""
	if l.assessment.Verdict() == plan.VerdictAllZero {
		w.progress.Suspicion = SuspicionAllZero
	}
	if err := w.readMissing(ctx, l); err != nil {
		return err
	}
	if l.unknown == 0 && !w.waiting {
		w.settled = l.sum()
	}
	return nil
}

// missingPerPass bounds how many missing items are asked for one by one.
const missingPerPass = 100

// readMissing deals with numbers that a complete listing did not show: one
// that is stored is asked for alone before it counts as gone; one that is only
// hinted does not exist.
func (w *worker) readMissing(ctx context.Context, l *listing) error {
	if l.unknown > 0 {
		return nil // one of those without a readable number may be it
	}
	present, err := w.Store.PresentNumbers(ctx, w.shop.Shop)
	if err != nil {
		return err
	}
	missing := plan.Missing(present, l.seen)
	if len(missing) > missingPerPass {
		w.log.WithField("missing", len(missing)).Warn("many items are missing from e-conomic's listing: they are asked for one by one, some each sweep")
		missing = missing[:missingPerPass]
	}
	stored := make(map[string]struct{}, len(present))
	for _, number := range present {
		stored[number] = struct{}{}
	}
	var absent []plan.Observation
	for number := range l.hints {
		_, isStored := stored[number]
		_, isListed := l.seen[number]
		switch {
		case isListed: // listed, but it could not be understood
			missing = append(missing, number)
		case !isStored:
			absent = append(absent, plan.Observation{Item: plan.Item{Number: number}, Began: l.began})
		}
	}
	if _, err := w.storeItems(ctx, itemsBatch{observations: absent, hints: l.hints, cause: l.cause}, store.Applied{}); err != nil {
		return err
	}
	for _, number := range missing {
		o, err := w.stock.Item(ctx, l.priority, number)
		if _, hinted := l.hints[number]; err != nil && hinted {
			err = w.putOff(ctx, l.hints, number, err)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if _, err := w.storeItems(ctx, itemsBatch{observations: []plan.Observation{o}, hints: l.hints, cause: l.cause, created: l.created}, store.Applied{}); err != nil {
			return err
		}
	}
	return nil
}

// assessFirst looks at the first page of a listing. Where no item on it
// carries a stock figure the following pages are looked through for one; if
// none has any, the agreement's stock cannot be read: the shop's stock is
// held, and what is stored stays as it is.
func (w *worker) assessFirst(ctx context.Context, first page) (held bool, err error) {
	var a plan.Assessment
	for p := first; ; {
		for _, o := range p.observations {
			a.Add(o.Item)
		}
		if a.WithFigures > 0 || p.next == "" {
			break
		}
		if p, err = w.stock.Listing(ctx, economic.PrioritySweep, p.next); err != nil {
			return false, err
		}
	}
	if a.Verdict() != plan.VerdictNoInventory {
		if w.progress.Held == HeldNoInventory {
			w.log.Info("e-conomic sends stock figures again: the shop's stock goes on")
			return false, w.hold(ctx, "", "")
		}
		return false, nil
	}
	detail := fmt.Sprintf("none of %d items carries a stock figure (%d claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?); invoices go on", a.Items, a.Enabled)
	return true, w.hold(ctx, HeldNoInventory, detail)
}

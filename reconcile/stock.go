package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// farAway is later than any hint is due.
const farAway = 100 * 365 * 24 * time.Hour

// stockPass reads and stores what is due of the shop's stock. again reports that
// there is more to read at once.
func (w *Shop) stockPass(ctx context.Context, j Due) (again bool, err error) {
	again, err = w.readStock(ctx, j)
	if err != nil || !w.changingOver() || w.stockOff() != "" || w.progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory) {
		return again, err
	}
	list, err := w.changeOver(ctx)
	// One that was asked for before, and has not begun, is not asked for at once again.
	again = again || list && !w.sweepNext
	w.sweepNext = w.sweepNext || list
	return again, err
}

// readStock is stockPass without the change to another agreement's items.
func (w *Shop) readStock(ctx context.Context, j Due) (again bool, err error) {
	if off := w.stockOff(); off != "" {
		return false, w.dismiss(ctx, j, plan.KindStock, off, "")
	}
	if can := w.stock.Can(); can.Figures[cmp.Or(w.shop.StockFigure, plan.FigureInStock)] == "" {
		return false, fmt.Errorf("shop %s: %s tells no figure %q: choose another with `lagerd shops set %s --figure …`", w.shop.Shop, can.Name, w.shop.StockFigure, w.shop.Shop)
	}
	if w.forbidden(plan.ScopeStock) && !w.dueForTry(plan.ScopeStock, j) {
		return false, w.putOffPart(ctx, j, plan.KindStock, plan.ScopeStock)
	}
	if hold, _ := w.heldStock(); hold.Reason == plan.HeldNoInventory {
		if !w.dueForTry(plan.ScopeStock, j) {
			return false, w.dismiss(ctx, j, plan.KindStock, plan.HintNoInventory, hold.Detail)
		}
		j.Sweep = true // nothing is believed before a listing shows figures
	}
	if err := w.askApproval(ctx, &j); err != nil {
		return false, err
	}
	if w.sweepNext && w.sweep == nil {
		j.Sweep, w.sweepNext = true, false
	}
	due, err := w.dueHints(ctx, j, plan.KindStock)
	if err != nil {
		return false, err
	}
	if w.forbidden(plan.ScopeStock) && len(due) > 0 {
		if open, err := w.tryStock(ctx, due); err != nil || !open {
			return false, w.endPart(ctx, plan.ScopeStock, err)
		}
	}
	backlog, err := w.inbox.Backlog(ctx)
	if err != nil {
		return false, err
	}
	situation := w.situation(j, due, backlog.Items())
	if !backlog.Empty() && !situation.Flood() {
		if due, err = w.unpackRest(ctx, j); err != nil {
			return false, err
		}
		backlog, situation = inbox.Backlog{}, w.situation(j, due, nil)
	}
	reads := plan.PlanReads(situation)
	if w.holdsBack() {
		// Nothing of what a change query tells may be stored, so it tells nothing.
		reads.Changes = false
	}
	var errs []error
	w.sweepNext = w.sweepNext || j.Sweep && w.sweep != nil
	if reads.Listing {
		errs = append(errs, w.beginListing(ctx, j, situation.Flood(), backlog))
	} else if w.sweep != nil && situation.Flood() {
		// A flood waits for the listing under way: it goes on as hints do.
		w.sweep.priority, w.sweep.notBefore, w.sweep.awaited = source.PriorityHint, time.Time{}, true
	}
	if reads.Changes {
		due, err = w.readChanges(ctx, due)
		errs = append(errs, w.endPart(ctx, plan.ScopeStock, heldBack(err)))
		if w.forbidden(plan.ScopeStock) {
			return false, errors.Join(errs...)
		}
	}
	if reads.Filters || reads.Singles {
		most := 0
		switch {
		case reads.Filters && j.Asked:
			most = len(due)
		case reads.Filters:
			most = filtersPerPass
		}
		errs = append(errs, w.endPart(ctx, plan.ScopeStock, heldBack(w.readHinted(ctx, due, most))))
	}
	if w.sweep == nil || errors.Join(errs...) != nil || w.Now().Before(w.sweep.notBefore) {
		return false, errors.Join(errs...)
	}
	err = w.endPart(ctx, plan.ScopeStock, heldBack(w.turnPages(ctx)))
	if stop, _ := w.stops(err, plan.ReadListing, 0); stop != plan.StopDay || w.sweep == nil {
		return w.sweep != nil && err == nil, err
	}
	if w.budget.Spent(w.sweep.priority) {
		w.sweep.spent = err
	}
	if w.sweep.cause == plan.CauseSweep {
		// The day's share of a sweep is used up: it goes on where it was.
		w.sweep.notBefore = w.Now().Add(source.RetryAfter(err))
		w.log.WithField("until", w.sweep.notBefore).Info("the sweep waits for the budget")
		return false, nil
	}
	return false, err
}

// tryStock tries stock that is held as forbidden by its hinted numbers, the newest hint
// first. open reports that the rest may be read: e-conomic has answered for one, or has
// refused none but those that it always refuses.
func (w *Shop) tryStock(ctx context.Context, hints inbox.Hints) (open bool, err error) {
	newest := slices.SortedFunc(maps.Keys(hints), func(a, b string) int {
		return cmp.Or(hints[b].FirstAt.Compare(hints[a].FirstAt), strings.Compare(a, b))
	})
	refused := func(number string) bool { return hints[number].Refused || w.streaks[plan.ScopeStock].Known(number) }
	open = true
	for _, number := range plan.Probes(newest, refused) {
		fresh := !refused(number)
		err := heldBack(w.readSingle(ctx, hints, number, new(int)))
		if err != nil || !w.forbidden(plan.ScopeStock) {
			return true, err
		}
		open = open && !fresh
	}
	if !open {
		w.noteTry(plan.ScopeStock)
	}
	return open, nil
}

// stockOff returns why the shop's stock is not read, "" if it is.
func (w *Shop) stockOff() plan.HintReason {
	switch {
	case !w.shop.StockOn:
		return plan.HintStockOff
	case w.shop.StockSource == store.SourceRackbeat:
		return plan.HintRackbeat
	}
	return ""
}

// dismiss answers hints that the shop has no use for, with the reason.
func (w *Shop) dismiss(ctx context.Context, j Due, kind plan.Kind, why plan.HintReason, detail string) error {
	hints, err := w.dueHints(ctx, j, kind)
	if err != nil {
		return err
	}
	return w.answerAll(ctx, hints, why, detail)
}

func (w *Shop) answerAll(ctx context.Context, hints inbox.Hints, why plan.HintReason, detail string) error {
	for piece := range hints.Pieces(func(plan.Hint) bool { return true }) {
		var o inbox.Outcome
		for _, h := range piece {
			o.Answered = append(o.Answered, h.Answer(why, detail))
		}
		if err := w.settle(ctx, hints, o); err != nil {
			return err
		}
	}
	return nil
}

// settle stores what has become of hints, where there is nothing else to store.
func (w *Shop) settle(ctx context.Context, hints inbox.Hints, o inbox.Outcome) error {
	writes := w.inbox.Writes(hints, o)
	if err := w.apply(ctx, store.Applied{Answered: writes.Answered, Rereads: writes.Rereads, Hints: writes.Records}); err != nil {
		return err
	}
	w.inbox.Wrote(hints, o)
	return nil
}

// dueHints loads the hints that are due, but for those that the listing under way is
// going to answer.
func (w *Shop) dueHints(ctx context.Context, j Due, kind plan.Kind) (inbox.Hints, error) {
	wait := inbox.WaitNot
	if w.sweep != nil && !j.Asked {
		wait = w.sweep.hintsWait()
	}
	return counting(ctx, w, func() (inbox.Hints, []store.HintRecord, error) { return w.inbox.Due(ctx, kind, w.due(), wait) })
}

// allHints loads all open hints.
func (w *Shop) allHints(ctx context.Context, kind plan.Kind) (inbox.Hints, error) {
	return counting(ctx, w, func() (inbox.Hints, []store.HintRecord, error) { return w.inbox.All(ctx, kind) })
}

// counting loads from the inbox what has rows, when those count the webhooks that a
// listing has in hand of their numbers.
func counting[T any](ctx context.Context, w *Shop, load func() (T, []store.HintRecord, error)) (T, error) {
	loaded, uncounted, err := load()
	if err == nil && len(uncounted) > 0 {
		if err = w.record(ctx, uncounted); err == nil {
			w.inbox.Counted(uncounted)
			loaded, _, err = load()
		}
	}
	return loaded, err
}

// unpackRest unpacks what has been left in batches and is not worth a listing, and
// returns the hints that are due then.
func (w *Shop) unpackRest(ctx context.Context, j Due) (inbox.Hints, error) {
	if err := w.unpack(ctx, true); err != nil {
		return nil, err
	}
	return w.dueHints(ctx, j, plan.KindStock)
}

func (w *Shop) situation(j Due, due, waiting inbox.Hints) plan.Situation {
	numbers := make([]string, 0, min(len(due)+len(waiting), 100))
	for _, hints := range []inbox.Hints{due, waiting} {
		for number := range hints {
			if len(numbers) < cap(numbers) {
				numbers = append(numbers, number)
			}
		}
	}
	slices.Sort(numbers) // how many fit is told of the first ones
	changes := w.stock.Can().Changes
	return plan.Situation{
		Items: int(w.progress.Items), PageSize: w.PageSize, NoChanges: !changes,
		Swept:  !w.progress.SweptAt.IsZero() && (!w.progress.ItemsCursor.IsZero() || !changes),
		Hinted: len(due) + len(waiting), PerFilter: w.stock.Together(numbers),
		Tick: j.Tick, Sweep: j.Sweep, Listing: w.sweep != nil, SinceSweep: min(w.since(w.progress.SweptAt.Time), w.since(w.lookedAt)),
		SweepEvery: plan.SweepInterval(int(w.progress.Items), w.PageSize, w.DailyCalls, w.SweepEvery),
	}
}

// storeItems plans and applies a batch of observations, with what else the
// transaction is to carry. Hints that it deals with are taken out of hints.
func (w *Shop) storeItems(ctx context.Context, batch itemsBatch, also store.Applied) ([]plan.Item, error) {
	for i := range batch.observations {
		batch.observations[i].Began = w.steady(batch.observations[i].Began)
	}
	stored, err := w.stored(ctx, batch)
	if err != nil {
		return nil, err
	}
	visible := time.Time{}
	if cursor := w.progress.ItemsCursor.Time; !cursor.IsZero() {
		visible = cursor.Add(-w.Overlap)
	}
	p := plan.Items(plan.ItemsInput{
		VisibleSince: visible,
		Figure:       w.shop.StockFigure, Token: w.token, Cause: batch.cause, First: w.progress.SweptAt.IsZero(),
		Observations: batch.observations, Stored: stored, Hints: batch.hints, Created: [][]plan.Item{batch.created, w.created},
		Now: w.Now(), Rereads: w.Rereads, LateWithin: w.LateWithin, Suspects: w.losses.Suspects(), HeldBackTo: w.heldBackTo(), Recent: w.losses.Recent(),
		Listing: batch.webhookAt,
	})
	read := p.Takes(batch.observations, batch.missing)
	read.Empty = batch.empty
	if err := w.guard(ctx, read); err != nil {
		return nil, err
	}
	a := also
	a.Losses = w.remember(read)
	a.EndApproval = a.EndApproval || a.Losses.Approved > 0 && a.Losses.Approved == w.losses.Approved()
	a.Hints = append(w.suspectHints(p.Suspected, batch.hints), also.Hints...)
	a.Items, a.Changes = p.Rows, p.Changes
	outcome := inbox.Outcome{Answered: p.Answered, Rereads: p.Rereads}
	writes := w.inbox.Writes(batch.hints, outcome)
	a.Answered, a.Rereads, a.Hints = writes.Answered, writes.Rereads, append(a.Hints, writes.Records...)
	if len(p.Late) > 0 {
		a.Late = map[plan.Kind][]string{plan.KindStock: p.Late}
	}
	a.Warnings = append(w.warnOfItems(batch.observations), also.Warnings...)
	if p.Stale > 0 {
		w.log.WithField("observations", p.Stale).Info("ignored observations older than what is stored")
	}
	if err := w.apply(ctx, a); err != nil {
		return nil, err
	}
	w.losses.Stored(a.Losses, w.Now())
	w.suspect(read)
	w.inbox.Wrote(batch.hints, outcome)
	return p.Created(), nil
}

// stored reads what is stored of a batch's items.
func (w *Shop) stored(ctx context.Context, batch itemsBatch) (map[string]plan.Row, error) {
	numbers := numbersOf(batch.observations)
	if batch.listed {
		return w.storedOfPage(ctx, numbers)
	}
	return w.Store.Items(ctx, w.shop.Dataset, numbers)
}

// storedOfPage reads what is stored of a page of the listing under way, and what else is
// stored between its numbers. e-conomic lists items by number: mostly nothing is. Where
// its order is too much another than the database's, each number is asked for.
func (w *Shop) storedOfPage(ctx context.Context, numbers []string) (map[string]plan.Row, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	rows, all, err := w.Store.ItemsBetween(ctx, w.shop.Dataset, slices.Min(numbers), slices.Max(numbers), len(numbers)*3/2)
	if err != nil || all {
		return rows, err
	}
	return w.Store.Items(ctx, w.shop.Dataset, numbers)
}

// itemsBatch is what is stored by one transaction.
type itemsBatch struct {
	observations []plan.Observation
	listed       bool      // they are a page of the listing under way
	webhookAt    time.Time // when the last webhook came that it answers
	hints        inbox.Hints
	cause        plan.Cause
	created      []plan.Item // by earlier batches of the same read

	missing map[string]plan.Suspect // stored items that a whole listing did not show
	empty   bool                    // it showed none at all
}

// filtersPerPass is how many filtered listings of hinted numbers are read until
// the reads are planned anew: meanwhile so many hints may have come that a whole
// listing costs less. A person who asked is told when all have been read.
const filtersPerPass = 10

// readHinted reads hinted numbers, in at most so many filtered listings of several
// or, with none, one by one. A number that cannot be read is put off with its error
// and holds up no other; when several in a row cannot, it is not the numbers' fault.
func (w *Shop) readHinted(ctx context.Context, hints inbox.Hints, most int) error {
	numbers := make([]string, 0, len(hints))
	for number := range hints {
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b string) int {
		// What has failed comes last: it may be what e-conomic hangs on.
		return cmp.Or(cmp.Compare(hints[a].Failures, hints[b].Failures), hints[a].FirstAt.Compare(hints[b].FirstAt), strings.Compare(a, b))
	})
	row := 0 // of numbers that got no usable answer
	together := most > 0 && !w.alone
	for filters := 0; len(numbers) > 0; {
		n := 1
		if together {
			n = max(1, w.stock.Together(numbers))
		}
		if n > 1 {
			if filters++; filters > most {
				w.inbox.Reopen(plan.KindStock)
				w.hinted = true
				break
			}
			err := w.judged(ctx, w.readTogether(ctx, hints, numbers[:n], &row))
			if err == nil {
				numbers = numbers[n:]
				continue
			}
			stop, again := w.stops(err, plan.ReadItems, 0)
			if stop != plan.StopNothing {
				w.alone = again == plan.AgainAlone
				return err
			}
			together = false
			continue
		}
		number := numbers[0]
		numbers = numbers[1:]
		if _, open := hints[number]; !open {
			continue
		}
		if err := w.readSingle(ctx, hints, number, &row); err != nil {
			return err
		}
	}
	w.alone = false
	return nil
}

func (w *Shop) readTogether(ctx context.Context, hints inbox.Hints, numbers []string, row *int) error {
	asked := make(map[string]struct{}, len(numbers))
	for _, number := range numbers {
		asked[number] = struct{}{}
	}
	var observations []plan.Observation
	for page, err := range w.listItems(ctx, source.PriorityHint, "items", source.ItemsQuery{Numbers: numbers}) {
		if err == nil || plan.IsShort(err) { // what does not come is asked for alone
			err = w.answered(ctx, plan.ScopeStock, "")
		}
		if err != nil {
			return err
		}
		for _, o := range page.Observed {
			// e-conomic compares without regard to case: others may come too.
			if _, ok := asked[o.Item.Number]; ok {
				observations = append(observations, o)
				delete(asked, o.Item.Number)
			}
		}
	}
	if _, err := w.storeItems(ctx, itemsBatch{observations: observations, hints: hints, cause: plan.CauseWebhook}, store.Applied{}); err != nil {
		return err
	}
	// What did not come may be gone, or could not be understood: asked alone,
	// it says which.
	for _, number := range numbers {
		if _, missing := asked[number]; missing {
			if err := w.readSingle(ctx, hints, number, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSingle reads one number; row is that of stopsForNumber.
func (w *Shop) readSingle(ctx context.Context, hints inbox.Hints, number string, row *int) error {
	o, err := w.stock.Item(ctx, source.PriorityHint, number)
	if err != nil {
		return w.putOff(ctx, hints, number, err, row)
	}
	*row = 0
	if err := w.answered(ctx, plan.ScopeStock, number); err != nil {
		return err
	}
	_, err = w.storeItems(ctx, itemsBatch{observations: []plan.Observation{o}, hints: hints, cause: plan.CauseWebhook}, store.Applied{})
	return err
}

// readChanges reads what changed since the cursor, less an overlap, to the
// end, and moves the cursor with the last page. It returns the hints that are
// due and still open.
func (w *Shop) readChanges(ctx context.Context, due inbox.Hints) (inbox.Hints, error) {
	hints, err := w.allHints(ctx, plan.KindStock)
	if err != nil {
		return due, err
	}
	// Also where it fails: what its pages have dealt with is stored.
	defer func() {
		maps.DeleteFunc(due, func(number string, _ plan.Hint) bool { _, open := hints[number]; return !open })
	}()
	cursor := w.progress.ItemsCursor.Time
	seen, announced := source.Times{Latest: cursor}, 0
	skipped := false
	var short error
	var created []plan.Item
	var left leftOut
	for p, err := range w.listItems(ctx, source.PriorityTick, "changed items", source.ItemsQuery{Since: cursor.Add(-w.Overlap)}) {
		if plan.IsShort(err) {
			short, err = err, nil
		}
		if err == nil {
			err = w.answered(ctx, plan.ScopeStock, "")
		}
		if err != nil {
			return due, err
		}
		if seen.Began.IsZero() {
			seen.Began, seen.ServerDate = p.Began, p.ServerDate
		}
		// Behind an item that was deleted meanwhile others moved onto pages that had
		// been read: the next change query shows them.
		skipped = skipped || p.Announced < announced
		announced = p.Announced
		for _, o := range p.Observed {
			if o.Item.UpdatedAt.After(seen.Latest) {
				seen.Latest = o.Item.UpdatedAt
			}
		}
		also := store.Applied{Hints: w.badHints(p, hints)}
		left.addNameless(p.Unreadable)
		also.Warnings = w.warnOfLeftOut(plan.KindStock, left, false)
		if p.Next == "" && short == nil && !skipped {
			moved := w.stock.Cursor(cursor, seen, w.Overlap)
			// Not written each minute for its own sake: a cursor that is behind is safe.
			if moved.Sub(cursor) >= w.Overlap || seen.Latest.After(cursor) {
				also.Progress.ItemsCursor = new(store.At(moved))
			}
		}
		made, err := w.storeItems(ctx, itemsBatch{observations: p.Observed, hints: hints, cause: plan.CauseTick, created: created}, also)
		if err != nil {
			return due, err
		}
		created = append(created, made...)
	}
	if short != nil {
		return due, w.cameShort(w.stock.Can().Name, short, "the cursor stays")
	}
	if len(created) > 0 {
		w.created = created
	}
	return due, nil
}

func numbersOf(observations []plan.Observation) []string {
	numbers := make([]string, len(observations))
	for i := range observations {
		numbers[i] = observations[i].Item.Number
	}
	return numbers
}

// itemsPage is one page of items.
type itemsPage = source.Page[plan.Observation]

// listItems reads the items that q asks for, page by page.
func (w *Shop) listItems(ctx context.Context, p source.Priority, what string, q source.ItemsQuery) iter.Seq2[itemsPage, error] {
	return source.Pages(what, func(link source.Link) (itemsPage, error) { return w.stock.Items(ctx, p, q, link) })
}

// cameShort says of a listing that was cut short who sent it, and what follows. Any
// other error is returned as it is.
func (w *Shop) cameShort(from string, err error, follows string) error {
	if !plan.IsShort(err) {
		return err
	}
	return fmt.Errorf("shop %s: %s %w: %s", w.shop.Shop, from, err, follows)
}

// badHints turns items that could not be understood into hints, so that they
// are asked for alone, kept with their error and retried. They stay as they
// are stored, and hold up none of the others.
func (w *Shop) badHints(p itemsPage, open inbox.Hints) []store.HintRecord {
	var hints []store.HintRecord
	for _, b := range p.Unreadable {
		w.Observer.BadItem(w.shop.Shop)
		if _, hinted := open[b.Number]; hinted {
			continue
		}
		w.log.WithField("number", b.Number).WithError(b.Err).Warn("an item could not be understood")
		if n := len([]rune(b.Number)); n > 0 && n <= source.LongestNumber {
			hints = append(hints, w.ownHint(b.Number, plan.CauseTick))
		}
	}
	return hints
}

// ownHint is a hint that lagerd gives itself.
func (w *Shop) ownHint(number string, cause plan.Cause) store.HintRecord {
	return store.HintRecord{Shop: w.shop.Shop, Kind: plan.KindStock, Number: number, Cause: cause, At: w.Now()}
}

package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"lagerd/plan"
	"lagerd/source"
)

// itemsDiff compares items: those that a person names, or all.
type itemsDiff struct{ Diff }

func (d itemsDiff) compare(ctx context.Context, out *Differences, numbers []string) error {
	out.Stock = &StockDiff{Source: d.stock().Can().Name}
	var err error
	if len(numbers) > 0 {
		out.Stock.Items, err = d.named(ctx, out, numbers)
	} else {
		out.Stock.Items, err = d.all(ctx, out)
	}
	if err != nil {
		return err
	}
	hints, err := d.openHints(ctx, plan.KindStock)
	if err != nil {
		return err
	}
	for n := range out.Stock.Items {
		out.Stock.Items[n].HintSince = hints[out.Stock.Items[n].Number].FirstAt
	}
	return nil
}

func (d itemsDiff) named(ctx context.Context, out *Differences, numbers []string) ([]ItemDifference, error) {
	var all []plan.Difference
	for _, number := range numbers {
		obs, row, err := d.item(ctx, number)
		if bad, ok := errors.AsType[contentError](err); ok {
			out.unreadable(plan.KindStock, plan.Unreadable{Number: number, Err: bad.error})
			continue
		}
		if err != nil {
			return nil, err
		}
		if obs.Found {
			out.Stock.AtEconomic++
		}
		out.partial(plan.KindStock, number, obs.Warning, obs.Unknown)
		stored, known := row[number]
		if known && stored.State != plan.StateGone {
			out.Stock.Stored++
		}
		if !obs.Found && !known {
			out.note("item %q is neither at %s nor stored: is the number exactly right?", number, out.Stock.Source)
		}
		all = append(all, plan.Diff([]plan.Observation{obs}, row, d.Shop.StockFigure)...)
	}
	return d.recheck(ctx, out, all)
}

// all compares all items, and those that differ once more: losses one by one, since a listing
// that lies may lie twice and people approve losses by what this shows; all others by a second
// listing where that takes fewer calls.
func (d itemsDiff) all(ctx context.Context, out *Differences) ([]ItemDifference, error) {
	first, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	losses, others := first.split()
	if !listsAgain(len(others), first.pages) {
		first.report(out)
		return d.recheck(ctx, out, first.differences())
	}
	second, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	second.report(out)
	var confirmed []ItemDifference
	for _, former := range others {
		switch difference, differs := second.found[former.Number]; {
		case differs && difference.Loss:
			losses = append(losses, difference)
		case differs:
			confirmed = append(confirmed, ItemDifference{Difference: difference, Twice: true})
		}
	}
	losses = slices.DeleteFunc(losses, func(loss plan.Difference) bool { return second.told.isUnreadable(loss.Number) })
	alone, err := d.recheck(ctx, out, losses)
	return slices.SortedFunc(slices.Values(slices.Concat(alone, confirmed)), byNumber), err
}

// readAlone is how many differing items are read a second time one by one, however small the
// listing is: an answer with one item is small.
const readAlone = 5

// listsAgain reports whether a second listing is cheaper, in calls, than reading so many differing
// items once more one by one.
func listsAgain(differing, pages int) bool {
	return min(differing, maxRechecks) > max(readAlone, pages)
}

const (
	maxRechecks        = 200 // maximum number of differing items read a second time
	recheckConcurrency = 2   // of them concurrently
)

// recheck reads differing items once more, one by one, and their stored rows: a change
// between the first read of e-conomic and that of the database is no difference. If there are
// too many, losses go first.
func (d itemsDiff) recheck(ctx context.Context, out *Differences, suspects []plan.Difference) ([]ItemDifference, error) {
	slices.SortFunc(suspects, lossesFirst)
	twice := min(len(suspects), maxRechecks)
	if rest := len(suspects) - twice; rest > 0 {
		out.note("%d of the %d differences were read only once: lagerd may be storing them now", rest, len(suspects))
	}
	var mu sync.Mutex
	again := 0
	var all []ItemDifference
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(recheckConcurrency)
	for _, suspect := range suspects[:twice] {
		group.Go(func() error {
			obs, row, err := d.item(ctx, suspect.Number)
			mu.Lock()
			defer mu.Unlock()
			again++
			d.tell("differences read once more at "+out.Stock.Source, again, twice)
			if bad, ok := errors.AsType[contentError](err); ok {
				out.unreadable(plan.KindStock, plan.Unreadable{Number: suspect.Number, Err: bad.error})
				return nil
			}
			if err != nil {
				return err
			}
			for _, difference := range plan.Diff([]plan.Observation{obs}, row, d.Shop.StockFigure) {
				all = append(all, ItemDifference{Difference: difference, Twice: true})
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, suspect := range suspects[twice:] {
		all = append(all, ItemDifference{Difference: suspect})
	}
	slices.SortFunc(all, byNumber)
	return all, nil
}

// item reads one item, and immediately after it the stored row.
func (d itemsDiff) item(ctx context.Context, number string) (plan.Observation, map[string]plan.Row, error) {
	obs, err := withRetry(ctx, func() (plan.Observation, error) { return d.stock().Item(ctx, source.PriorityPerson, number) })
	if err != nil {
		return obs, nil, content(err)
	}
	row, err := d.rows(ctx, []string{number})
	return obs, row, err
}

// rows reads the stored rows of items, with what is in the places that a shop at Rackbeat has chosen.
func (d itemsDiff) rows(ctx context.Context, numbers []string) (map[string]plan.Row, error) {
	rows, err := d.Store.Items(ctx, d.Progress.ItemsDataset, numbers)
	if err == nil && d.Shop.ReadsRackbeat() {
		err = d.Store.AddPlaces(ctx, d.Progress.ItemsDataset, rows, false)
	}
	return rows, err
}

func byNumber(a, b ItemDifference) int { return strings.Compare(a.Number, b.Number) }

func lossesFirst(a, b plan.Difference) int {
	switch {
	case a.Loss && !b.Loss:
		return -1
	case b.Loss && !a.Loss:
		return 1
	}
	return strings.Compare(a.Number, b.Number)
}

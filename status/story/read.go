package story

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// How many of each are told at most, the latest ones.
const (
	mostChanges  = 1000
	mostActions  = 1000
	mostRequests = 200
	mostChecks   = 50

	mostObstacles = 500
)

// Read reads the facts about a number from the database. Ask the source first: then what lagerd
// has stored meanwhile is no difference.
func Read(ctx context.Context, s *store.Store, about Subject, a Answer, pace status.Pace) (Facts, error) {
	f := Facts{Subject: about, Answer: a}
	p := about.Status.Progress
	if pace.NextTick != nil {
		f.NextTick = pace.NextTick(about.Now)
	}
	swept := p.SweptAt.Time
	if about.Kind == plan.KindInvoice {
		swept = p.InvoicesSweptAt.Time
	}
	if pace.SweepEvery > 0 && !swept.IsZero() {
		f.NextFull = swept.Add(pace.SweepEvery)
	}
	if err := f.readStored(ctx, s); err != nil {
		return f, err
	}
	if err := f.readHistory(ctx, s); err != nil {
		return f, err
	}
	if f.Rows.Item == nil && f.Rows.Invoice == nil && a.Answered != AnsweredFound {
		var err error
		f.Near, err = near(ctx, s, about)
		return f, err
	}
	return f, nil
}

func (f *Facts) readStored(ctx context.Context, s *store.Store) (err error) {
	shop, numbers := f.Status.Shop, []string{f.Number}
	if f.Kind == plan.KindStock {
		items, err := s.Items(ctx, f.Status.Progress.ItemsDataset, numbers)
		if err != nil {
			return err
		}
		if err := s.AddPlaces(ctx, f.Status.Progress.ItemsDataset, items, false); err != nil {
			return err
		}
		if row, ok := items[f.Number]; ok {
			f.Rows.Item = &row
		}
		f.Rows.ItemSource, err = s.ItemsSource(ctx, f.Status)
		return err
	}
	list, err := s.Invoices(ctx, shop.Dataset, numbers)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		f.Rows.Invoice = &list[0]
	}
	f.Rows.Former, err = s.FormerInvoices(ctx, shop, f.Number)
	return err
}

func (f *Facts) readHistory(ctx context.Context, s *store.Store) (err error) {
	shop, numbers := f.Status.Shop.Shop, []string{f.Number}
	if f.Rows.Received, err = s.PackedSince(ctx, shop, f.Kind, f.Number); err != nil {
		return err
	}
	hints, err := s.Hints(ctx, shop, f.Kind, numbers)
	if err != nil {
		return err
	}
	if len(hints) > 0 {
		f.Rows.Hint = &hints[0]
	}
	if f.Rows.Calls, err = s.CallsNaming(ctx, shop, f.Kind, f.Number, f.Since); err != nil {
		return err
	}
	if f.Rows.Warnings, err = s.Warnings(ctx, shop); err != nil {
		return err
	}
	if err := f.readChanges(ctx, s, mostChanges); err != nil {
		return err
	}
	if f.Rows.Agreements, err = s.Agreements(ctx, shop); err != nil {
		return err
	}
	if err := f.readActions(ctx, s); err != nil {
		return err
	}
	obstacles, err := s.Obstacles(ctx, shop, f.Kind, f.Number, f.Since, mostObstacles+1)
	if err != nil {
		return err
	}
	f.Rows.Obstacles = latest(f, LeftOutObstacles, obstacles, mostObstacles, func(o store.Obstacle) time.Time { return o.BeganAt.Time })
	if err := f.readRing(ctx, s); err != nil {
		return err
	}
	if f.Rows.Lease, err = s.Lease(ctx, shop); err != nil {
		return err
	}
	f.Rows.Instances, err = s.Instances(ctx)
	return err
}

// readChanges reads the latest changes, at most that many.
func (f *Facts) readChanges(ctx context.Context, s *store.Store, most int) error {
	list, err := s.Changes(ctx, f.Status.Shop.Shop, f.Kind, []string{f.Number}, f.Since, most+1)
	if err != nil {
		return err
	}
	if len(list) > most {
		f.Rows.ReadBefore = list[0].ObservedAt.Time
	}
	f.Rows.Changes = latest(f, LeftOutChanges, list, most, func(c store.Change) time.Time { return c.CommittedAt.Time })
	return nil
}

// readActions reads what people did to the shop, and what they asked for that bears on the number.
func (f *Facts) readActions(ctx context.Context, s *store.Store) error {
	for _, some := range []struct {
		which store.WhichActions
		what  LeftOutWhat
		most  int
	}{
		{store.Done(), LeftOutActions, mostActions},
		{store.AskedFor(f.Kind, f.Number), LeftOutRequests, mostRequests},
		{store.AskedForShop(), LeftOutChecks, mostChecks},
	} {
		list, err := s.Actions(ctx, f.Status.Shop.Shop, some.which, f.Since, some.most+1)
		if err != nil {
			return err
		}
		f.Rows.Actions = append(f.Rows.Actions, latest(f, some.what, list, some.most, func(a store.Action) time.Time { return a.ActedAt.Time })...)
	}
	slices.SortStableFunc(f.Rows.Actions, func(a, b store.Action) int { return cmp.Or(a.ActedAt.Compare(b.ActedAt.Time), cmp.Compare(a.ID, b.ID)) })
	return nil
}

// readRing finds out whether the shop's calls reach back far enough. They are a ring: only a full
// one has lost any.
func (f *Facts) readRing(ctx context.Context, s *store.Store) error {
	calls, oldest, err := s.CallsKept(ctx, f.Status.Shop.Shop)
	if err != nil {
		return err
	}
	if f.KeptCalls > 0 && calls >= f.KeptCalls && oldest.After(f.Since) {
		f.Rows.LeftOut = append(f.Rows.LeftOut, LeftOut{LeftOutCalls, oldest.UTC()})
	}
	return nil
}

// latest returns at most that many of a list, the last ones, and records what it leaves out.
func latest[R any](f *Facts, what LeftOutWhat, list []R, most int, at func(R) time.Time) []R {
	if len(list) <= most {
		return list
	}
	list = list[len(list)-most:]
	f.Rows.LeftOut = append(f.Rows.LeftOut, LeftOut{what, at(list[0]).UTC()})
	return list
}

// near returns the shop's numbers that are nearly the one asked for: items, or the invoice or
// the item of the same number, if it was asked for as the other.
func near(ctx context.Context, s *store.Store, about Subject) ([]Near, error) {
	var list []Near
	for number, err := range s.PresentNumbers(ctx, about.Status.Progress.ItemsDataset) {
		if err != nil {
			return nil, err
		}
		if IsNear(about.Number, number) || about.Kind == plan.KindInvoice && number == about.Number {
			list = append(list, Near{plan.KindStock, number})
		}
	}
	slices.SortFunc(list, func(a, b Near) int { return compareNumbers(a.Number, b.Number) })
	list = list[:min(len(list), mostNear)]
	if about.Kind == plan.KindInvoice {
		return list, nil
	}
	invoices, err := s.Invoices(ctx, about.Status.Shop.Dataset, []string{plain(about.Number)})
	for _, i := range invoices {
		list = append(list, Near{plan.KindInvoice, strconv.FormatInt(i.Number, 10)})
	}
	return list, err
}

// compareNumbers puts short numbers first.
func compareNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// Ask is what Answer has before its source is asked.
func Ask(kind plan.Kind, shop store.Shop, at time.Time) Answer {
	source := store.SourceEconomic
	if kind == plan.KindStock && shop.ReadsRackbeat() {
		source = store.SourceRackbeat
	}
	return Answer{Source: source.Name(), Answered: NotAsked, AskedAt: when(at)}
}

// Item completes the answer with what the source says of an item, or with an error.
func (a Answer) Item(obs plan.Observation, err error) Answer {
	switch {
	case err != nil:
		return a.failed(err)
	case !obs.Found:
		a.Answered = AnsweredAbsent
	default:
		a.Answered = AnsweredFound
	}
	a.Observation = &obs
	return a
}

// Invoice completes the answer with what e-conomic says of an invoice, or with an error. nil: it
// has none booked.
func (a Answer) Invoice(inv *plan.Invoice, orderNumber string, err error) Answer {
	switch {
	case err != nil:
		return a.failed(err)
	case inv == nil:
		a.Answered = AnsweredAbsent
	default:
		a.Answered, a.Date, a.OrderNumber, a.Warning = AnsweredFound, inv.Date, orderNumber, inv.Warning
	}
	return a
}

func (a Answer) failed(err error) Answer {
	a.Answered, a.Error = AnsweredError, err.Error()
	return a
}

// Unasked completes the answer of a source that is not asked, with the reason.
func (a Answer) Unasked(why string) Answer {
	a.Answered, a.Error, a.AskedAt = NotAsked, why, nil
	return a
}

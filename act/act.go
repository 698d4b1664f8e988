package act

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

// Act carries out what people ask. The context of each call names who does (store.By).
type Act struct {
	Store   *store.Store
	Config  config.Config
	Keys    *secret.Keys // nil: no token is opened, and no code made
	Version string
	Now     func() time.Time
}

// Pause pauses a shop. Without a reason, a paused shop keeps the one it has. It returns the settings
// before and after.
func (a Act) Pause(ctx context.Context, shop, reason string) (before, after store.Shop, err error) {
	return a.change(ctx, shop, func(s *store.Shop) {
		if !s.Paused() {
			s.PausedAt, s.PauseReason = store.At(a.Now()), "paused by a person"
		}
		if reason != "" {
			s.PauseReason = reason
		}
	})
}

// Resume lets a paused shop go on, and has what is held tried again now.
func (a Act) Resume(ctx context.Context, shop string) (before, after store.Shop, err error) {
	before, after, err = a.change(ctx, shop, func(s *store.Shop) { s.PausedAt, s.PauseReason = store.Time{}, "" })
	if err != nil {
		return before, after, err
	}
	return before, after, a.AskTick(ctx, shop)
}

func (a Act) change(ctx context.Context, shop string, change func(*store.Shop)) (before, after store.Shop, err error) {
	err = a.Store.SetShop(ctx, shop, a.Now(), func(s *store.Shop) error {
		before = *s
		change(s)
		after = *s
		return nil
	})
	return before, after, err
}

// Ask requests a tick or a sweep (store.WantTick, store.WantSweep) of each shop, and returns the
// requests' ids.
func (a Act) Ask(ctx context.Context, what string, shops ...string) (ids []string, err error) {
	requests := make([]store.Request, len(shops))
	for i, shop := range shops {
		requests[i] = store.Request{Request: uuid.NewString(), Shop: shop, What: what, RequestedAt: store.At(a.Now())}
		ids = append(ids, requests[i].Request)
	}
	return ids, a.Store.AddRequests(ctx, requests)
}

// AskTick requests a tick of a shop, which also retries a held one, after something that is recorded
// already.
func (a Act) AskTick(ctx context.Context, shop string) error {
	_, err := a.Ask(store.ByNobody(ctx), store.WantTick, shop)
	return err
}

// Read asks for items or invoices of shops to be read now.
func (a Act) Read(ctx context.Context, kind plan.Kind, numbers []string, shops ...string) error {
	var hints []store.HintRecord
	for _, shop := range shops {
		for _, n := range numbers {
			hints = append(hints, store.HintRecord{Shop: shop, Kind: kind, Number: n, Cause: plan.CauseOperator, At: a.Now()})
		}
	}
	return a.Store.RecordHints(ctx, hints)
}

// Prod requests a tick of a shop that failed or is held: its hints would otherwise wait for the next
// retry. It does not if the shop is held for losses: hints are read regardless, and a tick would
// postpone them. It returns the request's id, "" if there is none.
func (a Act) Prod(ctx context.Context, shop string, kind plan.Kind) (id string, err error) {
	list, err := a.Store.Status(ctx, shop)
	if err != nil {
		return "", err
	}
	for _, st := range list {
		if st.Progress.Failures == 0 && !status.Of(st).ReadsNo(kind, false) {
			continue
		}
		ids, err := a.Ask(store.ByNobody(ctx), store.WantTick, shop)
		if err != nil {
			return "", err
		}
		return ids[0], nil
	}
	return "", nil
}

// Status returns the stored status of a shop.
func (a Act) Status(ctx context.Context, shop string) (store.ShopStatus, error) {
	if _, err := a.Store.Shop(ctx, shop); err != nil {
		return store.ShopStatus{}, err
	}
	list, err := a.Store.Status(ctx, shop)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: %w", shop, store.ErrNoShop)
	}
	if err != nil {
		return store.ShopStatus{}, err
	}
	return list[0], nil
}

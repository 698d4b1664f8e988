package act

import (
	"context"
	"errors"
	"fmt"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/store"
)

// Comparison is what of a shop is compared.
type Comparison struct {
	Shop     string
	Items    []string // these alone; none: all
	Invoices []int64  // these alone; none: all

	// Tell is called now and then with how much has been read; nil: nobody waits.
	Tell func(what string, done, of int)
}

// Compare reads a shop at e-conomic, or Rackbeat, and in the database, and returns the differences
// and the shop's state before the read. An error says what to do.
func (a Act) Compare(ctx context.Context, c Comparison) (found reconcile.Differences, shop status.Shop, err error) {
	st, err := a.Status(ctx, c.Shop)
	if err != nil {
		return found, shop, err
	}
	e, agreement, err := a.Agreement(st)
	if err != nil {
		return found, shop, err
	}
	defer func() {
		if err := e.AddAllCalls(ctx, c.Shop); err != nil {
			found.Notes = append(found.Notes, "the calls to e-conomic were not added to the day's count: "+err.Error())
		}
	}()
	d := reconcile.Diff{Store: a.Store, Account: economicsource.Account{Client: e.Client, Agreement: agreement}, Shop: st.Shop, Progress: st.Progress,
		LossWindow: a.Config.Reconcile.LossWindow, Tell: c.Tell}
	if st.Shop.ReadsRackbeat() {
		at, err := a.OpenRackbeat(st.Shop, st.Progress)
		if err != nil {
			return found, shop, err
		}
		defer func() {
			if err := at.Close(ctx); err != nil {
				found.Notes = append(found.Notes, "calls to Rackbeat that were booked and not made count as made: "+err.Error())
			}
		}()
		d.Stock = at.Account
	}
	found, err = d.Read(ctx, c.Items, c.Invoices)
	return found, status.Of(st), Advised(err, a.Config, st.Shop)
}

// Agreement returns the shop's agreement, with what is left of the day's calls.
func (a Act) Agreement(st store.ShopStatus) (*Economic, *economic.Agreement, error) {
	grant, err := OpenGrant(a.Keys, st.Shop)
	if err != nil {
		return nil, nil, err
	}
	e, err := a.Economic()
	if err != nil {
		return nil, nil, err
	}
	return e, e.Client.Agreement(grant, e.Budget(st.Progress)), nil
}

// ErrNothingToApprove is returned if a shop's losses are not held.
var ErrNothingToApprove = errors.New("there is nothing to approve")

// HeldForLosses returns the shop if its losses are held, else an error that says what to do
// instead.
func (a Act) HeldForLosses(ctx context.Context, shop string) (store.Shop, error) {
	st, err := a.Status(ctx, shop)
	if err != nil {
		return store.Shop{}, err
	}
	v := status.Of(st)
	switch {
	case v.State == status.StatePaused:
		return st.Shop, fmt.Errorf("%[1]s is paused (%[2]s): run `lagerd shops resume %[1]s` first; if it would then lose too much, it is held and you can approve the losses", shop, v.Reason)
	case v.HeldFor(plan.ScopeStock, plan.HeldLosses):
		return st.Shop, nil
	case v.State == status.StateHeld:
		return st.Shop, fmt.Errorf("%[1]s is held, but not for losses: %[2]s: see `lagerd check --shop %[1]s` for what to do", shop, v.Reason)
	}
	return st.Shop, fmt.Errorf("%[1]s is not held: %[2]w (`lagerd diff %[1]s` shows the differences)", shop, ErrNothingToApprove)
}

// Approve stores a person's approval of that many losses of a shop, plus reconcile.loss_min for items
// that sell out meanwhile, and requests a sweep. shop is as it was before its losses were read. If
// nothing would be lost any more, it stores no approval: the sweep alone ends the hold. It returns
// the request's id.
func (a Act) Approve(ctx context.Context, shop store.Shop, losses int) (request string, err error) {
	if losses > 0 {
		if err := a.Store.Approve(ctx, shop, losses+a.Config.Reconcile.LossMin, a.Now()); err != nil {
			return "", err
		}
	}
	ids, err := a.Ask(store.ByNobody(ctx), store.WantSweep, shop.Shop)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

package act

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"lagerd/secret"
	"lagerd/store"
)

// ErrNotStored wraps the error after which a code that was shown will never be valid.
var ErrNotStored = errors.New("the code above was not stored and will never be valid")

// NewCode gives a shop another integration code. With replaceLost it replaces the newest one, which
// has not been used; without, the one it has stays valid. show is called with the code before it is
// stored: if that fails, nothing has changed.
func (a Act) NewCode(ctx context.Context, shop store.Shop, replaceLost bool, show func(code string) error) error {
	if err := a.newCodePossible(ctx, shop.Shop, replaceLost); err != nil {
		return err
	}
	code := secret.NewCode(rand.Reader)
	if err := show(code); err != nil {
		return fmt.Errorf("nothing was changed: the new code of %s could not be shown: %w", shop.Shop, err)
	}
	put := a.Store.AddCode
	if replaceLost {
		put = a.Store.ReplaceNewCode
	}
	hash := a.Keys.HashCode(shop.Shop, code)
	if err := put(ctx, shop.Shop, hash[:], a.Now()); err != nil {
		return fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	return nil
}

// newCodePossible returns an error if a new code cannot be stored.
func (a Act) newCodePossible(ctx context.Context, shop string, replaceLost bool) error {
	live, err := a.Store.CodesOf(ctx, shop)
	switch {
	case err != nil:
		return err
	case !replaceLost && len(live) >= 2:
		err = store.ErrTwoCodes
	case replaceLost && len(live) < 2:
		err = store.ErrOneCode
	case replaceLost && !live[len(live)-1].UsedAt.IsZero():
		err = store.ErrCodeInUse
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", shop, err)
}

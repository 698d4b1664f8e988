package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

type rotateCodeCmd struct {
	Shop       string `arg:"" help:"The shop."`
	RetireOld  bool   `help:"Retire the old code, once e-conomic uses the new one." xor:"what"`
	ReplaceNew bool   `help:"Replace the newest code, which was lost before it was entered at e-conomic." xor:"what"`
	Yes        bool   `help:"With --retire-old: even if webhook calls still use the old code."`
}

func (cmd rotateCodeCmd) Run(c *call) error {
	if cmd.Yes && !cmd.RetireOld {
		return errors.New("--yes requires --retire-old")
	}
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.RetireOld {
		retired, err := s.RetireOldCodes(c.ctx, cmd.Shop, cmd.Yes, now())
		if err != nil {
			return cmd.explained(c.ctx, s, err)
		}
		_, err = fmt.Fprintf(c.Stdout, "%d old code(s) of %s retired.\n", retired, cmd.Shop)
		return err
	}
	shop, err := cmd.possible(c.ctx, s)
	if err != nil {
		return cmd.explained(c.ctx, s, err)
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return err
	}
	// Show the code before storing it: if that fails, nothing has changed.
	code := secret.NewCode(rand.Reader)
	if err := paste(c.Stdout, shop, code, cfg); err != nil {
		return fmt.Errorf("nothing was changed: the new code of %s could not be shown: %w", cmd.Shop, err)
	}
	put := s.AddCode
	if cmd.ReplaceNew {
		put = s.ReplaceNewCode
	}
	hash := keys.HashCode(cmd.Shop, code)
	if err := put(c.ctx, cmd.Shop, hash[:], now()); err != nil {
		return fmt.Errorf("the code above was not stored and will never be valid: %w", cmd.explained(c.ctx, s, err))
	}
	_, err = fmt.Fprintf(c.Stdout, "\n%[1]s has this new code. The old one stays valid until `lagerd shops rotate-code %[1]s --retire-old`.\n", cmd.Shop)
	return errors.Join(err, c.warnOfURL(cfg))
}

// possible returns the shop, or an error if a new code cannot be stored.
func (cmd rotateCodeCmd) possible(ctx context.Context, s *store.Store) (store.Shop, error) {
	shop, err := s.Shop(ctx, cmd.Shop)
	if err != nil {
		return shop, err
	}
	live, err := s.CodesOf(ctx, cmd.Shop)
	switch {
	case err != nil:
		return shop, err
	case !cmd.ReplaceNew && len(live) >= 2:
		err = store.ErrTwoCodes
	case cmd.ReplaceNew && len(live) < 2:
		err = store.ErrOneCode
	case cmd.ReplaceNew && !live[len(live)-1].UsedAt.IsZero():
		err = store.ErrCodeInUse
	default:
		return shop, nil
	}
	return shop, fmt.Errorf("%s: %w", cmd.Shop, err)
}

// explained appends to an error the codes' use and what to do.
func (cmd rotateCodeCmd) explained(ctx context.Context, s *store.Store, err error) error {
	var todo string
	switch {
	case errors.Is(err, store.ErrTwoCodes):
		todo = "if e-conomic has the newer one, retire the older with --retire-old; if the newer one was lost before it was entered there, use --replace-new"
	case errors.Is(err, store.ErrOneCode):
		todo = fmt.Sprintf("`lagerd shops rotate-code %s` creates one", cmd.Shop)
	case errors.Is(err, store.ErrCodeInUse):
		todo = "it is not lost: retire the older one with --retire-old"
	case errors.Is(err, store.ErrCodeNotInUse):
		todo = "webhooks would be refused: enter it at e-conomic, test it with the test URL, then retire the older one; if it was lost, use --replace-new; --yes retires the older one anyway"
	case errors.Is(err, store.ErrOldCodeInUse):
		todo = "e-conomic still has it, perhaps in one of the two webhooks: enter the newer one there, and retire the older one after a webhook call with the newer; --yes retires it anyway"
	default:
		return err
	}
	live, listErr := s.CodesOf(ctx, cmd.Shop)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	return fmt.Errorf("%w (%s): %s", err, strings.Join(status.Codes(live), "; "), todo)
}

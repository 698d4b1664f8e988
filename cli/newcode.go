package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
)

// newCode gives a shop another code, and prints the instructions with it.
type newCode struct {
	shop        string
	lang        lang.Lang // of the instructions; "": the shop's
	replaceLost bool      // it replaces the newest code, which has not been used
}

func (n newCode) run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, n.shop)
	if err != nil {
		return err
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return err
	}
	if n.lang != "" {
		shop.Lang = n.lang
	}
	show := func(code string) error { return instructions{shop: shop, code: code, cfg: cfg}.write(c.Stdout) }
	if err := acting(cfg, s, keys).NewCode(c.ctx, shop, n.replaceLost, show); err != nil {
		return aboutCodes(c.ctx, s, n.shop, err)
	}
	// Not on standard output, which is for the owner.
	_, err = fmt.Fprintf(c.Stderr, "%[1]s has this new code. The old one stays valid: once webhook calls come with the new one, `lagerd shops rotate-code %[1]s --retire-old` retires it.\n", n.shop)
	return errors.Join(err, c.warnOfURL(cfg))
}

// aboutCodes appends to an error the use of the shop's codes and what to do.
func aboutCodes(ctx context.Context, s *store.Store, shop string, err error) error {
	rotate := "`lagerd shops rotate-code " + shop
	var todo string
	switch {
	case errors.Is(err, store.ErrTwoCodes):
		todo = fmt.Sprintf("if e-conomic has the newer one, retire the older with %[1]s --retire-old`; if the newer one was lost before it was entered there, use %[1]s --replace-new`", rotate)
	case errors.Is(err, store.ErrOneCode):
		todo = rotate + "` creates one"
	case errors.Is(err, store.ErrCodeInUse):
		todo = "it is not lost: retire the older one with --retire-old"
	case errors.Is(err, store.ErrCodeNotInUse):
		todo = "webhooks would be refused: enter it at e-conomic, and retire the older one once e-conomic has called with it (change an item's stock there; a test in a browser does not show it); if it was lost, use --replace-new; --yes retires the older one anyway"
	case errors.Is(err, store.ErrOldCodeInUse):
		todo = "e-conomic still has it, perhaps in one of the two webhooks: enter the newer one there, and retire the older one after a webhook call with the newer; --yes retires it anyway"
	default:
		return err
	}
	live, listErr := s.CodesOf(ctx, shop)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	return fmt.Errorf("%w (%s): %s", err, strings.Join(status.Codes(live), "; "), todo)
}

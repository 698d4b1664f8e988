package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"lagerd/config"
	"lagerd/economic/webhooksapi"
	"lagerd/lang"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// change sets webhooks up at e-conomic, or switches them on. It touches none that lagerd has not set
// up itself, for this shop.
func (cmd webhooksCmd) change(c *call, cfg config.Config, s *store.Store, shop store.Shop) error {
	switch {
	case !shop.WebhookSetup:
		return fmt.Errorf("%[1]s does not allow lagerd to change its webhooks at e-conomic, and nothing was changed: allow it with `lagerd shops set %[1]s --webhook-setup on`", shop.Shop)
	case cfg.Webhook.PublicURL == "":
		return errors.New("nothing was changed: set webhook.public_url to the address at which e-conomic reaches lagerd, https://…")
	}
	hooks, err := c.openHooks(cfg, s, shop, false)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	setup := hookSetup{hooksAtEconomic: hooks, c: c, store: s, shop: shop, url: webhookURL(cfg)}
	err = hooks.read(c.ctx)
	if err == nil {
		err = setup.all(c.ctx, cmd.SetUp)
	} else {
		err = fmt.Errorf("nothing was changed: %w", err)
	}
	return errors.Join(err, hooks.book(c.ctx, s, shop.Shop), c.warnOfURL(cfg))
}

// hookSetup changes a shop's webhooks at e-conomic, on a person's word.
type hookSetup struct {
	*hooksAtEconomic
	c     *call
	store *store.Store
	shop  store.Shop
	url   string // that e-conomic is to call
}

// all sets up the webhooks of each type, or switches them on, and says what became of each.
func (h *hookSetup) all(ctx context.Context, setUp bool) error {
	failed := false
	for _, t := range status.WebhookTypes(h.shop) {
		if t == status.WebhookRackbeat || !t.ExpectedBy(h.shop) {
			continue
		}
		do := h.switchOn
		if setUp {
			do = h.setUp
		}
		said, ok, err := do(ctx, t)
		if err != nil {
			said, ok = err.Error(), false
		}
		fmt.Fprintf(h.c.Stdout, "%s: %s.\n", t, said)
		failed = failed || !ok
	}
	if failed {
		return errors.New("not every webhook calls lagerd through what it has set up; each tick finds the shop's changes all the same")
	}
	return nil
}

// Names of webhooks, for people.
const (
	nameOfStock   = "lagerd: automatisk lageropdatering"
	nameOfInvoice = "lagerd: automatisk PDF-faktura"
)

// setUp sets up the webhook of a type, unless there is one. It returns what became of it, and
// whether it calls lagerd and is on.
func (h *hookSetup) setUp(ctx context.Context, t status.WebhookType) (said string, ok bool, err error) {
	seen, hook := h.seeing.Of(t, lang.English)
	switch seen.State {
	case status.SeenOn:
		known, err := h.knows(ctx, t, hook)
		if err != nil || known {
			return "nothing to do: " + seen.Says, true, err
		}
		said, err := h.putBack(ctx, t, hook, putBackTexts{"it was not given a new code", "it may have been given a new code or not", "it calls lagerd with a code that lagerd does not know: it was given a new one at e-conomic"})
		return said, err == nil, err
	case status.SeenOff:
		return fmt.Sprintf("%s: `lagerd webhooks %s --switch-on`", seen.Says, h.shop.Shop), false, nil
	case status.SeenNotVisible:
	case status.SeenElsewhere, status.SeenOtherShop, status.SeenNoEvent, status.SeenNotAsked:
		return seen.Says, false, nil
	}
	event, _ := status.EventTypeOf(t, h.seeing.Types)
	field, known := t.MergeField(event)
	if !known {
		return fmt.Sprintf("nothing was set up: e-conomic's event %s has the merge fields %v, and which of them is the number is not known: enter this webhook by hand", event.Name, event.MergeFields), false, nil
	}
	code, hash, err := h.newCode(ctx, t)
	if err != nil {
		return "", false, fmt.Errorf("nothing was set up: %w", err)
	}
	draft := webhooksapi.Draft{EventType: event.Name, Name: nameOfStock, URL: fmt.Sprintf("%s?type=%s&username=%s", h.url, t, h.shop.Shop),
		ContentType: "application/x-www-form-urlencoded", PostData: "number=" + field, Header: code}
	if t == status.WebhookInvoice {
		draft.Name = nameOfInvoice
	}
	err = h.Create(ctx, draft)
	switch {
	case err == nil:
		return "set up at e-conomic, with a code of its own in a header; a webhook entered by hand before may be deleted there once calls arrive", true, h.store.KeepHeaderCode(ctx, h.shop.Shop, t.Kind(), hash)
	case unclear(err):
		return "", false, fmt.Errorf("it may have been set up or not, so run this again: %w", err)
	}
	if dropped := h.store.DropHeaderCode(ctx, h.shop.Shop, hash); dropped != nil {
		return "", false, errors.Join(err, dropped)
	}
	return h.notSetUp(event, err)
}

// notSetUp says why e-conomic refused to set up a webhook.
func (h *hookSetup) notSetUp(event webhooksapi.EventType, err error) (said string, ok bool, _ error) {
	switch {
	case webhooksapi.HasCode(err, webhooksapi.CodeTaken):
		return fmt.Sprintf("the event %s has its only webhook already, which lagerd has not set up: one that was entered by hand, or another program's. It was not touched: `lagerd webhooks %s` shows whether calls arrive, and each tick finds the changes all the same", event.Name, h.shop.Shop), false, nil
	case webhooksapi.HasCode(err, webhooksapi.CodeNotHTTPS):
		return fmt.Sprintf("nothing was set up: e-conomic calls https:// alone, and webhook.public_url is %s", h.url), false, nil
	}
	return "", false, fmt.Errorf("nothing was set up: %w", err)
}

// unclear reports whether a call that failed may have changed something.
func unclear(err error) bool {
	kind := webhooksapi.KindOf(err)
	return kind == webhooksapi.KindUnavailable || kind == webhooksapi.KindMalformed || kind == ""
}

// rereadWithin is how long it takes until every lagerd accepts a new code: they look for changed shops
// each second.
const rereadWithin = 2 * time.Second

// newCode makes a header code for the webhook of a type and stores its hash, beside that of the
// webhook's present one. It returns once calls with it are accepted.
func (h *hookSetup) newCode(ctx context.Context, t status.WebhookType) (webhooksapi.Header, []byte, error) {
	code := secret.NewCode(rand.Reader)
	hash := h.keys.HashCode(h.shop.Shop, code)
	err := h.store.AddHeaderCode(ctx, h.shop.Shop, t.Kind(), hash[:], now())
	if err == nil {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(rereadWithin):
		}
	}
	return webhooksapi.Header{Key: webhook.HeaderCode, Value: secret.NewText(code)}, hash[:], err
}

// mostTries is how often a webhook is put back that somebody else changes meanwhile.
const mostTries = 3

// switchOn switches on the webhook of a type, if lagerd has set it up. It returns what became of it,
// and whether it calls lagerd and is on.
func (h *hookSetup) switchOn(ctx context.Context, t status.WebhookType) (said string, ok bool, err error) {
	for try := 1; ; try++ {
		seen, hook := h.seeing.Of(t, lang.English)
		switch seen.State {
		case status.SeenOn:
			return "nothing to do: " + seen.Says, true, nil
		case status.SeenNotVisible:
			return fmt.Sprintf("nothing to switch on: lagerd has set up no webhook for the event %s (`lagerd webhooks %s --set-up` does)", seen.EventType, h.shop.Shop), false, nil
		case status.SeenOff:
		case status.SeenElsewhere, status.SeenOtherShop, status.SeenNoEvent, status.SeenNotAsked:
			return seen.Says, false, nil
		}
		said, err = h.putBack(ctx, t, hook.SwitchedOn(), putBackTexts{"it was not switched on", "it may have been switched on or not", "switched on at e-conomic, with a new code, since the one that it carried is not shown or not known"})
		if !errors.Is(err, webhooksapi.ErrConflict) || try == mostTries {
			return said, err == nil, err
		}
		if err = h.read(ctx); err != nil {
			return "", false, err
		}
	}
}

// knows reports whether lagerd knows the code that a webhook carries. If e-conomic does not show it, it
// is the one that lagerd has for such webhooks, if it has one.
func (h *hookSetup) knows(ctx context.Context, t status.WebhookType, hook webhooksapi.Webhook) (bool, error) {
	known, err := h.store.HeaderCodesOf(ctx, h.shop.Shop)
	code, shown := hook.Header(webhook.HeaderCode)
	hash := h.keys.HashCode(h.shop.Shop, code)
	return slices.ContainsFunc(known, func(c store.ShopCode) bool {
		return shown && string(c.CodeHash) == string(hash[:]) || !shown && c.Kind == t.Kind()
	}), err
}

// putBackTexts say what became of a webhook that is put back.
type putBackTexts struct{ not, unclear, newCode string }

// putBack replaces a webhook by itself as changed: with the code that it carries or, if lagerd does
// not know that, with a new one.
func (h *hookSetup) putBack(ctx context.Context, t status.WebhookType, hook webhooksapi.Webhook, texts putBackTexts) (said string, err error) {
	known, err := h.store.HeaderCodesOf(ctx, h.shop.Shop)
	if err != nil {
		return "", err
	}
	failed := func(err error) error {
		if unclear(err) {
			return fmt.Errorf("%s, so run this again: %w", texts.unclear, err)
		}
		return fmt.Errorf("%s: %w", texts.not, err)
	}
	code, _ := hook.Header(webhook.HeaderCode)
	hash := h.keys.HashCode(h.shop.Shop, code)
	if slices.ContainsFunc(known, func(c store.ShopCode) bool { return string(c.CodeHash) == string(hash[:]) }) {
		if err := h.Replace(ctx, hook); err != nil {
			return "", failed(err)
		}
		return "switched on at e-conomic, with everything else as it was", nil
	}
	header, fresh, err := h.newCode(ctx, t)
	if err != nil {
		return "", fmt.Errorf("%s: %w", texts.not, err)
	}
	switch err := h.Replace(ctx, hook.WithHeader(header)); {
	case err == nil:
		return texts.newCode, h.store.KeepHeaderCode(ctx, h.shop.Shop, t.Kind(), fresh)
	case unclear(err):
		return "", failed(err)
	default:
		return "", failed(errors.Join(err, h.store.DropHeaderCode(ctx, h.shop.Shop, fresh)))
	}
}

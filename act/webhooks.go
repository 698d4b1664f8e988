package act

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
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

// Webhooks are a shop's webhooks in e-conomic's webhooks API.
type Webhooks struct {
	*Economic
	*webhooksapi.Agreement
	Seeing status.Seeing
	shop   store.Shop
	url    string // that e-conomic is to call
}

// CanAskForWebhooks returns why e-conomic's webhooks API cannot be asked, nil if it can.
func CanAskForWebhooks(cfg config.Config) error {
	usual := config.Default().Economic
	if cfg.Economic.WebhooksURL == usual.WebhooksURL && cfg.Economic.RESTURL != usual.RESTURL {
		return errors.New("economic.rest_url is another address than e-conomic's own, and economic.webhooks_url is not set")
	}
	return nil
}

// CanSetUpWebhooks returns why lagerd may not change a shop's webhooks at e-conomic, nil if it may.
func CanSetUpWebhooks(cfg config.Config, shop store.Shop) error {
	switch {
	case !shop.WebhookSetup:
		return fmt.Errorf("%[1]s does not allow lagerd to change its webhooks at e-conomic: allow it with `lagerd shops set %[1]s --webhook-setup on`", shop.Shop)
	case cfg.Webhook.PublicURL == "":
		return errors.New("webhook.public_url is not set: set it to the address at which e-conomic reaches lagerd, https://…")
	}
	return nil
}

// Webhooks opens the webhooks of a shop's agreement, or returns why they cannot be asked for.
func (a Act) Webhooks(ctx context.Context, shop store.Shop) (*Webhooks, error) {
	if err := CanAskForWebhooks(a.Config); err != nil {
		return nil, err
	}
	address := WebhookURL(a.Config)
	public, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("webhook.public_url is not a URL")
	}
	grant, err := OpenGrant(a.Keys, shop)
	if err != nil {
		return nil, err
	}
	e, err := a.Economic()
	if err != nil {
		return nil, err
	}
	progress, err := a.Store.Progress(ctx, shop.Shop)
	if err != nil {
		return nil, err
	}
	client, err := webhooksapi.New(webhooksapi.Options{URL: a.Config.Economic.WebhooksURL, AppSecretToken: a.Config.Economic.AppSecretToken.Reveal(),
		Timeout: a.Config.Economic.Timeout, UserAgent: "lagerd/" + a.Version, Now: a.Now, Observe: func() { e.calls.Add(1) }})
	if err != nil {
		return nil, err
	}
	agreement := client.Agreement(webhooksapi.Access{Grant: grant, Budget: e.Budget(progress), MayWrite: shop.WebhookSetup})
	return &Webhooks{e, agreement, status.Seeing{Shop: shop.Shop, Public: public}, shop, address}, nil
}

// Read reads what is set up, in two calls.
func (h *Webhooks) Read(ctx context.Context) (err error) {
	if h.Seeing.Types, err = h.EventTypes(ctx); err == nil {
		h.Seeing.Hooks, err = h.Agreement.Webhooks(ctx)
	}
	if err != nil && webhooksapi.KindOf(err) == webhooksapi.KindUnauthorized {
		err = fmt.Errorf("%w: %s", err, "have the agreement's super-user grant the app access again, and store the new token with `lagerd shops set "+h.Seeing.Shop+" --grant-token-file …`")
	}
	return err
}

// WebhookChanged is what became of the webhook of a type.
type WebhookChanged struct {
	Type status.WebhookType
	Said string
}

// Change sets up the webhooks of each type, or switches them on, and says what became of each. It
// touches none that lagerd has not set up itself, for this shop. It returns an error unless each
// calls lagerd.
func (h *Webhooks) Change(ctx context.Context, setUp bool) (list []WebhookChanged, err error) {
	if err := h.Read(ctx); err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
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
		list = append(list, WebhookChanged{t, said})
		failed = failed || !ok
	}
	if failed {
		return list, errors.New("not every webhook calls lagerd through what it has set up; each tick finds the shop's changes all the same")
	}
	return list, nil
}

// Names of webhooks, for people.
const (
	nameOfStock   = "lagerd: automatisk lageropdatering"
	nameOfInvoice = "lagerd: automatisk PDF-faktura"
)

// setUp sets up the webhook of a type, unless there is one. It returns what became of it, and
// whether it calls lagerd and is on.
func (h *Webhooks) setUp(ctx context.Context, t status.WebhookType) (said string, ok bool, err error) {
	seen, hook := h.Seeing.Of(t, lang.English)
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
	event, _ := status.EventTypeOf(t, h.Seeing.Types)
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
		return "set up at e-conomic, with a code of its own in a header; a webhook entered by hand before may be deleted there once calls arrive", true, h.act.Store.KeepHeaderCode(ctx, h.shop.Shop, t.Kind(), hash)
	case unclear(err):
		return "", false, fmt.Errorf("it may have been set up or not, so run this again: %w", err)
	}
	if dropped := h.act.Store.DropHeaderCode(ctx, h.shop.Shop, hash); dropped != nil {
		return "", false, errors.Join(err, dropped)
	}
	return h.notSetUp(event, err)
}

// notSetUp says why e-conomic refused to set up a webhook.
func (h *Webhooks) notSetUp(event webhooksapi.EventType, err error) (said string, ok bool, _ error) {
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
func (h *Webhooks) newCode(ctx context.Context, t status.WebhookType) (webhooksapi.Header, []byte, error) {
	code := secret.NewCode(rand.Reader)
	hash := h.act.Keys.HashCode(h.shop.Shop, code)
	err := h.act.Store.AddHeaderCode(ctx, h.shop.Shop, t.Kind(), hash[:], h.act.Now())
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
func (h *Webhooks) switchOn(ctx context.Context, t status.WebhookType) (said string, ok bool, err error) {
	for try := 1; ; try++ {
		seen, hook := h.Seeing.Of(t, lang.English)
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
		if err = h.Read(ctx); err != nil {
			return "", false, err
		}
	}
}

// knows reports whether lagerd knows the code that a webhook carries. If e-conomic does not show it, it
// is the one that lagerd has for such webhooks, if it has one.
func (h *Webhooks) knows(ctx context.Context, t status.WebhookType, hook webhooksapi.Webhook) (bool, error) {
	known, err := h.act.Store.HeaderCodesOf(ctx, h.shop.Shop)
	code, shown := hook.Header(webhook.HeaderCode)
	hash := h.act.Keys.HashCode(h.shop.Shop, code)
	return slices.ContainsFunc(known, func(c store.ShopCode) bool {
		return shown && string(c.CodeHash) == string(hash[:]) || !shown && c.Kind == t.Kind()
	}), err
}

// putBackTexts say what became of a webhook that is put back.
type putBackTexts struct{ not, unclear, newCode string }

// putBack replaces a webhook by itself as changed: with the code that it carries or, if lagerd does
// not know that, with a new one.
func (h *Webhooks) putBack(ctx context.Context, t status.WebhookType, hook webhooksapi.Webhook, texts putBackTexts) (said string, err error) {
	known, err := h.act.Store.HeaderCodesOf(ctx, h.shop.Shop)
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
	hash := h.act.Keys.HashCode(h.shop.Shop, code)
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
		return texts.newCode, h.act.Store.KeepHeaderCode(ctx, h.shop.Shop, t.Kind(), fresh)
	case unclear(err):
		return "", failed(err)
	default:
		return "", failed(errors.Join(err, h.act.Store.DropHeaderCode(ctx, h.shop.Shop, fresh)))
	}
}

package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"

	"lagerd/config"
	"lagerd/notify"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

// notifyFlags are the flags of add and set for the webhook of a shop's owner.
type notifyFlags struct {
	NotifyURL *string `help:"Address that takes webhooks for the shop's owner. It is told what only the owner can set right; lagerd makes the secret that signs them, and shows it once. '-' for none." placeholder:"URL" rare:""`
}

// newHook is the webhook that a shop's owner is to have.
type newHook struct {
	change bool
	origin string // "": none
	sealed []byte
	key    secret.Text // to be shown; none: it has one already
}

// hook returns the webhook for a shop, as the flag says. renew is to make another secret for the
// address it has. Another address gets a secret of its own: who takes webhooks at the former one knows
// that one's.
func (f notifyFlags) hook(keys *secret.Keys, shop store.Shop, renew bool) (newHook, error) {
	was := addressOf(keys, shop)
	switch address := f.NotifyURL; {
	case address == nil && !renew:
		return newHook{}, nil
	case address == nil && shop.NotifyOrigin == "":
		return newHook{}, fmt.Errorf("%s has no webhook for its owner: set one with --notify-url, which makes a secret too", shop.Shop)
	case address == nil && was == "":
		return newHook{}, errors.New("the address of the owner's webhook cannot be decrypted: give it again with --notify-url")
	case address == nil:
		return makeHook(keys, shop.Shop, was)
	case *address == "" || *address == "-":
		if renew {
			return newHook{}, errors.New("--new-notify-secret makes a secret for a webhook, and --notify-url takes it away: remove one")
		}
		return newHook{change: true}, nil
	case *address == was && !renew:
		return newHook{}, nil
	default:
		return makeHook(keys, shop.Shop, *address)
	}
}

// addressOf returns the address of the webhook that a shop's owner has; "": none, or it cannot be
// decrypted.
func addressOf(keys *secret.Keys, shop store.Shop) string {
	text, err := keys.OpenHook(shop.Shop, shop.NotifyHook)
	if err != nil {
		return ""
	}
	hook, err := notify.OwnersHook(shop.Shop, text)
	if err != nil {
		return ""
	}
	return hook.URL
}

// makeHook returns a webhook with a new secret.
func makeHook(keys *secret.Keys, shop, address string) (newHook, error) {
	if err := config.CheckNotifyURL(address); err != nil {
		return newHook{}, fmt.Errorf("--notify-url: %w", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return newHook{}, errors.New("--notify-url: expected a URL such as https://example.dk")
	}
	h := newHook{change: true, origin: status.Origin(u), key: secret.NewSigningSecret(rand.Reader)}
	h.sealed, err = keys.Seal(secret.NotifyHook, shop, notify.Hook{URL: address, Secret: h.key}.Sealable())
	return h, err
}

// show shows a new secret, before it is stored: if that fails, nothing has changed.
func (h newHook) show(c *call, shop string) error {
	if h.key.IsZero() {
		return nil
	}
	_, err := fmt.Fprintf(c.Stdout, "The secret that signs the webhooks of %s to %s, which is shown this once:\n\n  %s\n\n", shop, h.origin, h.key.Reveal())
	if err != nil {
		return fmt.Errorf("nothing was changed for %s: the new secret could not be shown: %w", shop, err)
	}
	return nil
}

// store puts the webhook into the shop, to be stored.
func (h newHook) store(shop *store.Shop) {
	if h.change {
		shop.NotifyOrigin, shop.NotifyHook = h.origin, h.sealed
	}
}

// failed adds to an error that a secret that was shown is of no use.
func (h newHook) failed(err error) error {
	if h.key.IsZero() {
		return err
	}
	return fmt.Errorf("the secret above was not stored and will never sign anything: %w", err)
}

package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lagerd/config"
	"lagerd/rackbeat"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

// rackbeatFiles are the flags of add and set for the secrets of a shop whose stock is kept in
// Rackbeat.
type rackbeatFiles struct {
	RackbeatKeyFile          string `help:"File with the key of the shop's Rackbeat account. '-' for standard input." placeholder:"FILE"`
	RackbeatWebhookTokenFile string `help:"File with the tokens that Rackbeat showed when its webhooks were made, one a line; '-' for standard input." placeholder:"FILE" xor:"webhook-token" rare:""`
	NoRackbeatWebhookToken   bool   `help:"Expect no token of Rackbeat's webhooks." xor:"webhook-token" rare:""`
}

// oneFromInput returns an error if more than one secret is to come from standard input.
func oneFromInput(files ...string) error {
	if n := len(slices.DeleteFunc(files, func(file string) bool { return file != "-" })); n > 1 {
		return fmt.Errorf("standard input ('-') is named for %d secrets: put all but one in files", n)
	}
	return nil
}

// read puts the secrets into the shop, to be stored, and returns the key in the clear, "" if
// none is given.
func (f rackbeatFiles) read(c *call, keys *secret.Keys, cfg config.Config, shop *store.Shop) (key string, err error) {
	if f == (rackbeatFiles{}) {
		return "", nil
	}
	if shop.StockSource != store.SourceRackbeat {
		return "", errors.New("a key or token of Rackbeat is for a shop whose stock is kept there: add --stock-source rackbeat")
	}
	if f.NoRackbeatWebhookToken {
		shop.RackbeatTokenHash = nil
	}
	if f.RackbeatWebhookTokenFile != "" {
		if shop.RackbeatTokenHash, err = c.readWebhookTokens(f.RackbeatWebhookTokenFile); err != nil {
			return "", fmt.Errorf("--rackbeat-webhook-token-file: %w", err)
		}
	}
	if f.RackbeatKeyFile == "" {
		return "", nil
	}
	if key, err = c.readRackbeatKey(cfg, f.RackbeatKeyFile); err != nil {
		return "", err
	}
	shop.RackbeatKey, err = keys.Seal(secret.RackbeatKey, shop.Shop, key)
	return key, err
}

// readRackbeatKey returns the key in a file that --rackbeat-key-file names.
func (c *call) readRackbeatKey(cfg config.Config, file string) (key string, err error) {
	raw, err := c.readSecret("", file)
	if err == nil {
		key, err = secret.Key(raw)
	}
	if err == nil && key == cfg.Economic.AppSecretToken.Reveal() {
		err = errors.New("this is the secret token of the e-conomic app: the key is made at Rackbeat, by a user of the account")
	}
	if err != nil {
		return "", fmt.Errorf("--rackbeat-key-file: %w", err)
	}
	return key, nil
}

// mostWebhookTokens is how many tokens of webhooks a shop may have: Rackbeat gives each webhook
// one of its own.
const mostWebhookTokens = 16

// readWebhookTokens returns the hashes of the tokens in a file, one after the other.
func (c *call) readWebhookTokens(file string) ([]byte, error) {
	raw, err := c.readSecret("", file)
	if err != nil {
		return nil, err
	}
	var hashes []byte
	line := 0
	for text := range strings.Lines(string(raw)) {
		line++
		if strings.TrimSpace(text) == "" {
			continue
		}
		token, err := secret.Key([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		hash := sha256.Sum256([]byte(token))
		hashes = append(hashes, hash[:]...)
	}
	if n := len(hashes) / sha256.Size; n == 0 || n > mostWebhookTokens {
		return nil, fmt.Errorf("expected 1 to %d tokens, one a line, got %d", mostWebhookTokens, n)
	}
	return hashes, nil
}

// noteKey tells what is missing for a shop's stock to be read at Rackbeat.
func (c *call) noteKey(shop store.Shop) error {
	if shop.StockSource != store.SourceRackbeat || shop.ReadsRackbeat() {
		return nil
	}
	_, err := fmt.Fprintf(c.Stderr, "Note: the stock of %[1]s is not read until the key of its Rackbeat account is stored: have a user of the account make one there, and run `lagerd shops set %[1]s --stock-source rackbeat --rackbeat-key-file FILE`\n", shop.Shop)
	return err
}

// newStock is what set changes about where a shop's stock is read.
type newStock struct {
	before  store.Shop
	shop    store.Shop // with the new settings
	moves   bool       // to another source, account or choice of places
	tokens  bool       // the webhooks' tokens are new, or none are expected any more
	account int64      // at Rackbeat; 0: not known

	key string // to ask Rackbeat with: a new one, or the one that is stored if the items may change; "": none

	grant     string // a new token of the agreement, which e-conomic has been asked about; "": the stored one
	agreement int64  // that is accepted with it; 0: the shop's
}

// stock returns what changes about where the shop's stock is read, after it has asked Rackbeat
// whose the key is.
func (cmd setCmd) stock(c *call, cfg config.Config, s *store.Store) (newStock, error) {
	before, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return newStock{}, err
	}
	n := newStock{before: before, shop: before, tokens: cmd.RackbeatWebhookTokenFile != "" || cmd.NoRackbeatWebhookToken}
	if err := cmd.settings.apply(&n.shop); err != nil {
		return newStock{}, err
	}
	if err := n.read(c, cfg, s, cmd.rackbeatFiles, cmd.Offline); err != nil {
		return newStock{}, err
	}
	n.moves = !n.shop.ReadsLike(before)
	progress, err := s.Progress(c.ctx, cmd.Shop)
	if err != nil {
		return newStock{}, err
	}
	if before.ReadsRackbeat() {
		n.account = progress.StockAccount
	}
	if n.key == "" || cmd.Offline {
		return n, nil
	}
	if err := n.ask(c, cfg, s, cmd.AcceptAccount); err != nil {
		return newStock{}, fmt.Errorf("nothing was changed for %s: %w (--offline stores it unchecked)", cmd.Shop, err)
	}
	return n, nil
}

// read reads the secrets.
func (n *newStock) read(c *call, cfg config.Config, s *store.Store, files rackbeatFiles, offline bool) error {
	stored := !offline && n.shop.ReadsRackbeat() && (!n.shop.ReadsLike(n.before) || n.newFigure())
	if files == (rackbeatFiles{}) && !stored {
		return nil
	}
	keys, err := c.masterKey(cfg, s, false)
	if err != nil {
		return err
	}
	if n.key, err = files.read(c, keys, cfg, &n.shop); err != nil || n.key != "" || !stored {
		return err
	}
	if n.key, err = keys.OpenRackbeat(n.shop.Shop, n.shop.RackbeatKey); err != nil {
		return fmt.Errorf("%w: store its key again with --rackbeat-key-file", err)
	}
	return nil
}

// ask asks Rackbeat whose the key is, and returns an error if it is for another account than
// before, and not for the accepted one.
func (n *newStock) ask(c *call, cfg config.Config, s *store.Store, accepted int64) error {
	was := n.account
	var err error
	if n.account, err = c.askRackbeat(cfg, s, n.shop, n.key); err != nil {
		return err
	}
	if was == 0 || was == n.account {
		return nil
	}
	n.moves = true
	if accepted != n.account {
		return fmt.Errorf("the key answers for account %d, and its stock is read from account %d: if the change is intended, add --accept-account %[1]d", n.account, was)
	}
	return nil
}

func (n newStock) newFigure() bool { return n.shop.StockFigure != n.before.StockFigure }

// changesItems reports whether the shop's items are read now, and may be others than before or have
// another stock.
func (n newStock) changesItems() bool {
	return n.shop.StockOn && n.shop.ReadsStock() && (n.moves || n.newFigure())
}

// from names where the stock is read.
func (n newStock) from() string {
	if n.shop.ReadsRackbeat() {
		return "Rackbeat" + status.AccountAndPlaces(n.account, n.shop.Places)
	}
	return "e-conomic"
}

// with says what is new about it.
func (n newStock) with() string {
	switch {
	case n.moves && n.newFigure():
		return fmt.Sprintf("the figure %s from there", n.shop.StockFigure)
	case n.moves:
		return "the stock from there"
	}
	return fmt.Sprintf("the figure %s", n.shop.StockFigure)
}

func (n newStock) question() string {
	if !n.moves {
		return fmt.Sprintf("Use the figure %s as the stock of %s from now on?", n.shop.StockFigure, n.shop.Shop)
	}
	by := ""
	if n.newFigure() {
		by = fmt.Sprintf(", by the figure %s,", n.shop.StockFigure)
	}
	return fmt.Sprintf("Read the stock of %s from %s%s from now on?", n.shop.Shop, n.from(), by)
}

// newKey reports whether another key is to be stored.
func (n newStock) newKey() bool { return !bytes.Equal(n.shop.RackbeatKey, n.before.RackbeatKey) }

// store stores it together with the other settings, which change applies.
func (n newStock) store(ctx context.Context, s *store.Store, change func(*store.Shop) error) error {
	all := func(shop *store.Shop) error {
		if err := change(shop); err != nil {
			return err
		}
		if n.tokens {
			shop.RackbeatTokenHash = n.shop.RackbeatTokenHash
		}
		return nil
	}
	if !n.moves && !n.newKey() {
		return s.SetShop(ctx, n.shop.Shop, now(), all)
	}
	to := store.StockChange{Source: n.shop.StockSource, Account: n.account, Places: n.shop.Places, Set: all}
	if n.newKey() {
		to.Key = n.shop.RackbeatKey
	}
	return s.ChangeStockSource(ctx, n.shop.Shop, to, now())
}

// show tells what has changed, or what is missing.
func (n newStock) show(c *call) error {
	if !n.moves {
		return c.noteKey(n.shop)
	}
	_, err := fmt.Fprintf(c.Stdout, "The stock of %s is read from %s from now on. Its items change over once they have been read in full twice, unless too much would be lost; `lagerd status %[1]s` tells.\n", n.shop.Shop, n.from())
	return err
}

// askRackbeat asks Rackbeat whose a key is, shows it, and returns the account's number. It returns
// an error if the account cannot have the shop's places.
func (c *call) askRackbeat(cfg config.Config, s *store.Store, shop store.Shop, key string) (account int64, err error) {
	asked, err := acting(cfg, s, nil).Rackbeat()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, asked.Close(c.ctx)) }()
	at := asked.Open(key, store.Progress{}) // it may be for another account than before
	self, err := at.Self(c.ctx)
	if err != nil {
		return 0, err
	}
	if _, err = fmt.Fprintf(c.Stdout, "Rackbeat says: %s\n", accountName(self)); err != nil {
		return 0, err
	}
	return self.ID, checkPlaces(c.ctx, at, shop)
}

func accountName(self rackbeat.Self) string {
	name := "a company without a name"
	if self.Name != "" {
		name = terminal.Escape(self.Name)
	}
	return fmt.Sprintf("account %d, %s", self.ID, name)
}

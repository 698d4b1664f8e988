package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"

	"lagerd/act"
	"lagerd/config"
	"lagerd/lang"
	"lagerd/secret"
	"lagerd/store"
)

// masterKey returns the keys of the key file, with the one in force that is in force in the
// database. With create, and an embedded database without shops, it creates a missing key. A
// problem with the key is a *config.Errors.
func masterKey(ctx context.Context, cfg config.Config, s *store.Store, create bool) (*secret.Keys, error) {
	known, err := s.MasterKey(ctx)
	if err != nil {
		return nil, err
	}
	var shops []store.Shop
	if known.Check == nil { // else the check value decides
		if shops, err = s.Shops(ctx); err != nil {
			return nil, err
		}
	}
	var keys *secret.Keys
	switch {
	case !cfg.Key.IsZero():
		keys, err = secret.Load([]byte(cfg.Key.Reveal()))
	case !cfg.Database.DSN.IsZero():
		err = badKey("no master key: create one with `lagerd keygen`")
	case len(shops) > 0 || known.Check != nil:
		err = badKey("%s: the master key is missing, and the database holds secrets sealed with it: restore the key from its backup; if it is lost, %s", cfg.KeyFile, replaceLost)
	case !create:
		err = badKey("%s: no master key yet: `lagerd run` or the first `lagerd shops add` creates one", cfg.KeyFile)
	default:
		keys, err = makeKey(cfg.KeyFile)
	}
	if err != nil {
		return nil, err
	}
	verdict, opens := judge(known, keys, shops)
	if verdict == keyIsProved {
		if err := s.SaveKeyCheck(ctx, opens, now()); err != nil {
			return nil, err
		}
		if known, err = s.MasterKey(ctx); err != nil { // another command may have been first
			return nil, err
		}
	}
	if err := refusedKey(keys.Follow(secret.State(known))); err != nil {
		return nil, err
	}
	return keys, nil
}

// refusedKey returns the problem with a key file that does not fit the database, if it does not.
func refusedKey(err error) error {
	const half = "a change of the master key has begun and not ended (`lagerd rekey`), and this key file lacks the %s key: put both into it, one a line and the new one first, until `lagerd rekey` has ended; if it is lost, %s"
	switch {
	case errors.Is(err, secret.ErrOtherKey):
		return badKey("this master key is not the one that sealed the database's tokens and hashed its codes: use that one (every machine that shares the database has the same); if it is lost, %s", replaceLost)
	case errors.Is(err, secret.ErrOldKeyMissing):
		return badKey(half, "old", replaceLost)
	case errors.Is(err, secret.ErrNewKeyMissing):
		return badKey(half, "new", replaceLost)
	case errors.Is(err, secret.ErrKept):
		return badKey("%v: restore the database from its backup", err)
	}
	return err
}

const replaceLost = "run `lagerd keygen --replace-lost` to accept a new one"

func badKey(format string, args ...any) error {
	return &config.Errors{Problems: []config.Problem{{Key: "key_file", What: fmt.Sprintf(format, args...)}}}
}

// keyVerdict is whether a key file is the database's.
type keyVerdict int

const (
	keyIsKnown    keyVerdict = iota // it has what the stored check value asks for
	keyIsAnother                    // it has not
	keyIsProved                     // no check value is stored, but a key opens a token: its check value may be stored
	keyIsUnproved                   // no check value is stored, and no key opens a token: they may be the wrong ones
)

// judge compares the keys with what the database says of its master key, or, if it says
// nothing, with the shops' tokens: opens is the check value of the key that opens one. The check
// value of a key that has decrypted no token must not be stored: it may be the wrong key.
func judge(known store.MasterKey, keys *secret.Keys, shops []store.Shop) (verdict keyVerdict, opens []byte) {
	switch {
	case known.Check != nil && keys.Fits(secret.State(known)) == nil:
		return keyIsKnown, nil
	case known.Check != nil:
		return keyIsAnother, nil
	}
	for _, shop := range shops {
		if by, err := keys.SealedBy(secret.GrantToken, shop.Shop, shop.GrantToken); err == nil {
			return keyIsProved, by
		}
	}
	return keyIsUnproved, nil
}

// masterKey is the function masterKey for a command that seals several secrets: all of them are
// sealed with the same key.
func (c *call) masterKey(cfg config.Config, s *store.Store, create bool) (*secret.Keys, error) {
	if c.keys != nil {
		return c.keys, nil
	}
	keys, err := masterKey(c.ctx, cfg, s, create)
	if err == nil {
		c.keys = keys
	}
	return keys, err
}

// sealedWith notes which key has sealed the secrets that a command stores with a shop, if any.
func (c *call) sealedWith(shop *store.Shop) {
	if c.keys != nil {
		shop.SealedWith = c.keys.Check()
	}
}

// saveKeyCheck stores the check value of a key that has just sealed a shop's token, if it
// opens that token.
func saveKeyCheck(ctx context.Context, s *store.Store, keys *secret.Keys, shop string) error {
	stored, err := s.Shop(ctx, shop)
	if err != nil {
		return err
	}
	if verdict, opens := judge(store.MasterKey{}, keys, []store.Shop{stored}); verdict == keyIsProved {
		return s.SaveKeyCheck(ctx, opens, now())
	}
	return nil
}

// makeKey creates the master key file and returns the keys derived from it.
func makeKey(file string) (*secret.Keys, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("create the master key: %w", err)
	}
	key := secret.Generate()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another command created it first
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the master key: %w", err)
		}
		return secret.Load(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("create the master key: %w", err)
	}
	_, err = f.WriteString(key + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("create the master key %s: %w", file, err)
	}
	return secret.Load([]byte(key))
}

// loadKey returns the master key for a command that only reads. sealed is what it is needed for.
func loadKey(cfg config.Config, sealed string) (*secret.Keys, error) {
	if cfg.Key.IsZero() {
		return nil, fmt.Errorf("key_file: no master key: the shop's %s cannot be read without the key it was added with: check that you run as lagerd's user", sealed)
	}
	return secret.Load([]byte(cfg.Key.Reveal()))
}

// readToken reads a grant token, and returns an error for anything that cannot be one.
func (c *call) readToken(prompt, file string, cfg config.Config, l lang.Lang) (string, error) {
	if access := act.AccessURL(cfg, l); access != "" && file == "" {
		fmt.Fprintf(c.Stderr, "The agreement's super-user grants the app access, and gets the token, at %s\n", access)
	}
	raw, err := c.readSecret(prompt, file)
	if err != nil {
		return "", err
	}
	token, err := secret.Token(raw, secret.GrantTokenHeader)
	if err != nil {
		return "", fmt.Errorf("the grant token: %w", err)
	}
	// Only the public demo has the same text for both.
	if app := cfg.Economic.AppSecretToken.Reveal(); token == app && token != "demo" {
		return "", errors.New("the grant token: this is the app's secret token; the grant token is the one the agreement's super-user gets when granting the app access")
	}
	return token, nil
}

// readSecret reads a secret from a file, from standard input ("-"), or from a prompt on
// the terminal.
func (c *call) readSecret(prompt, file string) (raw []byte, err error) {
	const most = 64 << 10
	switch {
	case file == "-":
		raw, err = io.ReadAll(io.LimitReader(c.Stdin, most))
	case file != "":
		raw, err = readPrivate(file, most)
	case c.Stdin != nil && term.IsTerminal(int(c.Stdin.Fd())):
		fmt.Fprint(c.Stderr, prompt)
		raw, err = term.ReadPassword(int(c.Stdin.Fd()))
		fmt.Fprintln(c.Stderr)
	default:
		return nil, errors.New("no terminal to ask on: pass the secret with --grant-token-file FILE, or '-' for standard input")
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return raw, nil
}

// readPrivate reads the beginning of a secret's file, and returns an error if everyone may
// read it: the secret is used once, and the file stays.
func readPrivate(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = config.Private(file, info)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, most))
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

// masterKey returns the keys made from the master key, if it is the one under which
// the shops' tokens are sealed. Where the embedded database holds no shop yet, and
// create says so, the key is made. An error of it is an *config.Errors.
func masterKey(ctx context.Context, cfg config.Config, s *store.Store, create bool) (*secret.Keys, error) {
	known, err := s.KeyCheck(ctx)
	if err != nil {
		return nil, err
	}
	var shops []store.Shop
	if known == nil { // else what they have sealed tells no more
		if shops, err = s.Shops(ctx); err != nil {
			return nil, err
		}
	}
	var keys *secret.Keys
	switch {
	case !cfg.Key.IsZero():
		keys, err = secret.Load([]byte(cfg.Key.Reveal()))
	case !cfg.Database.DSN.IsZero():
		err = badKey("no master key: `lagerd keygen` makes one")
	case len(shops) > 0 || known != nil:
		err = badKey("%s: the master key is missing, and the database holds what is sealed under it: put its backup there; if it is lost, %s", cfg.KeyFile, replaceLost)
	case !create:
		err = badKey("%s: there is no master key yet: `lagerd run`, or the first `lagerd shops add`, makes one", cfg.KeyFile)
	default:
		keys, err = makeKey(cfg.KeyFile)
	}
	if err != nil {
		return nil, err
	}
	switch judge(known, keys, shops) {
	case keyIsKnown, keyIsUnproved:
	case keyIsAnother:
		return nil, badKey("this master key is not the one under which the database's tokens are sealed and its codes hashed: put that one there (every machine that shares the database has the same); if it is lost, %s", replaceLost)
	case keyIsProved:
		if err := s.SaveKeyCheck(ctx, keys.Check(), now()); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

const replaceLost = "say `lagerd keygen --replace-lost`, which lets a new key in"

func badKey(format string, args ...any) error {
	return &config.Errors{Problems: []config.Problem{{Key: "key_file", What: fmt.Sprintf(format, args...)}}}
}

// What a database says of a master key.
type keyVerdict int

const (
	keyIsKnown    keyVerdict = iota // it is the one that the database was told of
	keyIsAnother                    // it is not
	keyIsProved                     // the database was told of none, and this one opens a token: it may be told
	keyIsUnproved                   // the database was told of none, and nothing shows whether this is the one
)

// judge tells what a database says of a master key, by the check value that is
// stored there, nil if none is, and by the shops' tokens. A key that has opened no
// token is not stored as the right one: it may be the wrong one.
func judge(known []byte, keys *secret.Keys, shops []store.Shop) keyVerdict {
	switch {
	case known != nil && bytes.Equal(known, keys.Check()):
		return keyIsKnown
	case known != nil:
		return keyIsAnother
	}
	for _, shop := range shops {
		if _, err := keys.Open(shop.Shop, shop.GrantToken); err == nil {
			return keyIsProved
		}
	}
	return keyIsUnproved
}

// noteKey stores the check value of a key that has just sealed a shop's token, if
// that opens again.
func noteKey(ctx context.Context, s *store.Store, keys *secret.Keys, shop string) error {
	stored, err := s.Shop(ctx, shop)
	if err != nil {
		return err
	}
	if judge(nil, keys, []store.Shop{stored}) == keyIsProved {
		return s.SaveKeyCheck(ctx, keys.Check(), now())
	}
	return nil
}

// makeKey makes the master key's file, and returns the keys made from it.
func makeKey(file string) (*secret.Keys, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("make the master key: %w", err)
	}
	key := secret.Generate()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) { // another command was faster
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the master key: %w", err)
		}
		return secret.Load(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("make the master key: %w", err)
	}
	_, err = f.WriteString(key + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("make the master key %s: %w", file, err)
	}
	return secret.Load([]byte(key))
}

package secret

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// State is what a database says of its master key. It reveals nothing about any key.
type State struct {
	Check []byte            // check value of the master key; nil: none is stored
	Next  []byte            // check value of the key that takes its place: a rekeying has begun; nil: none has
	Kept  map[string][]byte // by the check value of a master key: the kept keys, sealed with it
}

var (
	// ErrOtherKey means that the database's master key is none of those held.
	ErrOtherKey = errors.New("the database's master key is another one")

	// ErrOldKeyMissing means that a rekeying has begun, which takes both keys, and the key from before
	// it is not held.
	ErrOldKeyMissing = errors.New("a rekeying has begun, and the old master key is missing")

	// ErrNewKeyMissing is ErrOldKeyMissing for the key that takes its place.
	ErrNewKeyMissing = errors.New("a rekeying has begun, and the new master key is missing")

	// ErrKept means that the kept keys cannot be decrypted: somebody has changed them in the database.
	ErrKept = errors.New("the stored key of the integration codes' hashes cannot be decrypted with the master key: it was changed in the database")
)

// inForce returns which of the keys held, as their check values, is in force in a database:
//
//	check   next   held            in force
//	c       -      c among them    c
//	c       -      not c           none: ErrOtherKey
//	c       n      c and n         n
//	c       n      not c           none: ErrOldKeyMissing
//	c       n      not n           none: ErrNewKeyMissing
//	c       n      neither         none: ErrOtherKey
//	-              one has kept    that one: its own was accepted in the place of a lost one
//	-              none has        the first
func inForce(held [][]byte, s State) (int, error) {
	is, next := indexOf(held, s.Check), indexOf(held, s.Next)
	switch {
	case s.Check == nil:
		return max(0, slices.IndexFunc(held, func(h []byte) bool { return s.Kept[string(h)] != nil })), nil
	case s.Next == nil && is >= 0:
		return is, nil
	case s.Next == nil || is < 0 && next < 0:
		return 0, ErrOtherKey
	case is < 0:
		return 0, ErrOldKeyMissing
	case next < 0:
		return 0, ErrNewKeyMissing
	}
	return next, nil
}

// indexOf returns which of the keys, as their check values, has that one, or -1.
func indexOf(held [][]byte, check []byte) int {
	return slices.IndexFunc(held, func(h []byte) bool { return bytes.Equal(h, check) })
}

// Follow puts the key in force that is in force in a database, with what is kept there. It returns
// an error, and changes nothing, if the keys are not those that the database needs.
func (k *Keys) Follow(s State) error {
	return k.change(s, func(held [][]byte) (int, error) { return inForce(held, s) })
}

// Fits returns the error that [Keys.Follow] would return, and changes nothing.
func (k *Keys) Fits(s State) error {
	_, err := inForce(k.Checks(), s)
	return err
}

// Prefer is [Keys.Follow] for a database that does not say which key is its own: the one with this
// check value has opened a text there.
func (k *Keys) Prefer(check []byte, s State) error {
	return k.change(s, func(held [][]byte) (int, error) {
		at := indexOf(held, check)
		if at < 0 {
			return 0, fmt.Errorf("put a master key in force: %w", ErrOtherKey)
		}
		return at, nil
	})
}

// change puts the key in force that choose chooses. Another key file may be adopted meanwhile: then
// it chooses again.
func (k *Keys) change(s State, choose func(held [][]byte) (int, error)) error {
	for {
		r := k.ring.Load()
		at, err := choose(r.checks())
		if err != nil {
			return err
		}
		seals := r.held[at]
		kept := seals.derived
		if sealed := s.Kept[string(seals.check)]; sealed != nil {
			if kept, err = seals.unwrap(sealed); err != nil {
				return err
			}
		}
		if seals == r.seals && kept.equal(r.kept) || k.ring.CompareAndSwap(r, r.with(seals, kept)) {
			return nil
		}
	}
}

// Adopt makes the keys those of another key file.
func (k *Keys) Adopt(next *Keys) { k.ring.Store(next.ring.Load()) }

// AdoptBeside is [Keys.Adopt], except that what was held until now goes on to open and verify: what
// is read from the database already may be sealed with it.
func (k *Keys) AdoptBeside(next *Keys) {
	r := *next.ring.Load()
	r.held = slices.Clone(r.held)
	for _, m := range k.ring.Load().held {
		if !slices.ContainsFunc(r.held, func(has *master) bool { return bytes.Equal(has.check, m.check) }) {
			r.held = append(r.held, m)
		}
	}
	k.ring.Store(&r)
}

// Keep returns the kept keys, sealed with each of these master keys, by its check value: what a
// database stores so that they go on to be used with any of them. A master key that is not held is
// an error.
func (k *Keys) Keep(checks ...[]byte) (map[string][]byte, error) {
	r := k.ring.Load()
	all := map[string][]byte{}
	for _, check := range checks {
		at := indexOf(r.checks(), check)
		if at < 0 {
			return nil, fmt.Errorf("seal the key of the integration codes' hashes: %w", ErrOtherKey)
		}
		all[string(check)] = r.held[at].wrap(r.kept)
	}
	return all, nil
}

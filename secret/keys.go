package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// keySize is the length of the master key and of each derived key, in bytes.
	keySize = 32

	// sealVersion is the first byte of every sealed text: AES-256-GCM with a
	// prepended random nonce.
	sealVersion = 1
)

// The derived keys' names. Changing one makes everything stored with that key useless.
const (
	codeKeyName  = "lagerd integration code v1"
	grantKeyName = "lagerd grant token v1"
	checkName    = "lagerd master key check v1"
	printKeyName = "lagerd fingerprint v1"
	signKeyName  = "lagerd signature v1"
	keptKeyName  = "lagerd kept keys v1"
)

// Kind is what a sealed text is. One kind does not open as another, so that whoever can write the
// database cannot have a secret sent to a service that it is not for.
type Kind string

// The kinds of secrets.
const (
	GrantToken  Kind = "grant token"
	RackbeatKey Kind = "Rackbeat key"
	NotifyHook  Kind = "webhook for notifications" // its secret and its URL
)

var kinds = []Kind{GrantToken, RackbeatKey, NotifyHook}

// context returns what a sealed text is bound to. A grant token is bound to the shop's name alone,
// as it was before there were kinds; no shop's name contains the separator.
func (k Kind) context(shop string) []byte {
	if k == GrantToken {
		return []byte(shop)
	}
	return []byte(shop + "\x00" + string(k))
}

var (
	// ErrSealed means that a sealed text cannot be decrypted with this key for this shop.
	ErrSealed = errors.New("sealed text cannot be decrypted: was the key changed, or does it belong to another shop?")

	// ErrKind means that a sealed text is a secret of another kind: somebody has moved it in the
	// database.
	ErrKind = errors.New("it was sealed as another secret, and was moved in the database since")
)

// Keys are what a key file's master keys give: one of them is in force, which seals and signs, and
// all of them open. They are safe for concurrent use.
type Keys struct{ ring atomic.Pointer[ring] }

// ring is what Keys are at a time. It does not change.
type ring struct {
	held  []*master // as in the key file
	seals *master   // the one in force
	kept  kept
	code  *sync.Pool // of hash.Hash: setting up an HMAC takes twice as long as computing it
}

// with returns a ring with another key in force, and what was kept for it.
func (r *ring) with(seals *master, kept kept) *ring {
	return &ring{held: r.held, seals: seals, kept: kept, code: &sync.Pool{New: func() any { return hmac.New(sha256.New, kept.code) }}}
}

// Load derives the keys from the content of a master key file: 32 random bytes in base64
// (as from [Generate]) or hex, possibly surrounded by white space, or raw; or several keys in
// base64 or hex, one a line, of which the first is in force until [Keys.Follow] says otherwise.
// A text of 32 characters is rejected: it looks like a key, but is a weak one. No error
// contains any part of raw.
func Load(raw []byte) (*Keys, error) {
	texts, err := decodeAll(raw)
	if err != nil {
		return nil, err
	}
	var held []*master
	for _, text := range texts {
		m, err := newMaster(text)
		if err != nil {
			return nil, err
		}
		held = append(held, m)
	}
	k := &Keys{}
	k.ring.Store((&ring{held: held}).with(held[0], held[0].derived))
	return k, nil
}

// Generate returns a new random master key in base64, without a line end: the content of
// a key file.
func Generate() string {
	key := make([]byte, keySize)
	rand.Read(key) // never fails: it crashes the process instead
	return base64.StdEncoding.EncodeToString(key)
}

// HashCode returns the HMAC-SHA256 of a shop's integration code. The shop is part of the
// input, so that equal codes of two shops have different hashes. Compare with hmac.Equal.
func (k *Keys) HashCode(shop, code string) [sha256.Size]byte {
	pool := k.ring.Load().code
	mac := pool.Get().(hash.Hash) //nolint:forcetypeassert // the pool holds nothing else
	defer pool.Put(mac)
	mac.Reset()
	buf := make([]byte, 0, 128)
	// The length distinguishes shop "a" with code "bc" from shop "ab" with code "c".
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(shop))) //nolint:gosec // a shop name has at most 64 characters
	buf = append(buf, shop...)
	buf = append(buf, code...)
	mac.Write(buf)
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// Seal encrypts a shop's secret for storage, with the key in force. Sealing the same text twice
// gives two different results. Each opens for that shop and as that kind only.
func (k *Keys) Seal(kind Kind, shop, plaintext string) ([]byte, error) {
	if shop == "" {
		return nil, fmt.Errorf("seal a %s: no shop given", kind)
	}
	return seal(k.ring.Load().seals.grant, plaintext, kind.context(shop)), nil
}

// Open decrypts a text that [Keys.Seal] sealed as this kind for the shop, with any of the keys. The
// error wraps [ErrKind] if it is another kind of the shop's, and [ErrSealed] if the key, the shop
// or the sealed text is not the same.
func (k *Keys) Open(kind Kind, shop string, sealed []byte) (string, error) {
	text, _, err := k.ring.Load().open(kind, shop, sealed)
	return text, err
}

// Reseal returns a sealed text sealed anew with the key in force, or nil if that key has sealed it
// already. The error is that of [Keys.Open].
func (k *Keys) Reseal(kind Kind, shop string, sealed []byte) ([]byte, error) {
	r := k.ring.Load()
	text, by, err := r.open(kind, shop, sealed)
	if err != nil || by == r.seals {
		return nil, err
	}
	return seal(r.seals.grant, text, kind.context(shop)), nil
}

// SealedBy returns the check value of the key that sealed a text. The error is that of [Keys.Open].
func (k *Keys) SealedBy(kind Kind, shop string, sealed []byte) (check []byte, err error) {
	_, by, err := k.ring.Load().open(kind, shop, sealed)
	if err != nil {
		return nil, err
	}
	return slices.Clone(by.check), nil
}

// open also returns the key that sealed the text.
func (r *ring) open(kind Kind, shop string, sealed []byte) (string, *master, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return "", nil, fmt.Errorf("decrypt the %s of shop %q: not sealed by this version of lagerd: %w", kind, shop, ErrSealed)
	}
	for _, m := range r.likely() {
		if text, err := m.grant.Open(nil, nil, sealed[1:], kind.context(shop)); err == nil {
			return string(text), m, nil
		}
	}
	for _, m := range r.held {
		for _, other := range kinds {
			if _, err := m.grant.Open(nil, nil, sealed[1:], other.context(shop)); err == nil {
				return "", nil, fmt.Errorf("decrypt the %s of shop %q: it is its %s: %w", kind, shop, other, ErrKind)
			}
		}
	}
	return "", nil, fmt.Errorf("decrypt the %s of shop %q: %w", kind, shop, ErrSealed)
}

// likely returns the keys, the one in force first: it has sealed nearly everything.
func (r *ring) likely() []*master {
	if r.seals == r.held[0] {
		return r.held
	}
	return append([]*master{r.seals}, r.held...)
}

// OpenGrant opens a shop's grant token.
func (k *Keys) OpenGrant(shop string, sealed []byte) (string, error) {
	return k.Open(GrantToken, shop, sealed)
}

// OpenRackbeat opens a shop's Rackbeat key.
func (k *Keys) OpenRackbeat(shop string, sealed []byte) (string, error) {
	return k.Open(RackbeatKey, shop, sealed)
}

// OpenHook opens a shop's webhook for notifications.
func (k *Keys) OpenHook(shop string, sealed []byte) (string, error) {
	return k.Open(NotifyHook, shop, sealed)
}

// Check returns the check value of the master key in force: 32 bytes that identify it and reveal
// nothing about it.
func (k *Keys) Check() []byte { return slices.Clone(k.ring.Load().seals.check) }

// Checks returns the check values of all master keys, as they are in the key file.
func (k *Keys) Checks() [][]byte { return k.ring.Load().checks() }

func (r *ring) checks() (all [][]byte) {
	for _, m := range r.held {
		all = append(all, slices.Clone(m.check))
	}
	return all
}

// Fingerprint returns a keyed hash of a secret. Two processes with the master key can
// compare fingerprints to see whether they have the same secret. Without the key it
// reveals nothing about the secret. Like the hashes of codes it stays the same when another
// master key comes into force.
func (k *Keys) Fingerprint(secret string) string {
	mac := hmac.New(sha256.New, k.ring.Load().kept.print)
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Sign returns the HMAC-SHA256 of a text for a purpose, with the key in force. A signature for one
// purpose is none for another. Check it with [Keys.Signed].
func (k *Keys) Sign(purpose, text string) []byte { return k.ring.Load().seals.signature(purpose, text) }

// Signed reports whether [Keys.Sign] has signed a text for a purpose, with any of the keys: what
// was signed with a key is good for as long as that key is in the key file.
func (k *Keys) Signed(purpose, text string, signature []byte) bool {
	good := false
	for _, m := range k.ring.Load().held {
		good = hmac.Equal(signature, m.signature(purpose, text)) || good
	}
	return good
}

// Format prints "[redacted]" for every verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// mostKeys is how many master keys a file may hold. Two are enough to change one.
const mostKeys = 8

// decodeAll returns the bytes of each master key in a key file.
func decodeAll(raw []byte) ([][]byte, error) {
	one, err := decode(raw)
	if err == nil {
		return [][]byte{one}, nil
	}
	var lines []string
	for line := range strings.Lines(string(raw)) {
		if text := strings.TrimSpace(line); text != "" {
			lines = append(lines, text)
		}
	}
	if len(lines) < 2 {
		return nil, err
	}
	if len(lines) > mostKeys {
		return nil, fmt.Errorf("expected at most %d keys, one a line, got %d", mostKeys, len(lines))
	}
	var all [][]byte
	for n, text := range lines {
		if len(text) <= keySize { // as text, a raw key is none
			return nil, fmt.Errorf("key %d of %d: %w", n+1, len(lines), unusable(len(text)))
		}
		key, err := decode([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("key %d of %d: %w", n+1, len(lines), err)
		}
		if same := indexOf(all, key); same >= 0 {
			return nil, fmt.Errorf("key %d of %d is the same as key %d: remove one", n+1, len(lines), same+1)
		}
		all = append(all, key)
	}
	return all, nil
}

// unusable is the error for a text that is no key.
func unusable(size int) error {
	return fmt.Errorf("the key is not usable: want 32 random bytes in base64 (44 characters) or hex (64 characters), or raw, got %d bytes of something else", size)
}

// decode returns the master key's bytes. Its forms are unambiguous: they differ in length,
// and 32 random bytes are never all printable.
func decode(raw []byte) ([]byte, error) {
	text := strings.TrimSpace(string(raw))
	switch {
	case text == "":
		return nil, errors.New("the key is empty: put 32 random bytes there, in base64")
	case len(raw) == keySize && !printable(raw):
		return slices.Clone(raw), nil
	case len(text) == hex.EncodedLen(keySize):
		if key, err := hex.DecodeString(text); err == nil {
			return key, nil
		}
	default:
		// With or without padding, in either alphabet.
		unpadded := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
		if key, err := base64.RawStdEncoding.DecodeString(unpadded); err == nil && len(key) == keySize {
			return key, nil
		}
	}
	return nil, unusable(len(raw))
}

func printable(raw []byte) bool {
	for _, b := range raw {
		if (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}

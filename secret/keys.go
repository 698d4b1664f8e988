package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
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

// Keys are the keys derived from one master key. They are safe for concurrent use.
type Keys struct {
	code  sync.Pool // of hash.Hash: setting up an HMAC takes twice as long as computing it
	grant cipher.AEAD
	check []byte
	print []byte
	sign  []byte
}

// Load derives the keys from the content of a master key file: 32 random bytes in base64
// (as from [Generate]) or hex, possibly surrounded by white space, or raw. A text of 32
// characters is rejected: it looks like a key, but is a weak one. No error contains any
// part of raw.
func Load(raw []byte) (*Keys, error) {
	master, err := decode(raw)
	if err != nil {
		return nil, err
	}
	code, err := hkdf.Key(sha256.New, master, nil, codeKeyName, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for integration codes: %w", err)
	}
	grant, err := hkdf.Key(sha256.New, master, nil, grantKeyName, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for grant tokens: %w", err)
	}
	check, err := hkdf.Key(sha256.New, master, nil, checkName, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the master key's check value: %w", err)
	}
	fingerprint, err := hkdf.Key(sha256.New, master, nil, printKeyName, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for fingerprints: %w", err)
	}
	sign, err := hkdf.Key(sha256.New, master, nil, signKeyName, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key for signatures: %w", err)
	}
	block, err := aes.NewCipher(grant)
	if err != nil {
		return nil, fmt.Errorf("set up encryption of grant tokens: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("set up encryption of grant tokens: %w", err)
	}
	return &Keys{code: sync.Pool{New: func() any { return hmac.New(sha256.New, code) }}, grant: aead, check: check, print: fingerprint, sign: sign}, nil
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
	mac := k.code.Get().(hash.Hash) //nolint:forcetypeassert // the pool holds nothing else
	defer k.code.Put(mac)
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

// Seal encrypts a shop's secret for storage. Sealing the same text twice gives two different
// results. Each opens for that shop and as that kind only.
func (k *Keys) Seal(kind Kind, shop, plaintext string) ([]byte, error) {
	if shop == "" {
		return nil, fmt.Errorf("seal a %s: no shop given", kind)
	}
	return k.grant.Seal([]byte{sealVersion}, nil, []byte(plaintext), kind.context(shop)), nil //nolint:gosec // NewGCMWithRandomNonce draws the nonce
}

// Open decrypts a text that [Keys.Seal] sealed as this kind for the shop. The error wraps [ErrKind]
// if it is another kind of the shop's, and [ErrSealed] if the key, the shop or the sealed text
// is not the same.
func (k *Keys) Open(kind Kind, shop string, sealed []byte) (string, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return "", fmt.Errorf("decrypt the %s of shop %q: not sealed by this version of lagerd: %w", kind, shop, ErrSealed)
	}
	plaintext, err := k.grant.Open(nil, nil, sealed[1:], kind.context(shop))
	if err == nil {
		return string(plaintext), nil
	}
	for _, other := range kinds {
		if _, err := k.grant.Open(nil, nil, sealed[1:], other.context(shop)); err == nil {
			return "", fmt.Errorf("decrypt the %s of shop %q: it is its %s: %w", kind, shop, other, ErrKind)
		}
	}
	return "", fmt.Errorf("decrypt the %s of shop %q: %w", kind, shop, ErrSealed)
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

// Check returns the master key's check value: 32 bytes that identify the master key and
// reveal nothing about it.
func (k *Keys) Check() []byte { return slices.Clone(k.check) }

// Fingerprint returns a keyed hash of a secret. Two processes with the master key can
// compare fingerprints to see whether they have the same secret. Without the key it
// reveals nothing about the secret.
func (k *Keys) Fingerprint(secret string) string {
	mac := hmac.New(sha256.New, k.print)
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Sign returns the HMAC-SHA256 of a text for a purpose. A signature for one purpose is none for
// another. Compare with hmac.Equal.
func (k *Keys) Sign(purpose, text string) []byte {
	mac := hmac.New(sha256.New, k.sign)
	// The length distinguishes purpose "a" with text "bc" from purpose "ab" with text "c".
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(purpose)))) //nolint:gosec // a purpose is a constant
	mac.Write([]byte(purpose))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// Format prints "[redacted]" for every verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

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
	return nil, fmt.Errorf("the key is not usable: want 32 random bytes in base64 (44 characters) or hex (64 characters), "+
		"or raw, got %d bytes of something else", len(raw))
}

func printable(raw []byte) bool {
	for _, b := range raw {
		if (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}

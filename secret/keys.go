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
	// keySize is the length of the master key and of each key made from it, in bytes.
	keySize = 32

	// sealVersion is the first byte of everything sealed: AES-256-GCM with a
	// random nonce in front.
	sealVersion = 1
)

// The names of the keys. Changing one makes everything stored under it useless.
const (
	codeKeyName  = "lagerd integration code v1"
	grantKeyName = "lagerd grant token v1"
	checkName    = "lagerd master key check v1"
	printKeyName = "lagerd fingerprint v1"
)

// ErrSealed says that a sealed text cannot be opened with this key for this shop.
var ErrSealed = errors.New("sealed text does not open: was the key changed, or does it belong to another shop?")

// Keys are the keys made from one master key. They may be used by several
// goroutines at once.
type Keys struct {
	code  sync.Pool // of hash.Hash: an HMAC takes twice as long to set up as to compute
	grant cipher.AEAD
	check []byte
	print []byte
}

// Load makes the keys from a master key as it stands in a file: 32 random bytes as
// base64 (what [Generate] gives) or as hex, with white space around it, or as they
// are. A text of 32 characters is refused, for it looks like a key and is a weak
// one. No error shows any of raw.
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
	block, err := aes.NewCipher(grant)
	if err != nil {
		return nil, fmt.Errorf("set up encryption of grant tokens: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("set up encryption of grant tokens: %w", err)
	}
	return &Keys{code: sync.Pool{New: func() any { return hmac.New(sha256.New, code) }}, grant: aead, check: check, print: fingerprint}, nil
}

// Generate returns a new master key from the operating system's randomness, in
// base64 and without a line end: the content of a key file.
func Generate() string {
	key := make([]byte, keySize)
	rand.Read(key) // never fails: it ends the process instead
	return base64.StdEncoding.EncodeToString(key)
}

// HashCode returns HMAC-SHA256 of a shop's integration code. The shop is part of
// what is hashed, so that equal codes of two shops are not seen to be equal.
// Compare with hmac.Equal.
func (k *Keys) HashCode(shop, code string) [sha256.Size]byte {
	mac := k.code.Get().(hash.Hash)
	defer k.code.Put(mac)
	mac.Reset()
	buf := make([]byte, 0, 128)
	// The length keeps shop "a" with code "bc" apart from shop "ab" with code "c".
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(shop)))
	buf = append(buf, shop...)
	buf = append(buf, code...)
	mac.Write(buf)
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}

// Seal encrypts a shop's grant token for storage. Sealing the same text twice
// gives two different results. The result opens for the same shop only.
func (k *Keys) Seal(shop, plaintext string) ([]byte, error) {
	if shop == "" {
		return nil, errors.New("seal grant token: no shop is named")
	}
	return k.grant.Seal([]byte{sealVersion}, nil, []byte(plaintext), []byte(shop)), nil
}

// Open decrypts what [Keys.Seal] made for the shop. The error wraps [ErrSealed]
// when the key, the shop or the sealed text is another.
func (k *Keys) Open(shop string, sealed []byte) (string, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return "", fmt.Errorf("open grant token of shop %q: not sealed by this version of lagerd: %w", shop, ErrSealed)
	}
	plaintext, err := k.grant.Open(nil, nil, sealed[1:], []byte(shop))
	if err != nil {
		return "", fmt.Errorf("open grant token of shop %q: %w", shop, ErrSealed)
	}
	return string(plaintext), nil
}

// Check returns the master key's check value: 32 bytes that are the same for the
// same master key, and from which nothing of it can be found out.
func (k *Keys) Check() []byte { return slices.Clone(k.check) }

// Fingerprint returns a keyed hash of a secret, by which two who have the master
// key can tell whether they have the same secret. It shows nothing of the secret to
// somebody who lacks the key.
func (k *Keys) Fingerprint(secret string) string {
	mac := hmac.New(sha256.New, k.print)
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Format prints no key, whatever the verb.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// decode reads the master key's bytes. The forms cannot be mistaken for each
// other: they differ in length, and 32 random bytes are never all printable.
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
		"or as they are, got %d bytes of something else", len(raw))
}

func printable(raw []byte) bool {
	for _, b := range raw {
		if (b < ' ' || b > '~') && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	return true
}

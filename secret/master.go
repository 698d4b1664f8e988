package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// master is what is derived from one master key.
type master struct {
	check   []byte      // identifies it, and reveals nothing about it
	grant   cipher.AEAD // seals texts
	wraps   cipher.AEAD // seals what is kept
	sign    []byte
	derived kept // what is kept, unless a database has another
}

// kept are the keys that do not change with the master key: what they have hashed is stored, and
// cannot be hashed anew.
type kept struct {
	code  []byte // of integration codes
	print []byte // of fingerprints
}

func (k kept) equal(other kept) bool {
	return hmac.Equal(k.code, other.code) && hmac.Equal(k.print, other.print)
}

func newMaster(key []byte) (*master, error) {
	m := &master{}
	for _, d := range []struct {
		into       *[]byte
		name, what string
	}{
		{&m.derived.code, codeKeyName, "the key for integration codes"},
		{&m.derived.print, printKeyName, "the key for fingerprints"},
		{&m.check, checkName, "the master key's check value"},
		{&m.sign, signKeyName, "the key for signatures"},
	} {
		derived, err := hkdf.Key(sha256.New, key, nil, d.name, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive %s: %w", d.what, err)
		}
		*d.into = derived
	}
	for _, d := range []struct {
		into       *cipher.AEAD
		name, what string
	}{
		{&m.grant, grantKeyName, "grant tokens"},
		{&m.wraps, keptKeyName, "kept keys"},
	} {
		derived, err := hkdf.Key(sha256.New, key, nil, d.name, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive the key for %s: %w", d.what, err)
		}
		block, err := aes.NewCipher(derived)
		if err == nil {
			*d.into, err = cipher.NewGCMWithRandomNonce(block)
		}
		if err != nil {
			return nil, fmt.Errorf("set up encryption of %s: %w", d.what, err)
		}
	}
	return m, nil
}

// seal encrypts a text that is bound to a context.
func seal(with cipher.AEAD, text string, context []byte) []byte {
	return with.Seal([]byte{sealVersion}, nil, []byte(text), context) //nolint:gosec // NewGCMWithRandomNonce draws the nonce
}

// keptContext is what sealed kept keys are bound to.
const keptContext = "kept keys"

// wrap seals kept keys.
func (m *master) wrap(k kept) []byte {
	return seal(m.wraps, string(k.code)+string(k.print), []byte(keptContext))
}

// unwrap opens what wrap has sealed.
func (m *master) unwrap(sealed []byte) (kept, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return kept{}, ErrKept
	}
	text, err := m.wraps.Open(nil, nil, sealed[1:], []byte(keptContext))
	if err != nil || len(text) != 2*keySize {
		return kept{}, ErrKept
	}
	return kept{code: text[:keySize:keySize], print: text[keySize:]}, nil
}

// signature returns the HMAC-SHA256 of a text for a purpose.
func (m *master) signature(purpose, text string) []byte {
	mac := hmac.New(sha256.New, m.sign)
	// The length distinguishes purpose "a" with text "bc" from purpose "ab" with text "c".
	mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(purpose)))) //nolint:gosec // a purpose is a constant
	mac.Write([]byte(purpose))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

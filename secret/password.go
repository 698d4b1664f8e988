package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What a password's hash costs: OWASP's minimum for Argon2id, 19 MiB and two passes (OWASP
// Password Storage Cheat Sheet), a few hundredths of a second.
const (
	argonMemory  = 19 * 1024 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonSalt    = 16
	argonHash    = 32
)

// Bounds of a password's length, in bytes. The longest bounds what hashing costs.
const (
	ShortestPassword = 12
	LongestPassword  = 256
)

// HashPassword returns the Argon2id hash of a password as text: its parameters, a random salt and
// the hash, in the usual format.
func HashPassword(password string) (string, error) {
	if len(password) < ShortestPassword || len(password) > LongestPassword {
		return "", fmt.Errorf("a password has %d to %d characters", ShortestPassword, LongestPassword)
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails: it crashes the process instead
	return hashed(password, salt), nil
}

// CheckPassword reports whether a hash is that of a password. It takes as long for a hash that is
// none, so that the time it takes does not tell whether there is one.
func CheckPassword(hash, password string) bool {
	salt, err := saltOf(hash)
	if len(password) > LongestPassword {
		return false
	}
	computed := hashed(password, salt)
	return subtle.ConstantTimeCompare([]byte(computed), []byte(hash)) == 1 && err == nil
}

// hashed formats the parameters that it hashes with: a hash with others differs from all.
func hashed(password string, salt []byte) string {
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonThreads, encode(salt),
		encode(argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, argonThreads, argonHash)))
}

// saltOf returns the salt of a hash. If it has none, the salt that is returned does not matter.
func saltOf(hash string) ([]byte, error) {
	const saltField, fields = 4, 6
	parts := strings.Split(hash, "$")
	if len(parts) == fields {
		if salt, err := base64.RawStdEncoding.DecodeString(parts[saltField]); err == nil && len(salt) == argonSalt {
			return salt, nil
		}
	}
	return make([]byte, argonSalt), errors.New("not a password's hash")
}

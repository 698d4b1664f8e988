package secret_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"lagerd/secret"
)

func utf16LE(text string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func utf16BE(text string) string {
	b := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return string(b)
}

func TestToken(t *testing.T) {
	t.Parallel()
	const token = "Abc_123-xyz.~4567890=="
	for name, raw := range map[string]string{
		"as it is": token, "line end": token + "\n", "Windows line end": token + "\r\n", "byte order mark": "\ufeff" + token,
		"blanks": "  " + token + " \t", "no-break space": token + "\u00a0", "zero width": "\u200b" + token + "\u200b\u2060",
		"quotes": `"` + token + `"`, "quotes and blanks": " '" + token + "' \n", "UTF-16": utf16LE(token + "\r\n"), "UTF-16, big end": utf16BE("\ufeff" + token),
		"header": "X-AgreementGrantToken: " + token, "header in any case": "x-agreementgranttoken:" + token + "\n",
		"quoted whole": `"X-AgreementGrantToken: ` + token + `"`,
	} {
		if got, err := secret.Token([]byte(raw), secret.GrantTokenHeader); got != token || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct{ raw, want string }{
		"empty": {"", "empty"}, "invisible alone": {"\ufeff \u200b\n", "empty"}, "two lines": {token + "\n" + token, "one line"},
		"a tab within": {"to\tken", "character 3 is a blank"}, "a blank within": {"to ken", "character 3 is a blank"},
		"no-break space within": {"tok\u00a0en", "character 4 is a blank"}, "zero width within": {"tok\u200ben", "character 4 is invisible"},
		"a control character": {"tok\x1ben", "character 4 is invisible"}, "NUL": {"tok\x00en", "invisible"},
		"a letter that no token has": {"tøken", "character 2 is not allowed"}, "dots of a masked field": {"••••••••", "character 1 is not allowed"},
		"the other header": {"X-AppSecretToken: " + token, "another token"}, "a header alone": {"X-AgreementGrantToken:", "empty"},
		"a header without its colon": {"X-AgreementGrantToken " + token, "no colon"},
		"an address":                 {"https://shop.example.dk/?token=" + token, "token="}, "too long": {strings.Repeat("x", 301), "301 bytes"},
		"half of UTF-16": {"\xff\xfea", "UTF-16"}, "not UTF-8": {"tok\xffen", "character 4 is not allowed"},
	} {
		got, err := secret.Token([]byte(c.raw), secret.GrantTokenHeader)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want an error with %q", name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("eyJ0eXAi.OiJKV1Qi-LCJhbGci_", 40) // longer than any of e-conomic's tokens
	for name, raw := range map[string]string{
		"as it is": key, "line end": key + "\r\n", "quotes": `"` + key + `"`, "UTF-16": utf16LE(key),
		"Bearer": "Bearer " + key, "bearer": "bearer  " + key + "\n", "header": "Authorization: Bearer " + key, "header in any case": "authorization:" + key,
	} {
		if got, err := secret.Key([]byte(raw)); got != key || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct{ raw, want string }{
		"empty": {"", "empty"}, "two lines": {key + "\n" + key, "one line"}, "a blank within": {"ke y", "character 3 is a blank"},
		"Bearer alone": {"Authorization: Bearer ", "empty"}, "a header alone": {"Authorization:", "empty"},
		"invisible": {"ke\u200by", "character 3 is invisible"}, "a letter that no key has": {"nøgle", "character 2 is not allowed"},
		"too long": {strings.Repeat("x", 4001), "4001 bytes"},
	} {
		got, err := secret.Key([]byte(c.raw))
		if got != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v, want an error with %q", name, got, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, raw := range []string{"token", "\ufefftoken\r\n", utf16LE("token"), "X-AgreementGrantToken: token", `"token"`, "to\tken", "\xff\xfe"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		token, err := secret.Token(raw, secret.GrantTokenHeader)
		if err != nil {
			return
		}
		if token == "" || len(token) > 300 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q became the token %q", raw, token)
		}
	})
}

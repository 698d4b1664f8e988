package secret

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// The HTTP headers of e-conomic's two tokens, which people paste along with them.
const (
	AppTokenHeader   = "X-AppSecretToken"
	GrantTokenHeader = "X-AgreementGrantToken"
)

// Pasted returns a secret that was pasted or saved to a file, without what editors and
// clipboards add: a byte order mark, UTF-16, line ends, blanks and invisible characters,
// quotes. It returns an error unless exactly one line of text is left. No error contains
// any part of raw.
func Pasted(raw []byte) (string, error) {
	text, err := unmarked(raw)
	if err != nil {
		return "", err
	}
	text = trimmed(text)
	for _, quote := range []string{`"`, "'", "`"} {
		if len(text) > 2 && strings.HasPrefix(text, quote) && strings.HasSuffix(text, quote) {
			text = trimmed(text[1 : len(text)-1])
			break
		}
	}
	switch {
	case text == "":
		return "", errors.New("it is empty")
	case strings.ContainsAny(text, "\r\n"):
		return "", errors.New("expected one line, got several")
	}
	return text, nil
}

// Token cleans up one of e-conomic's tokens as Pasted does, and strips the name of its
// header. It returns an error if the result cannot be a token, which is printable ASCII
// without blanks.
func Token(raw []byte, header string) (string, error) {
	text, err := Pasted(raw)
	if err != nil {
		return "", err
	}
	for _, name := range []string{AppTokenHeader, GrantTokenHeader} {
		if len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
			continue
		}
		if name != header {
			return "", fmt.Errorf("it begins with %s: that is another token, not the one for %s", name, header)
		}
		value, ok := strings.CutPrefix(strings.TrimLeft(text[len(name):], " \t"), ":")
		if !ok {
			return "", fmt.Errorf("it begins with %s, but no colon and token follow", name)
		}
		if text, err = Pasted([]byte(value)); err != nil {
			return "", fmt.Errorf("the text after %s: %w", name, err)
		}
	}
	const longest = 300
	if strings.Contains(text, "://") {
		return "", errors.New("it is an address: the token is the part after token=, up to the next &")
	}
	return plain(text, longest)
}

// Key cleans up a key of Rackbeat's, or the token of one of its webhooks, as Pasted does, and
// strips what is pasted along with a key: the name of its header, and the word Bearer. It
// returns an error if the result cannot be one, which is printable ASCII without blanks. How
// long they may be is not documented.
func Key(raw []byte) (string, error) {
	text, err := Pasted(raw)
	if err != nil {
		return "", err
	}
	if name, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(name, "Authorization") {
		text = trimmed(value)
	}
	if word, value, _ := strings.Cut(text, " "); strings.EqualFold(word, "Bearer") {
		text = trimmed(value)
	}
	const longest = 4000
	if text == "" {
		return "", errors.New("it is empty")
	}
	return plain(text, longest)
}

// plain returns a text, or an error unless it is printable ASCII without blanks and not too long.
func plain(text string, longest int) (string, error) {
	if len(text) > longest {
		return "", fmt.Errorf("it has %d bytes, but a token has at most %d", len(text), longest)
	}
	position := 0
	for _, r := range text {
		position++
		switch {
		case r == ' ' || r == '\t' || unicode.IsSpace(r):
			return "", fmt.Errorf("character %d is a blank, which no token contains: copy it again", position)
		case invisible(r) || unicode.IsControl(r):
			return "", fmt.Errorf("character %d is invisible, which no token contains: copy it again", position)
		case r > '~':
			return "", fmt.Errorf("character %d is not allowed in a token (printable ASCII): copy it again", position)
		}
	}
	return text, nil
}

// unmarked decodes UTF-16 with a byte order mark, and returns any other text unchanged.
func unmarked(raw []byte) (string, error) {
	var order binary.ByteOrder
	switch text := string(raw); {
	case strings.HasPrefix(text, "\xff\xfe"):
		order = binary.LittleEndian
	case strings.HasPrefix(text, "\xfe\xff"):
		order = binary.BigEndian
	default:
		return text, nil
	}
	raw = raw[2:]
	if len(raw)%2 != 0 {
		return "", errors.New("it begins like UTF-16 and is truncated: save it again as plain text")
	}
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) > 0; raw = raw[2:] {
		units = append(units, order.Uint16(raw))
	}
	return string(utf16.Decode(units)), nil
}

func trimmed(text string) string { return strings.TrimFunc(text, invisible) }

// invisible reports whether a character is invisible: any white space, a byte order mark,
// a zero-width character.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

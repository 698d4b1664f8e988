package secret

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// The headers that e-conomic's two tokens are sent in; people paste them along.
const (
	AppTokenHeader   = "X-AppSecretToken"
	GrantTokenHeader = "X-AgreementGrantToken"
)

// Pasted returns the secret that somebody pasted or saved as a file, without what
// editors and clipboards put around it: a byte order mark, UTF-16, line ends,
// blanks and invisible characters, quotes. It returns an error unless one line of
// text is left. No error shows any of raw.
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

// Token returns one of e-conomic's tokens as Pasted does, without the name of the
// header that it is sent in. It returns an error where what is left cannot be a
// token: one is printable ASCII without blanks.
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
			return "", fmt.Errorf("it begins with %s: that is another token than the one for %s", name, header)
		}
		value, ok := strings.CutPrefix(strings.TrimLeft(text[len(name):], " \t"), ":")
		if !ok {
			return "", fmt.Errorf("it begins with %s, and no colon and token follow", name)
		}
		if text, err = Pasted([]byte(value)); err != nil {
			return "", fmt.Errorf("what follows %s: %w", name, err)
		}
	}
	const longest = 300
	if strings.Contains(text, "://") {
		return "", errors.New("it is an address: the token is what stands behind token= in it, up to the next &")
	}
	if len(text) > longest {
		return "", fmt.Errorf("it has %d bytes, and a token has %d at most", len(text), longest)
	}
	position := 0
	for _, r := range text {
		position++
		switch {
		case r == ' ' || r == '\t' || unicode.IsSpace(r):
			return "", fmt.Errorf("character %d is a blank, and a token has none: copy it anew", position)
		case invisible(r) || unicode.IsControl(r):
			return "", fmt.Errorf("character %d is invisible, and a token has no such: copy it anew", position)
		case r > '~':
			return "", fmt.Errorf("character %d is none that a token has (printable ASCII): copy it anew", position)
		}
	}
	return text, nil
}

// unmarked returns a text without its byte order mark, whichever it is.
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
		return "", errors.New("it begins like UTF-16 and is cut: save it anew, as plain text")
	}
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) > 0; raw = raw[2:] {
		units = append(units, order.Uint16(raw))
	}
	return string(utf16.Decode(units)), nil
}

func trimmed(text string) string { return strings.TrimFunc(text, invisible) }

// invisible reports whether a character shows nothing: white space of any kind, a
// byte order mark, a character of no width.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

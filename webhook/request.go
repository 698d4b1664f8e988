package webhook

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	// maxNumber is the length of the longest item number that e-conomic takes, in
	// characters (productNumber in its published schema of /products).
	maxNumber = 25

	// Below this a code may be part of an honest number by chance.
	minCodeToLookFor = 8

	space = " \t\r\n"

	// whiteSpace is dropped around a decoded value; other invisible characters are
	// a matter of their own (see invisible).
	whiteSpace = space + "\v\f"
)

// params are a call's parameters, decoded and trimmed.
type params struct {
	typ, username, password, number string

	// wholeNumber is number with the rest of its source, where that may belong to
	// it; "" otherwise.
	wholeNumber string

	odd *oddity // of what stands around the number; nil: nothing
}

// read takes from a query or a body whatever p does not have yet.
func (p *params) read(source string) {
	rest := strings.TrimLeft(source, "?&\ufeff"+space)
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if !solid(name) {
			name = strings.Trim(name, space)
		}
		field := p.field(name)
		if field == nil {
			if field = p.mended(name); field == nil {
				continue
			}
		}
		if *field != "" {
			continue
		}
		text := decode(value)
		if field != &p.number {
			if *field = visible(text); !plain(*field) {
				if bare := unquoted(*field); bare != *field {
					*field, p.odd = bare, &oddQuoted
				}
			}
			continue
		}
		if visible(text) == "" {
			continue
		}
		p.number = text
		if !strings.Contains(rest, "=") {
			if tail := withoutStray(rest); tail != "" {
				p.wholeNumber = decode(value + "&" + tail)
			}
		}
	}
}

// mended returns where the parameter is kept that a name was meant to be, nil if
// it is none, and notes what is odd about it.
func (p *params) mended(name string) *string {
	odd := &oddHTML
	field := p.field(afterAmp(name))
	if field == nil && (!solid(name) || strings.IndexByte(name, '%') >= 0) {
		odd = &oddInvisible
		name = visible(decode(name))
		if field = p.field(name); field == nil {
			field = p.field(visible(afterAmp(name)))
		}
	}
	if field != nil {
		p.odd = odd
	}
	return field
}

// afterAmp returns what follows "amp;", which is what a name begins with where
// "&amp;" stood for "&"; "" where it does not.
func afterAmp(name string) string {
	const amp = "amp;"
	found := false
	for len(name) > len(amp) && strings.EqualFold(name[:len(amp)], amp) {
		name, found = name[len(amp):], true
	}
	if !found {
		return ""
	}
	return name
}

// withoutStray returns what stands before stray "&" and "&amp;" at the end of
// what follows a "&".
func withoutStray(rest string) string {
	for {
		rest = strings.TrimRight(rest, "&"+space)
		shorter := strings.TrimSuffix(rest, "amp;")
		if shorter == rest || shorter != "" && !strings.HasSuffix(shorter, "&") {
			return rest
		}
		rest = shorter
	}
}

// field returns where the parameter of this name is kept, nil if nowhere.
func (p *params) field(name string) *string {
	switch {
	case len(name) == len("number") && strings.EqualFold(name, "number"):
		return &p.number
	case len(name) == len("type") && strings.EqualFold(name, "type"):
		return &p.typ
	case len(name) == len("username") && strings.EqualFold(name, "username"):
		return &p.username
	case len(name) == len("password") && strings.EqualFold(name, "password"):
		return &p.password
	}
	return nil
}

func kindOf(typ string) (Kind, bool) {
	switch {
	case strings.EqualFold(typ, "stockUpdate"):
		return KindStock, true
	case strings.EqualFold(typ, "orderPdf"):
		return KindInvoice, true
	}
	return "", false
}

// numbers are what a call is about.
type numbers struct {
	sent  string  // to be hinted at; where it cannot be a number as it was sent, what was meant
	meant string  // to be hinted at too: what was probably meant instead; "" if nothing else
	odd   *oddity // what is odd about the call; nil: nothing
}

// hintNumbers returns the numbers to be hinted at, or the answer that says what is
// wrong with the one that came, which is returned as sent where it may be shown.
func (p *params) hintNumbers(kind Kind) (numbers, *answer) {
	if p.number == "" {
		return numbers{}, &answerNoNumber
	}
	n := numbers{sent: p.number, odd: p.odd}
	whole := kind == KindStock && p.wholeNumber != "" && p.check(p.wholeNumber) == nil
	if whole {
		n.sent = p.wholeNumber
	}
	if !plain(n.sent) || bareName(n.sent) {
		if problem := p.question(kind, &n); problem != nil {
			return n, problem
		}
	}
	if kind == KindInvoice {
		return p.invoiceNumber(n)
	}
	if whole {
		return n, nil
	}
	problem := p.check(n.sent)
	if problem != nil && n.meant != "" && !unshown(visible(n.sent)) {
		n.sent, n.meant, problem = n.meant, "", nil
	}
	if problem != nil {
		return numbers{}, problem
	}
	return n, nil
}

// question looks at what may be meant by a number that is not plain.
func (p *params) question(kind Kind, n *numbers) *answer {
	meant, odd := meaning(n.sent)
	for i, number := range [...]string{p.number, n.sent, meant} {
		if i > 0 && (number == p.number || number == "") {
			continue
		}
		problem, doubt := unfilled(kind, number)
		if problem != nil {
			if p.check(n.sent) != nil || p.holdsCode(meant) {
				n.sent = ""
			}
			return problem
		}
		if doubt {
			n.odd = &oddMergeField
		}
	}
	if odd == nil {
		return nil
	}
	if wrong := p.check(meant); wrong != nil {
		if p.holdsCode(meant) {
			n.sent = ""
			return wrong
		}
		return nil // then it was not meant so
	}
	n.meant, n.odd = meant, odd
	return nil
}

// invoiceNumber returns the number in plain digits: as it was sent, or else as it
// was meant.
func (p *params) invoiceNumber(n numbers) (numbers, *answer) {
	digits, problem := p.digits(n.sent)
	if problem != nil && n.meant != "" {
		if meant, wrong := p.digits(n.meant); wrong == nil {
			digits, problem = meant, nil
		}
	}
	return numbers{sent: digits, odd: n.odd}, problem
}

func (p *params) digits(number string) (string, *answer) {
	if problem := p.check(number); problem != nil {
		return "", problem
	}
	for _, digit := range []byte(number) {
		if digit < '0' || digit > '9' {
			return "", &answerBadInvoiceNumber
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n == 0 {
		return "", &answerBadInvoiceNumber
	}
	return strconv.FormatInt(n, 10), nil
}

// check says what keeps number from being any number.
func (p *params) check(number string) *answer {
	if utf8.RuneCountInString(number) > maxNumber {
		return &answerNumberTooLong
	}
	if unshown(number) || p.holdsCode(number) {
		return &answerBadItemNumber
	}
	return nil
}

// unshown reports whether a text holds characters that cannot be in a number: a
// control character, a separator, or the replacement character, which stands for
// bytes that no character set has.
func unshown(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return true
		}
	}
	return false
}

// holdsCode reports whether a code was pasted in the wrong place: it must not
// show in answer and journal.
func (p *params) holdsCode(number string) bool {
	return len(p.password) >= minCodeToLookFor && strings.Contains(number, p.password)
}

// decode turns a value as it was sent into text, by rules 4, 6 and 7 of the
// package comment. Invisible characters stay.
func decode(value string) string {
	if !solid(value) {
		value = strings.Trim(value, space)
	}
	if strings.IndexByte(value, '%') >= 0 || strings.IndexByte(value, '+') >= 0 {
		value = unescape(value)
	}
	if !utf8.ValidString(value) {
		// Its decoder replaces what it does not know, and never fails.
		value, _ = charmap.Windows1252.NewDecoder().String(value)
	}
	if solid(value) {
		return value
	}
	return strings.Trim(value, whiteSpace)
}

func unescape(value string) string {
	plus := byte(' ')
	if !escaped(value) {
		plus = '+'
	}
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '+':
			out = append(out, plus)
		case isEscape(value[i:]):
			out = append(out, unhex(value[i+1])<<4|unhex(value[i+2]))
			i += 2
		default:
			out = append(out, value[i])
		}
	}
	return string(out)
}

// escaped reports whether value holds nothing that a form would have escaped.
func escaped(value string) bool {
	for i := range len(value) {
		c := value[i]
		if c <= ' ' || c >= 0x7f || c == '&' || c == '%' && !isEscape(value[i:]) {
			return false
		}
	}
	return true
}

// isEscape reports whether s begins with "%" and two hexadecimal digits.
func isEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

package webhook

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	// maxNumber is e-conomic's maximum length of an item number, in characters
	// (productNumber in its published schema of /products).
	maxNumber = 25

	// maxEscaped is more bytes than a number has, however it is escaped: as HTML, twice.
	maxEscaped = 1000

	// A shorter code may be part of a genuine number by chance.
	minCodeToLookFor = 8

	space = " \t\r\n"

	// whiteSpace is trimmed from a decoded value. Other invisible characters are
	// handled separately (see invisible).
	whiteSpace = space + "\v\f"
)

// params are a call's parameters, decoded and trimmed.
type params struct {
	typ, username, password, number string

	// wholeNumber is number plus the rest of its source, if that may belong to it;
	// "" otherwise.
	wholeNumber string

	odd *oddity // in the data around the number; nil: none
}

// read sets the parameters that p does not have yet from a query or a body.
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

// mended returns the field for a name that begins with "amp;" or has invisible characters
// around it, and records the oddity. It returns nil if there is no such field.
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

// afterAmp strips a leading "amp;", the rest of an "&amp;" that was sent for "&". It
// returns "" if there is none.
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

// withoutStray trims stray "&" and "&amp;" from the end of rest, the text after a "&".
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

// field returns the field for the parameter of this name, nil if there is none.
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

// numbers are the numbers to record for a call.
type numbers struct {
	sent  string  // the number as sent or, if that is invalid, as probably meant
	meant string  // a second reading to record too; "" if there is none
	odd   *oddity // nil: none
}

// hintNumbers returns the numbers to record, or the answer that says what is wrong with
// the number. In that case numbers.sent is the number as sent, if it may be shown.
func (p *params) hintNumbers(kind Kind) (numbers, *answer) { //nolint:gocyclo // one case per way in which a number may come
	if p.number == "" {
		return numbers{}, &answerNoNumber
	}
	if len(p.number) > maxEscaped {
		return numbers{}, &answerNumberTooLong
	}
	n := numbers{sent: p.number, odd: p.odd}
	whole := kind == KindStock && p.wholeNumber != "" && len(p.wholeNumber) <= maxEscaped && p.check(p.wholeNumber) == nil
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

// question sets what else may be meant by a number that is not plain.
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
		return nil // the literal reading is the only one
	}
	n.meant, n.odd = meant, odd
	return nil
}

// invoiceNumber returns the number in plain digits: as sent if valid, else as meant.
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

// check returns the answer to an invalid number, nil if it is valid.
func (p *params) check(number string) *answer {
	if utf8.RuneCountInString(number) > maxNumber {
		return &answerNumberTooLong
	}
	if unshown(number) || p.holdsCode(number) {
		return &answerBadItemNumber
	}
	return nil
}

// unshown reports whether a text contains characters that no number has: control
// characters, separators, or the replacement character, which stands for undecodable
// bytes.
func unshown(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return true
		}
	}
	return false
}

// holdsCode reports whether a number contains the code, pasted in the wrong place: it
// must not appear in the answer and the journal.
func (p *params) holdsCode(number string) bool {
	return len(p.password) >= minCodeToLookFor && strings.Contains(number, p.password)
}

// decode turns a raw value into text, by rules 4, 6 and 7 of the package comment. It
// keeps invisible characters.
func decode(value string) string {
	if !solid(value) {
		value = strings.Trim(value, space)
	}
	if strings.IndexByte(value, '%') >= 0 || strings.IndexByte(value, '+') >= 0 {
		value = unescape(value)
	}
	if !utf8.ValidString(value) {
		// The decoder replaces unknown bytes and never fails.
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

// escaped reports whether value contains nothing that a form would have escaped.
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

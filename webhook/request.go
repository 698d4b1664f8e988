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
)

// mergeFields are those of e-conomic that might be meant to be the number.
var mergeFields = []string{"[NUMBER]", "[INVOICENO]", "[NEWNUMBER]", "[OLDNUMBER]"}

// params are a call's parameters, decoded and trimmed.
type params struct {
	typ, username, password, number string

	// wholeNumber is number with the rest of its source, where that may belong to
	// it; "" otherwise.
	wholeNumber string
}

// read takes from a query or a body whatever p does not have yet.
func (p *params) read(source string) {
	rest := strings.TrimLeft(source, "?&\ufeff"+space)
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		field := p.field(strings.Trim(name, space))
		if field == nil || *field != "" {
			continue
		}
		*field = decode(value)
		if field == &p.number && *field != "" && !strings.Contains(rest, "=") {
			if tail := strings.TrimRight(rest, "&"+space); tail != "" {
				p.wholeNumber = decode(value + "&" + tail)
			}
		}
	}
}

// field returns where the parameter of this name is kept, nil if nowhere.
func (p *params) field(name string) *string {
	switch {
	case strings.EqualFold(name, "number"):
		return &p.number
	case strings.EqualFold(name, "type"):
		return &p.typ
	case strings.EqualFold(name, "username"):
		return &p.username
	case strings.EqualFold(name, "password"):
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

// hintNumber returns the number as a hint has it, or the answer that says what is
// wrong with it.
func (p *params) hintNumber(kind Kind) (string, *answer) {
	if p.number == "" {
		return "", &answerNoNumber
	}
	if strings.Contains(p.number, "[") {
		upper := strings.ToUpper(p.number)
		for _, field := range mergeFields {
			if strings.Contains(upper, field) {
				return "", pick(kind, &answerStockMergeField, &answerInvoiceMergeField)
			}
		}
	}
	if kind == KindStock && p.wholeNumber != "" && p.check(p.wholeNumber) == nil {
		return p.wholeNumber, nil
	}
	if problem := p.check(p.number); problem != nil {
		return "", problem
	}
	if kind == KindStock {
		return p.number, nil
	}
	for _, digit := range []byte(p.number) {
		if digit < '0' || digit > '9' {
			return "", &answerBadInvoiceNumber
		}
	}
	n, err := strconv.ParseInt(p.number, 10, 64)
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
	for _, r := range number {
		// The replacement character stands for bytes that no character set has.
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return &answerBadItemNumber
		}
	}
	// A code pasted in the wrong place must not show in answer and journal.
	if len(p.password) >= minCodeToLookFor && strings.Contains(number, p.password) {
		return &answerBadItemNumber
	}
	return nil
}

// decode turns a value as it was sent into text, by rules 4, 6 and 7 of the
// package comment.
func decode(value string) string {
	value = strings.Trim(value, space)
	if strings.ContainsAny(value, "%+") {
		value = unescape(value)
	}
	if !utf8.ValidString(value) {
		// Its decoder replaces what it does not know, and never fails.
		value, _ = charmap.Windows1252.NewDecoder().String(value)
	}
	return strings.TrimSpace(value)
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

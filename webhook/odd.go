package webhook

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An oddity is what is wrong with a call that is recorded all the same: what was
// pasted into e-conomic, or what a proxy does, should be put right. text is a line
// in English and one in Danish.
type oddity struct{ outcome, text string }

var (
	oddHTML = oddity{OutcomeHTMLEscaped, "" +
		"Put this right: \"&amp;\" or the like stands where e-conomic or the address must have \"&\". Enter URL and data anew, exactly as lagerd showed them.\n" +
		"Ret dette: der står \"&amp;\" eller lignende, hvor der skal stå \"&\". Indsæt URL og tekst igen, præcis som lagerd viste dem.\n"}
	oddDoubleEncoded = oddity{OutcomeDoubleEncoded, "" +
		"Put this right: the number is encoded twice, perhaps by a proxy between e-conomic and lagerd.\n" +
		"Ret dette: nummeret er kodet to gange, måske af en proxy mellem e-conomic og lagerd.\n"}
	oddInvisible = oddity{OutcomeInvisible, "" +
		"Put this right: invisible characters stand in what was sent, mostly before or after the number. Write that anew: in e-conomic, in the data that are sent, or in the address.\n" +
		"Ret dette: der står usynlige tegn i det, der blev sendt, som regel før eller efter nummeret. Skriv det igen: i e-conomic, i den tekst, der sendes, eller i adressen.\n"}
	oddQuoted = oddity{OutcomeQuoted, "" +
		"Put this right: quotation marks stand around what was sent. Enter the data anew without them, exactly as lagerd showed them.\n" +
		"Ret dette: der står anførselstegn omkring det, der blev sendt. Indsæt teksten igen uden dem, præcis som lagerd viste den.\n"}
	oddMergeField = oddity{OutcomeMergeField, "" +
		"Is that an item number? It looks like a merge field that e-conomic did not fill in: then choose the webhook type \"Inventory updated\" and end the data with number=[NUMBER].\n" +
		"Er det et varenummer? Det ligner et flettefelt, som e-conomic ikke har udfyldt: vælg så webhook-typen \"Varelager opdateret\", og slut teksten med number=[NUMBER].\n"}
)

// meaning returns what a number that was sent oddly was probably meant to be, and
// what is odd; nil where nothing is.
func meaning(sent string) (meant string, odd *oddity) {
	meant = sent
	if text := withoutEntities(meant); text != meant {
		meant, odd = text, &oddHTML
	}
	if strings.Contains(meant, "%") {
		if text := decode(meant); text != meant && escapes(meant) {
			meant, odd = text, &oddDoubleEncoded
		}
	}
	if text := visible(meant); text != meant {
		meant = text
		if odd == nil {
			odd = &oddInvisible
		}
	}
	if text := visible(unquoted(meant)); text != meant {
		meant = text
		if odd == nil {
			odd = &oddQuoted
		}
	}
	if odd == nil || meant == "" || meant == sent {
		return "", nil
	}
	return meant, odd
}

// plain reports whether a text, unless it is a bare name, cannot be meant otherwise
// than it was sent. Nearly all are.
func plain(number string) bool {
	for i := range len(number) {
		switch c := number[i]; c {
		case '%', '&', '[', '{', '<', '$', '#', '"', '\'':
			return false
		default:
			if c >= utf8.RuneSelf {
				return false
			}
		}
	}
	return true
}

// escapes reports whether every "%" in a text begins an escape, as an encoder
// leaves them.
func escapes(text string) bool {
	for i := range len(text) {
		if text[i] == '%' && !isEscape(text[i:]) {
			return false
		}
	}
	return true
}

// withoutEntities decodes the HTML entities in a text that end in ";", as all
// that an encoder writes do.
func withoutEntities(text string) string {
	for from := 0; ; {
		begin := strings.IndexByte(text[from:], '&')
		if begin < 0 {
			return text
		}
		begin += from
		end := strings.IndexByte(text[begin:], ';')
		if end < 0 {
			return text
		}
		end += begin + 1
		from = begin + 1
		if entity := text[begin:end]; strings.LastIndexByte(entity, '&') == 0 {
			is := html.UnescapeString(entity)
			if is != entity && !strings.HasSuffix(is, ";") {
				text = text[:begin] + is + text[end:]
				from = begin + len(is)
			}
		}
	}
}

// visible returns a text without the invisible characters around it.
func visible(text string) string {
	if solid(text) {
		return text
	}
	return strings.TrimFunc(text, invisible)
}

// unquoted returns a text without the quotation marks around it.
func unquoted(text string) string {
	if text == "" || text[0] < utf8.RuneSelf && text[0] != '"' && text[0] != '\'' {
		return text
	}
	for _, marks := range [...][2]string{{`"`, `"`}, {"'", "'"}, {"“", "”"}, {"”", "”"}, {"„", "“"}, {"»", "«"}, {"«", "»"}, {"‘", "’"}} {
		if len(text) > len(marks[0])+len(marks[1]) && strings.HasPrefix(text, marks[0]) && strings.HasSuffix(text, marks[1]) {
			return text[len(marks[0]) : len(text)-len(marks[1])]
		}
	}
	return text
}

// solid reports whether a text plainly begins and ends with characters that show.
// Nearly all do.
func solid(text string) bool {
	if text == "" {
		return true
	}
	first, last := text[0], text[len(text)-1]
	return first > ' ' && first < 0x7f && last > ' ' && last < 0x7f
}

// invisible reports whether a character at the end of what somebody pasted shows
// nothing: white space of any kind, a byte order mark, a character of no width.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// placeholder stands for a number in the address that `lagerd shops add` prints
// for a test.
const placeholder = "VARENUMMER"

// bareName reports whether a number may be the placeholder, or a merge field
// without its brackets.
func bareName(number string) bool {
	switch len(number) {
	case len("NUMBER"), len("INVOICENO"), len(placeholder):
		return number[0] > '9'
	}
	return false
}

// unfilled returns the answer to a merge field or a placeholder in which there is
// no number, nil if it is none. doubt says that it looks like one and that an item
// may all the same be called so.
func unfilled(kind Kind, number string) (problem *answer, doubt bool) {
	if strings.EqualFold(visible(number), placeholder) {
		return pick(kind, &answerStockPlaceholder, &answerInvoicePlaceholder), false
	}
	switch number {
	case "NUMBER", "INVOICENO", "NEWNUMBER", "OLDNUMBER":
		if kind == KindInvoice {
			return &answerInvoiceMergeField, false
		}
		return nil, true
	}
	if !wrapped(number) {
		return nil, false
	}
	if holdsMergeField(number) || isMergeField(unwrapped(number)) {
		return pick(kind, &answerStockMergeField, &answerInvoiceMergeField), false
	}
	if !bracketed(number) {
		return nil, false
	}
	if kind == KindInvoice {
		return &answerInvoiceMergeField, false
	}
	return nil, true
}

// wrapped reports whether anything in a number may stand before a field's name.
func wrapped(number string) bool {
	for i := range len(number) {
		switch number[i] {
		case '[', '{', '<', '%', '$', '#':
			return true
		}
	}
	return false
}

// wrapping is what stands around the name of a field, in e-conomic and elsewhere,
// and around what somebody quotes.
const wrapping = "[]{}<>%$#\"'"

// unwrapped returns a name without what is wrapped around it, "" where there is
// nothing around it.
func unwrapped(number string) string {
	name := strings.TrimFunc(number, func(r rune) bool { return strings.ContainsRune(wrapping, r) || invisible(r) })
	if strings.Trim(number, wrapping) == number {
		return ""
	}
	return name
}

// holdsMergeField reports whether one of e-conomic's merge fields stands anywhere
// in a number.
func holdsMergeField(number string) bool {
	for {
		begin := strings.IndexAny(number, "[{")
		if begin < 0 {
			return false
		}
		number = number[begin+1:]
		if end := strings.IndexAny(number, "[]{}"); end >= 0 && isMergeField(number[:end]) {
			return true
		}
	}
}

// bracketed reports whether a number is a name in brackets, and nothing else.
func bracketed(number string) bool {
	number = strings.Trim(number, "\"'"+whiteSpace)
	inner := strings.TrimPrefix(number, "$")
	if inner == "" {
		return false
	}
	name := strings.Trim(inner, "[]{}")
	letters := 0
	for _, r := range name {
		switch {
		case unicode.IsLetter(r):
			letters++
		case !unicode.IsDigit(r) && !strings.ContainsRune(" _-.", r):
			return false
		}
	}
	return letters > 1 && strings.ContainsAny(inner[:1], "[{") && strings.ContainsAny(number[len(number)-1:], "]}")
}

// isMergeField reports whether a name is that of one of e-conomic's merge fields
// (e-conomic.com/developer/working-with-web-hooks), or what people write for one.
// Case, blanks, "_" and "-" do not matter.
func isMergeField(name string) bool {
	const longest = 24
	if len(name) < 2 || len(name) > longest {
		return false
	}
	name = strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || invisible(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, name)
	if name == "NUMBER" || name == "NUMMER" {
		return true
	}
	of, ok := "", false
	for _, ending := range [...]string{"NUMBER", "NUMMER", "NO", "NR"} {
		if of, ok = strings.CutSuffix(name, ending); ok {
			break
		}
	}
	if !ok {
		return false
	}
	switch of {
	case "NEW", "OLD", "INVOICE", "BOOKEDINVOICE", "ORDER", "CUSTOMER", "SUPPLIER", "PRODUCT", "ITEM", "PROJECT", "QUOTE", "QUOTATION",
		"DAYBOOK", "SERIAL", "FROMSERIAL", "TOSERIAL", "ENTRY", "VOUCHER", "FAKTURA", "ORDRE", "KUNDE", "VARE", "PRODUKT", "TILBUD", "BILAG":
		return true
	}
	return false
}

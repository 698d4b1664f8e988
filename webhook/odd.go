package webhook

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"lagerd/lang"
)

// An oddity is a mistake in a call that is recorded anyway: in the data pasted into
// e-conomic, or made by a proxy.
type oddity struct {
	outcome string
	text    lang.Text
}

var (
	oddHTML = oddity{OutcomeHTMLEscaped, lang.Text{
		Danish:  "Ret dette: der står \"&amp;\" eller lignende, hvor der skal stå \"&\". Indsæt URL og tekst igen, præcis som du fik dem af din webudbyder.\n",
		English: "Put this right: there is \"&amp;\" or the like instead of \"&\". Enter URL and data again, exactly as your hosting company gave them to you.\n"}}
	oddDoubleEncoded = oddity{OutcomeDoubleEncoded, lang.Text{
		Danish:  "Ret dette: nummeret er kodet to gange, måske af en proxy hos din webudbyder. Fortæl dem det.\n",
		English: "Put this right: the number is encoded twice, perhaps by a proxy at your hosting company. Tell them.\n"}}
	oddInvisible = oddity{OutcomeInvisible, lang.Text{
		Danish:  "Ret dette: der står usynlige tegn i det, der blev sendt, som regel før eller efter nummeret. Skriv det igen: i e-conomic, i den tekst, der sendes, eller i adressen.\n",
		English: "Put this right: there are invisible characters in what was sent, mostly before or after the number. Enter it again: in e-conomic, in the data that is sent, or in the address.\n"}}
	oddQuoted = oddity{OutcomeQuoted, lang.Text{
		Danish:  "Ret dette: der står anførselstegn omkring det, der blev sendt. Indsæt teksten igen uden dem, præcis som du fik den af din webudbyder.\n",
		English: "Put this right: there are quotation marks around what was sent. Enter the data again without them, exactly as your hosting company gave it to you.\n"}}
	oddMergeField = oddity{OutcomeMergeField, lang.Text{
		Danish:  "Er det et varenummer? Det ligner et flettefelt, som e-conomic ikke har udfyldt: vælg så webhook-typen \"Varelager opdateret\", og slut teksten med number=[NUMBER].\n",
		English: "Is that an item number? It looks like a merge field that e-conomic did not fill in: then choose the webhook type \"Inventory updated\" and end the data with number=[NUMBER].\n"}}
)

// meaning returns the number that was probably meant by sent, and the oddity; nil if
// there is none.
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

// plain reports whether a number can only be meant literally, unless it is a bare name.
// Nearly all are plain.
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

// escapes reports whether every "%" in a text begins an escape, as in an encoder's
// output.
func escapes(text string) bool {
	for i := range len(text) {
		if text[i] == '%' && !isEscape(text[i:]) {
			return false
		}
	}
	return true
}

// withoutEntities decodes the HTML entities in a text that end in ";", as those written
// by an encoder do.
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

// visible trims invisible characters from both ends of a text.
func visible(text string) string {
	if solid(text) {
		return text
	}
	return strings.TrimFunc(text, invisible)
}

// unquoted strips one pair of quotation marks around a text.
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

// solid reports whether a text begins and ends with visible ASCII characters. Nearly all
// do.
func solid(text string) bool {
	if text == "" {
		return true
	}
	first, last := text[0], text[len(text)-1]
	return first > ' ' && first < 0x7f && last > ' ' && last < 0x7f
}

// invisible reports whether a character is invisible at the end of a pasted text: any
// white space, a byte order mark, a zero-width character.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// isPlaceholder reports whether a number is one of the words that stand for a number in the
// addresses for tests that shop owners are sent, in either language.
func isPlaceholder(number string) bool {
	return strings.EqualFold(number, ItemPlaceholder.Danish) || strings.EqualFold(number, ItemPlaceholder.English) ||
		strings.EqualFold(number, InvoicePlaceholder.Danish) || strings.EqualFold(number, InvoicePlaceholder.English)
}

// What stands for a number in the addresses for tests.
var (
	ItemPlaceholder    = lang.Text{Danish: "VARENUMMER", English: "ITEMNUMBER"}
	InvoicePlaceholder = lang.Text{Danish: "FAKTURANUMMER", English: "INVOICENUMBER"}
)

// bareName reports whether a number may be a placeholder, or a merge field without its
// brackets.
func bareName(number string) bool {
	switch len(number) {
	case len("NUMBER"), len("INVOICENO"), len("VARENUMMER"), len("FAKTURANUMMER"):
		return number[0] > '9'
	}
	return false
}

// unfilled returns the answer to an unfilled merge field or placeholder, nil for any other
// number. doubt means that number looks like a merge field but may be an item's name.
func unfilled(kind Kind, number string) (problem *answer, doubt bool) {
	if isPlaceholder(visible(number)) {
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

// isOwnField reports whether a number is the very merge field that the data for its kind ends
// with: nothing is wrong but that nobody has filled it in.
func isOwnField(kind Kind, number string) bool {
	if kind == KindInvoice {
		return number == "[INVOICENO]"
	}
	return number == "[NUMBER]"
}

// wrapped reports whether a number contains a character that may introduce a field's
// name.
func wrapped(number string) bool {
	for i := range len(number) {
		switch number[i] {
		case '[', '{', '<', '%', '$', '#':
			return true
		}
	}
	return false
}

// wrapping are the characters around a field's name, in e-conomic and elsewhere, and
// quotation marks.
const wrapping = "[]{}<>%$#\"'"

// unwrapped strips wrapping from a name. It returns "" if there was none.
func unwrapped(number string) string {
	name := strings.TrimFunc(number, func(r rune) bool { return strings.ContainsRune(wrapping, r) || invisible(r) })
	if strings.Trim(number, wrapping) == number {
		return ""
	}
	return name
}

// holdsMergeField reports whether a number contains one of e-conomic's merge fields in
// brackets.
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

// bracketed reports whether a number consists of a name in brackets.
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

// isMergeField reports whether a name is one of e-conomic's merge fields
// (e-conomic.com/developer/working-with-web-hooks) or a common variant. It ignores case,
// blanks, "_" and "-".
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

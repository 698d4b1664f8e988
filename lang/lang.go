package lang

import "golang.org/x/text/language"

// Lang is a language, by its ISO 639-1 code. A shop's owner has one.
type Lang string

// The languages. e-conomic's users are Danish: Danish is the default.
const (
	Danish  Lang = "da"
	English Lang = "en"
)

// Text is a text in each language.
type Text struct{ Danish, English string }

// In returns the text in l, in Danish if l is neither language.
func (t Text) In(l Lang) string {
	if l == English {
		return t.English
	}
	return t.Danish
}

// Locale returns the language with a country, as e-conomic's pages expect it.
func (l Lang) Locale() string { return Text{"da-DK", "en-GB"}.In(l) }

// longestAccepted is more than browsers send in Accept-Language.
const longestAccepted = 300

// accepted matches the languages that a caller accepts. The first is for callers who accept
// neither.
var accepted = language.NewMatcher([]language.Tag{language.English, language.Danish})

// Accepted returns the language for a caller of whom nothing is known but the header
// Accept-Language. It is Danish if the caller sent none, as e-conomic does, or accepts any.
func Accepted(header string) Lang {
	if header == "" || header == "*" || len(header) > longestAccepted {
		return Danish
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(tags) == 0 {
		return Danish
	}
	if _, index, _ := accepted.Match(tags...); index == 0 {
		return English
	}
	return Danish
}

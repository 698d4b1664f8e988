package lang_test

import (
	"strings"
	"testing"

	"lagerd/lang"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]lang.Lang{
		"":                                     lang.Danish, // e-conomic and Rackbeat
		"*":                                    lang.Danish,
		"da":                                   lang.Danish,
		"da-DK,da;q=0.9,en-US;q=0.8,en;q=0.7":  lang.Danish,
		"DA-dk":                                lang.Danish,
		"en-US,en;q=0.9":                       lang.English,
		"en-GB,en;q=0.9,da;q=0.8":              lang.English,
		"da;q=0.2,en;q=0.7":                    lang.English,
		"de-DE,de;q=0.9,da;q=0.5":              lang.Danish,
		"de-DE,de;q=0.9":                       lang.English,
		"nb-NO,nb;q=0.9,no;q=0.8":              lang.Danish,
		"fr,*;q=0.1":                           lang.English,
		"da;q=0,en":                            lang.English,
		"\xff":                                 lang.Danish,
		";;;=":                                 lang.Danish,
		"en" + strings.Repeat(",de;q=0.1", 99): lang.Danish, // no browser's
	} {
		if got := lang.Accepted(header); got != want {
			t.Errorf("%.60q: %s, expected %s", header, got, want)
		}
	}
}

func TestIn(t *testing.T) {
	t.Parallel()
	text := lang.Text{Danish: "vare", English: "item"}
	for l, want := range map[lang.Lang]string{lang.Danish: "vare da-DK", lang.English: "item en-GB", "": "vare da-DK", "de": "vare da-DK"} {
		if got := text.In(l) + " " + l.Locale(); got != want {
			t.Errorf("%q: %s, expected %s", l, got, want)
		}
	}
}

package rackbeat

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"lagerd/rest"
)

// LongestNumber is how many characters an item number has at most (Rackbeat's documentation).
const LongestNumber = 25

// NeedsFriendly reports whether an item can be read on its own only by its URL-friendly number: a
// slash divides a path, however it is encoded, and dots alone climb it.
func NeedsFriendly(number string) bool {
	return strings.Contains(number, "/") || number == "." || number == ".."
}

// segment returns the path segment of an item: its number in one percent-encoding, or its
// URL-friendly number as Rackbeat sent it. That is never made up: how Rackbeat makes it is not
// documented.
func segment(number, friendly string) (string, error) {
	switch n := utf8.RuneCountInString(number); {
	case number == "":
		return "", &Error{Kind: KindBadRequest, Message: "the item number is empty"} // the path would be that of all items
	case n > LongestNumber:
		return "", &Error{Kind: KindBadRequest, Message: fmt.Sprintf("the item number has %d characters: Rackbeat's have at most %d", n, LongestNumber)}
	case !utf8.ValidString(number):
		return "", &Error{Kind: KindBadRequest, Message: "the item number is not valid UTF-8"}
	case NeedsFriendly(number):
		if friendly == "" || NeedsFriendly(friendly) {
			return "", &Error{Kind: KindBadRequest, Message: "the item can be read on its own only by its urlfriendly_number, which is not known: find it in the listing"}
		}
		return url.PathEscape(friendly), nil
	}
	return url.PathEscape(number), nil
}

// longestFriendly is the longest URL-friendly number that is believed.
const longestFriendly = 4 * LongestNumber

// numberOf reads an item's or a place's number: a text, or an integer whose digits are its text.
func numberOf(f *rest.Fields, path string, raw rest.Value) string {
	return numberUpTo(f, LongestNumber, path, raw)
}

func numberUpTo(f *rest.Fields, longest int, path string, raw rest.Value) string {
	text := ""
	if len(raw) > 0 && (raw[0] == '"' || isInteger(raw)) {
		text = rest.Text(raw)
	}
	if text == "" || utf8.RuneCountInString(text) > longest || strings.ContainsRune(text, utf8.RuneError) {
		f.Fail(path, fmt.Sprintf("text of at most %d characters, or a whole number", longest), raw)
		return ""
	}
	return text
}

// isInteger reports whether a number has neither a fraction nor an exponent.
func isInteger(raw rest.Value) bool {
	digits := strings.TrimPrefix(string(raw[:min(len(raw), 2*LongestNumber)]), "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

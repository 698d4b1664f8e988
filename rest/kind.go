package rest

import (
	"net/http"
	"strings"

	"lagerd/budget"
)

// Kind classifies a failed call by what it means to the caller.
type Kind string

// The kinds. The packages of the APIs say what each means there.
const (
	KindUnauthorized Kind = "unauthorized" // 401
	KindForbidden    Kind = "forbidden"    // 403
	KindNotFound     Kind = "not_found"    // a 404 of the API's own
	KindRateLimited  Kind = "rate_limited" // 429
	KindBadRequest   Kind = "bad_request"  // 400 and the other 4xx, or it was not sent
	KindUnavailable  Kind = "unavailable"  // there is no usable answer: the same call may succeed later
	KindMalformed    Kind = "malformed"    // an answer with unexpected content
	KindBudget       Kind = "budget"       // the account's budget does not allow it, and it was not sent
	KindCrowded      Kind = "crowded"      // lagerd has no room for the answer, as it reads others'
)

// Judge returns what an answer means whose status is none of success. html says that its body is a
// web page, and own that it is an error of the API's own. api names that for people, and message is
// what the body says; said is that, or what is to be said instead.
func Judge(status int, html, own bool, api, message string) (kind Kind, said string) {
	switch {
	case status == http.StatusTooManyRequests:
		return KindRateLimited, message
	case status < 400:
		return KindUnavailable, "neither an answer nor an error: is the configured address right?"
	case status >= 500 || status == http.StatusRequestTimeout, html:
		// A gateway in front of the API, which sends pages, knows nothing about tokens and items.
		return KindUnavailable, message
	case status == http.StatusUnauthorized:
		return KindUnauthorized, message
	case status == http.StatusForbidden:
		return KindForbidden, message
	case status == http.StatusNotFound && own:
		return KindNotFound, message
	case status == http.StatusNotFound:
		// If any 404 were believed, a wrong address would look like every item deleted.
		return KindUnavailable, strings.TrimSuffix("the 404 is not from "+api+", is the configured address right?: "+message, ": ")
	}
	return KindBadRequest, message
}

// Refused returns what it means that a budget did not grant a call, and what there is to say about
// it. account is what shares the budget, for people: "agreement".
func Refused(no *budget.Error, account string) (kind Kind, message string) {
	switch no.Kind {
	case budget.KindSpent:
		return KindBudget, no.Message
	case budget.KindShare:
		return KindBudget, "other shops of the " + account + " need their share of the day's calls"
	case budget.KindLimited:
		return KindRateLimited, no.Message
	case budget.KindInterrupted:
	}
	return KindUnavailable, no.Message
}

package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"lagerd/secret"
)

// kind is what a ticket is for. One kind is not accepted as another.
type kind string

const (
	kindLink     kind = "link"     // opens a shop's page
	kindOwner    kind = "owner"    // a session of a shop's owner
	kindOperator kind = "operator" // a session of an operator
)

// ticket is what a link or a session says. It is signed, and not secret in itself.
type ticket struct {
	Who     string `json:"w"`           // the shop's name, or the operator's
	Stamp   string `json:"s,omitempty"` // of the operator, or of the shop's links, when it was made
	Created int64  `json:"c,omitempty"` // when the shop was added, in microseconds: another shop of that name is another shop
	Link    string `json:"l,omitempty"` // names the link, for people
	ID      string `json:"i,omitempty"` // of a session: random, to end it by
	Until   int64  `json:"u"`           // Unix time
}

// longestTicket, in bytes, bounds what is decoded before the signature is known to be good.
const longestTicket = 1024

var errBadTicket = errors.New("not signed by this installation, or expired")

// sign returns the ticket as text, for an address or a cookie.
func (t ticket) sign(keys *secret.Keys, k kind) string {
	content, err := json.Marshal(t)
	if err != nil {
		panic("web: a ticket has only texts and numbers: " + err.Error())
	}
	body := base64.RawURLEncoding.EncodeToString(content)
	return body + "." + base64.RawURLEncoding.EncodeToString(keys.Sign(purpose(k), body))
}

func purpose(k kind) string { return "page " + string(k) }

// verify returns the ticket that a text is, if it was signed as this kind and has not expired.
func verify(keys *secret.Keys, k kind, text string, now time.Time) (ticket, error) {
	var t ticket
	body, signature, ok := strings.Cut(text, ".")
	if !ok || len(text) > longestTicket {
		return t, errBadTicket
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || !keys.Signed(purpose(k), body, mac) {
		return t, errBadTicket
	}
	content, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err == nil {
		err = json.Unmarshal(content, &t)
	}
	if err != nil || now.Unix() >= t.Until {
		return ticket{}, errBadTicket
	}
	return t, nil
}

// session returns the hash by which a session is ended.
func (t ticket) session() []byte {
	sum := sha256.Sum256([]byte(t.ID))
	return sum[:]
}

package webhook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"lagerd/lang"
)

// TypeRackbeat is the type parameter of the URL of Rackbeat's webhooks.
const TypeRackbeat = "rackbeatStock"

// Headers that Rackbeat sends with each webhook, by its documentation of /api/webhooks.
const (
	rackbeatToken = "Rackbeat-Webhook-Token" // the secret of the webhook, made when that was set up
	rackbeatEvent = "Rackbeat-Webhook-Event"
)

// deepest is how deep a body of Rackbeat's may nest. The documented one has an object within
// the outer one.
const deepest = 32

// fromRackbeat returns the answer to an authenticated call of Rackbeat's, filling in call. body
// is nil if it was too large to be read.
func (h *handler) fromRackbeat(r *http.Request, p *params, body []byte, call *Call, of Shop) answer {
	call.Kind, call.Rackbeat = KindStock, true
	if r.Method == http.MethodGet {
		// A person with a browser: it cannot send Rackbeat's header and names no item.
		return tried(p, of, &trialOfRackbeat, of.try(KindStock))
	}
	if !h.Authenticator.AuthenticateToken(p.username, r.Header.Get(rackbeatToken)) {
		if !h.limits.allow(p.username, call.Remote, h.Proxy(call.Remote), call.At) {
			call.Shop, call.Claims = "", p.username
			return answerTokenLimited
		}
		return answerBadToken
	}
	said, readable := readRackbeat(body)
	if said.event == "" {
		said.event = r.Header.Get(rackbeatEvent)
	}
	number, all := p.itemOf(said, readable)
	call.Number = number
	hint := Hint{Shop: p.username, Kind: KindStock, Number: number, ReceivedAt: call.At}
	if err := h.Recorder.Record(r.Context(), hint); err != nil {
		return notRecorded(r, err)
	}
	if all != nil {
		return recordedAll(p, of, all)
	}
	return recorded(p.username, of, KindStock, numbers{sent: number, odd: p.odd})
}

// rackbeatBody is what the body of a webhook of Rackbeat's says. Three are known:
//
//	{"key":…,"key_name":…,"event":…,"data":{…}}             documented
//	{"key_name":"number","key":"1021"}                      seen in 2026
//	{"item":"1021","item_type":"product","type":"stock"}    seen, of an event about stock
type rackbeatBody struct {
	item, key      string // the text of a string, the digits of an integer; "" for anything else
	keyName, event string
}

// readRackbeat reads a body of Rackbeat's, and reports whether it is one object of JSON in which
// no name comes twice. Numbers are never converted: an integer keeps its digits.
func readRackbeat(body []byte) (b rackbeatBody, readable bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body)) // which refuses a name that comes twice
	if begin, err := d.ReadToken(); err != nil || begin.Kind() != '{' {
		return b, false
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return b, false
		}
		field := b.field(name.String())
		value, ok := readScalar(d)
		if !ok {
			return b, false
		}
		if field != nil {
			*field = value
		}
	}
	_, err := d.ReadToken()
	if err == nil {
		_, err = d.ReadToken()
	}
	return b, errors.Is(err, io.EOF)
}

func (b *rackbeatBody) field(name string) *string {
	switch name {
	case "item":
		return &b.item
	case "key":
		return &b.key
	case "key_name":
		return &b.keyName
	case "event":
		return &b.event
	}
	return nil
}

// readScalar reads a value. It returns the text of a string, the digits of an integer, and ""
// for any other value; ok is false if the value is cut off, or nests too deep.
func readScalar(d *jsontext.Decoder) (text string, ok bool) {
	within := d.StackDepth()
	for {
		token, err := d.ReadToken()
		if err != nil || d.StackDepth() > deepest {
			return "", false
		}
		if d.StackDepth() > within {
			continue
		}
		text = token.String()
		if token.Kind() == '"' || token.Kind() == '0' && strings.Trim(text, "0123456789") == "" {
			return text, true
		}
		return "", true
	}
}

// itemOf returns the number of the item that a body is about, or why all items are to be
// looked at:
//
//	event                        item or key        outcome
//	of an order                  any                all: it changes what is available of its items
//	any other, unknown, or none  a number           the number
//	any other, unknown, or none  an invalid number  all
//	any other, unknown, or none  none, or an id     all
//	any other, unknown, or none  not readable       all
func (p *params) itemOf(b rackbeatBody, readable bool) (number string, all *oddity) {
	if strings.Contains(strings.ToLower(b.event), "order") {
		return "", &allOfOrder
	}
	number = b.item
	if number == "" && (b.keyName == "" || strings.EqualFold(b.keyName, "number")) {
		number = b.key
	}
	switch {
	case !readable:
		return "", &allUnreadable
	case visible(number) == "":
		return "", &allUnnamed
	case p.check(number) != nil:
		return "", &allUnreadable
	}
	return number, nil
}

// Why a call of Rackbeat's is a hint to look at all items.
var (
	allOfOrder = oddity{OutcomeEverything, lang.Text{
		Danish:  "Et webhook om en ordre nævner ingen vare.\n",
		English: "A webhook about an order names no item.\n"}}
	allUnnamed = oddity{OutcomeEverything, lang.Text{
		Danish:  "Det nævner ingen vare ved dens nummer.\n",
		English: "It names no item by its number.\n"}}
	allUnreadable = oddity{OutcomeUnreadable, lang.Text{
		Danish:  "Det ligner ikke de webhooks, som Rackbeat sender. Er der andet, som bruger denne adresse?\n",
		English: "It is not like the webhooks that Rackbeat sends. Does something else use this address?\n"}}
)

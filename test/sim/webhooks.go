package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/webhook"
)

// Rackbeat's webhooks name the item in their body, in one of several forms, and carry a token in
// a header. They are sent to the real handler of webhooks; e-conomic's hints, whose URL the
// handler's own tests know, go straight to the recorder.

// rackbeatCall is a webhook of Rackbeat's.
type rackbeatCall struct {
	body, event, token string
	number             string // that lagerd is to read from it; "": all items
	forged             bool   // somebody who knows the URL sends it, but not the token
}

// forgedNumbers are named by forged webhooks alone.
const forgedNumbers = "91"

func isForged(number string) bool { return strings.HasPrefix(number, forgedNumbers) }

func codeOf(shop string) string { return "integration-code-of-" + shop }

// drawTokens returns the header tokens that are stored for a shop: none if nobody entered them,
// and several if its webhooks have one each.
func (w *world) drawTokens(x *shop) []string {
	var tokens []string
	for n := range w.posts.IntN(3) {
		tokens = append(tokens, fmt.Sprint("sandbox-token-", x.name, "-", n))
	}
	return tokens
}

func hashesOf(tokens []string) (hashes []byte) {
	for _, token := range tokens {
		hash := sha256.Sum256([]byte(token))
		hashes = append(hashes, hash[:]...)
	}
	return hashes
}

// drawCall returns a webhook about an item, or about none by its number.
func (w *world) drawCall(x *shop, number string) rackbeatCall {
	rng := w.posts
	c := rackbeatCall{number: number, event: []string{"", "inventory.changed", "product.updated"}[rng.IntN(3)]}
	if len(x.tokens) > 0 {
		c.token = x.tokens[rng.IntN(len(x.tokens))]
	} else {
		c.token = []string{"", "any"}[rng.IntN(2)]
	}
	c.body = bodyOf(rng, number)
	if number == "" && rng.IntN(3) == 0 {
		c.event, c.body = "order.created", `{"key_name":"number","key":"1021"}`
	}
	return c
}

// drawForged returns a webhook about an item that no other names, without the shop's token.
func (w *world) drawForged(x *shop) rackbeatCall {
	number := forgedNumbers + strconv.Itoa(w.posts.IntN(5))
	token := []string{"", "guessed", x.tokens[0] + "x", x.tokens[0][1:]}[w.posts.IntN(4)]
	return rackbeatCall{number: number, body: bodyOf(w.posts, number), token: token, forged: true}
}

// bodyOf returns a body in one of the known forms that names the item, or one that names none.
func bodyOf(rng *rand.Rand, number string) string {
	if number == "" {
		return []string{"", "{}", "[]", "<html>", `{"key":17,"key_name":"id"}`, `{"event":"product.updated","data":{"number":"item1"}}`, `{"key":{"number":"item1"}}`}[rng.IntN(7)]
	}
	text, err := json.Marshal(number)
	if err != nil {
		panic(err)
	}
	if n, err := strconv.Atoi(number); err == nil && strconv.Itoa(n) == number && rng.IntN(2) == 0 {
		text = []byte(number)
	}
	return fmt.Sprintf([]string{
		`{"item":%s,"item_type":"product","type":"stock"}`,
		`{"key_name":"number","key":%s}`,
		`{"key":%[1]s,"key_name":"number","event":"inventory.changed","data":{"number":%[1]s,"key":"other"}}`,
		`{"key":%s}`,
	}[rng.IntN(4)], text)
}

// postRackbeat makes Rackbeat call a lagerd's webhook endpoint, perhaps after somebody else has.
func (w *world) postRackbeat(x *shop, to *instance, name, number string) {
	if !to.shops.known(name) {
		w.sim.counts["webhook refused"]++ // it does not listen before it has read the shops
		return
	}
	if len(x.tokens) > 0 && w.posts.IntN(4) == 0 {
		w.sim.counts["webhook with a wrong token"]++
		to.post(name, w.drawForged(x), w.webhooks)
		w.webhooks++
	}
	to.post(name, w.drawCall(x, number), w.webhooks)
}

// post calls the instance's handler of webhooks.
func (i *instance) post(shop string, c rackbeatCall, n int) {
	h := webhook.Hint{Shop: shop, Kind: webhook.KindStock, Number: c.number}
	if !c.forged {
		i.sim.oracle.told[hintKey{h.Shop, string(h.Kind), h.Number}] = true
	}
	target := webhook.Path + "?" + url.Values{"type": {webhook.TypeRackbeat}, "username": {shop}, "password": {codeOf(shop)}}.Encode()
	i.hint(ack{hint: h, n: n, forged: c.forged}, func(ctx context.Context, a *ack) {
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(c.body))
		req.Header.Set("Rackbeat-Webhook-Token", c.token)
		req.Header.Set("Rackbeat-Webhook-Event", c.event)
		rec := httptest.NewRecorder()
		i.webhooks.ServeHTTP(rec, req)
		a.status = rec.Code
	})
}

// newHandler returns an instance's handler of webhooks.
func (i *instance) newHandler() http.Handler {
	return webhook.NewHandler(webhook.Options{Recorder: i.engine, Authenticator: i.shops, Now: i.now,
		RandN: func(n int) int { return int(i.jitter(time.Duration(n))) }})
}

// Authenticate implements webhook.Authenticator.
func (x *shops) Authenticate(shop, code string, _ bool) (webhook.Shop, bool) {
	return webhook.Shop{Lang: lang.Danish}, x.known(shop) && code == codeOf(shop)
}

// AuthenticateHeader implements webhook.Authenticator: no lagerd here has set webhooks up.
func (x *shops) AuthenticateHeader(string, string) (of webhook.Shop, ok bool) {
	return webhook.Shop{}, false
}

// AuthenticateToken implements webhook.Authenticator, as a lagerd's index of shops does.
func (x *shops) AuthenticateToken(shop, token string) bool {
	s, _ := x.Shop(shop)
	hash := sha256.Sum256([]byte(token))
	return len(s.RackbeatTokenHash) == 0 || slices.ContainsFunc(slices.Collect(slices.Chunk(s.RackbeatTokenHash, sha256.Size)), func(known []byte) bool { return bytes.Equal(known, hash[:]) })
}

// known reports whether the instance has read the shop.
func (x *shops) known(shop string) bool {
	_, known := x.Shop(shop)
	return known
}

// checkForged checks that no forged webhook is recorded.
func (o *oracle) checkForged(k hintKey) {
	if k.kind == string(plan.KindStock) && isForged(k.number) { // invoices have such numbers too
		o.violate("token: a webhook of %v without the token of Rackbeat's was recorded", k)
	}
}

package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"lagerd/lang"
	"lagerd/store"
)

// Address is where messages go.
type Address struct {
	Channel store.Channel
	Mail    string // of mail
}

// Settings are whom to tell, and how soon.
type Settings struct {
	Operator []Address // none: the operator is told nothing
	Mail     bool      // mail can be sent: owners with an address are told by it

	After       time.Duration // how long something lasts before the operator is told, or is over before anybody is
	OwnersAfter time.Duration // how long something lasts before an owner is told
	Every       time.Duration // no recipient gets two messages within this time
}

// after returns how long something lasts before the audience is told.
func (s Settings) after(a store.Audience) time.Duration {
	if a == store.AudienceOwner {
		return s.OwnersAfter
	}
	return s.After
}

// Content is what a message says, and the JSON of an outgoing webhook.
type Content struct {
	Audience store.Audience `json:"audience"`       // operator, owner
	Shop     string         `json:"shop,omitempty"` // whose owner it is for
	Lang     lang.Lang      `json:"lang,omitempty"` // of what owners read
	At       time.Time      `json:"at"`
	Began    []Event        `json:"began"` // what needs somebody, the most urgent first
	Over     []Event        `json:"over"`  // what no longer does
	Test     bool           `json:"test,omitempty"`

	// Page is a link to the shop's page, made when the message is sent: it is not stored.
	Page Page `json:"-"`
}

// Page is a link with which a shop's owner opens the shop's page; the zero Page is none.
type Page struct {
	URL     string
	Expires time.Time
}

// Situation is what Decide decides from. Its times are by the database's clock.
type Situation struct {
	Now       time.Time
	Matters   Matters
	Incidents []store.Incident
	Last      map[store.Recipient]time.Time // when the last message was decided
}

// Decide returns which messages go to whom now, and which incidents change. An incident takes this
// course; what is not known, or masked by something worse, stays as it is.
//
//	noticed      told   there   then
//	no           -      yes     noticed now
//	yes          no     no      forgotten: it did not last
//	yes          no     yes     told, with whatever else there is, once anything of the recipient's
//	                            has lasted for long enough and its last message is long enough ago
//	yes          yes    no      gone since now; told as over, under the same conditions, then forgotten
//	gone         yes    yes     noticed and told as before
//	shop removed, or its owner without any address      forgotten
func Decide(s Settings, x Situation, newID func() string) (store.Told, error) {
	r := round{Settings: s, Situation: x, of: map[store.Recipient]*recipientCase{}, put: map[store.IncidentKey]store.Incident{}, newID: newID}
	known := map[store.IncidentKey]bool{}
	for _, i := range x.Incidents {
		known[i.IncidentKey] = true
		r.follow(i)
	}
	for k := range x.Matters.Events {
		if !known[k] && r.tells(k) {
			r.notice(k)
		}
	}
	recipients := slices.SortedFunc(maps.Keys(r.of), func(a, b store.Recipient) int {
		return cmp.Or(cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Shop, b.Shop))
	})
	for _, to := range recipients {
		if err := r.tell(to, r.of[to]); err != nil {
			return store.Told{}, err
		}
	}
	for _, k := range r.told.Delete {
		delete(r.put, k)
	}
	r.told.Put = slices.SortedFunc(maps.Values(r.put), func(a, b store.Incident) int {
		return cmp.Or(cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Shop, b.Shop), cmp.Compare(a.What, b.What))
	})
	return r.told, nil
}

// round is one round of decisions.
type round struct {
	Settings
	Situation
	newID func() string
	of    map[store.Recipient]*recipientCase
	put   map[store.IncidentKey]store.Incident
	told  store.Told
}

// recipientCase is what there is to tell a recipient.
type recipientCase struct {
	began, over []store.Incident
	ready       bool // something has lasted for long enough
}

// tells reports whether anybody is told of incidents with such a key.
func (r *round) tells(k store.IncidentKey) bool {
	shop, exists := r.Matters.Shops[k.Shop]
	switch {
	case k.Shop != "" && !exists:
		return false
	case k.Audience == store.AudienceOwner:
		return len(OwnersAddresses(shop, r.Mail)) > 0
	}
	return len(r.Operator) > 0
}

// OwnersAddresses returns where messages to a shop's owner go. mail says whether mail can be sent.
func OwnersAddresses(shop store.Shop, mail bool) (list []Address) {
	if mail && shop.Email != "" {
		list = append(list, Address{Channel: store.ChannelMail, Mail: shop.Email})
	}
	if shop.NotifyOrigin != "" {
		list = append(list, Address{Channel: store.ChannelWebhook})
	}
	return list
}

func (r *round) caseOf(k store.IncidentKey) *recipientCase {
	to := store.Recipient{Audience: k.Audience}
	if k.Audience == store.AudienceOwner {
		to.Shop = k.Shop
	}
	if r.of[to] == nil {
		r.of[to] = &recipientCase{}
	}
	return r.of[to]
}

// notice begins an incident.
func (r *round) notice(k store.IncidentKey) {
	i := store.Incident{IncidentKey: k, SeenAt: r.Now}
	r.put[i.IncidentKey] = i
	r.began(i)
}

func (r *round) began(i store.Incident) {
	c := r.caseOf(i.IncidentKey)
	c.began = append(c.began, i)
	c.ready = c.ready || r.Now.Sub(i.SeenAt) >= r.after(i.Audience)
}

// follow carries an incident on.
func (r *round) follow(i store.Incident) {
	_, there := r.Matters.Events[i.IncidentKey]
	told, gone := !i.ToldAt.IsZero(), !i.GoneAt.IsZero()
	switch {
	case !r.tells(i.IncidentKey), !there && !told && !r.Matters.unknown(i.IncidentKey):
		r.told.Delete = append(r.told.Delete, i.IncidentKey)
	case !there && r.Matters.unknown(i.IncidentKey):
	case there && !told:
		r.began(i)
	case there && gone:
		i.GoneAt = time.Time{}
		r.put[i.IncidentKey] = i
	case !there:
		if !gone {
			i.GoneAt = r.Now
			r.put[i.IncidentKey] = i
		}
		c := r.caseOf(i.IncidentKey)
		c.over = append(c.over, i)
		c.ready = c.ready || r.Now.Sub(i.GoneAt) >= r.After
	}
}

// tell decides a message to a recipient, if it is time.
func (r *round) tell(to store.Recipient, c *recipientCase) error {
	last, before := r.Last[to]
	if !c.ready || before && r.Now.Sub(last) < r.Every {
		return nil
	}
	content := Content{Audience: to.Audience, Shop: to.Shop, At: r.Now.UTC(), Began: []Event{}, Over: []Event{}}
	for _, i := range c.began {
		e := r.Matters.Events[i.IncidentKey]
		if e.Since == nil {
			e.Since = new(i.SeenAt.UTC())
		}
		content.Began = append(content.Began, e)
		i.ToldAt = r.Now
		r.put[i.IncidentKey] = i
	}
	for _, i := range c.over {
		content.Over = append(content.Over, eventOf(i))
		r.told.Delete = append(r.told.Delete, i.IncidentKey)
	}
	content.Began, content.Over = gather(content.Began), gather(content.Over)
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("write a message for %s %s: %w", to.Audience, to.Shop, err)
	}
	addresses := r.Operator
	if to.Audience == store.AudienceOwner {
		addresses = OwnersAddresses(r.Matters.Shops[to.Shop], r.Mail)
	}
	for _, a := range addresses {
		r.told.Messages = append(r.told.Messages, store.Message{ID: r.newID(), Audience: to.Audience, Shop: to.Shop, Channel: a.Channel, Address: a.Mail, Content: text, DecidedAt: r.Now, DueAt: r.Now})
	}
	return nil
}

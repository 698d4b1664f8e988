package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/store"
)

// Address is where messages go.
type Address struct {
	Channel store.Channel
	Mail    string // of mail
	Hook    string // of an owner's webhook: what its address and secret are stored as
}

// digest returns what an owner's address is recognized by once it has been told something.
func (a Address) digest() string {
	sum := sha256.Sum256([]byte(string(a.Channel) + " " + a.Mail + " " + a.Hook))
	const enough = 8
	return hex.EncodeToString(sum[:enough])
}

// has reports whether an address was told of an incident.
func (a Address) has(i store.Incident) bool {
	return i.ToldTo == "" || slices.Contains(strings.Fields(i.ToldTo), a.digest())
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
	Unsent    []store.Message               // those that no address of their recipient has got, or may have
}

// Decide returns which messages go to whom now, and which incidents change. An incident takes this
// course; what is not known stays as it is. What is masked, by something worse, or for owners because
// many shops have it or theirs is paused, stays as it is if it was told, and is forgotten otherwise: it
// has to last anew.
//
//	noticed      told   there   then
//	no           -      yes     noticed now
//	yes          no     no      forgotten: it did not last
//	yes          no     yes     told, with whatever else there is, once anything of the recipient's
//	                            has lasted for long enough and its last message is long enough ago
//	yes          yes    yes     told to the owner's addresses that are new
//	yes          yes    no      gone since now; told as over, under the same conditions, then forgotten.
//	                            If its message has reached nobody yet, that is withdrawn: what of it is
//	                            over is forgotten, what is still there is told anew
//	gone         yes    yes     noticed and told as before
//	shop removed, or its owner without any address; for owners, stock or invoices
//	switched off; a lost node of which nothing is known any more      forgotten
func Decide(s Settings, x Situation, newID func() string) (store.Told, error) {
	r := round{Settings: s, Situation: x, of: map[store.Recipient]*recipientCase{}, put: map[store.IncidentKey]store.Incident{}, newID: newID, unsent: unsentOf(x.Unsent), told: store.Told{At: x.Now}}
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
	newID  func() string
	unsent map[store.Recipient]map[time.Time][]store.Message
	of     map[store.Recipient]*recipientCase
	put    map[store.IncidentKey]store.Incident
	told   store.Told
}

// recipientCase is what there is to tell a recipient.
type recipientCase struct {
	began, over []store.Incident
	going       []store.Incident // told, and still there
	ready       bool             // something has lasted for long enough
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
		list = append(list, hookOf(shop))
	}
	return list
}

// hookOf returns the webhook of a shop's owner.
func hookOf(shop store.Shop) Address {
	return Address{Channel: store.ChannelWebhook, Hook: shop.NotifyOrigin + " " + string(shop.NotifyHook)}
}

// stored returns what is stored of an address with a message.
func (a Address) stored() string {
	if a.Hook != "" {
		return a.digest()
	}
	return a.Mail
}

// addresses returns where messages to a recipient go.
func (r *round) addresses(to store.Recipient) []Address {
	if to.Audience == store.AudienceOwner {
		return OwnersAddresses(r.Matters.Shops[to.Shop], r.Mail)
	}
	return r.Operator
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
	case r.forgets(i, there):
		r.told.Delete = append(r.told.Delete, i.IncidentKey)
	case !there && r.Matters.unknown(i.IncidentKey):
	case there && !told:
		r.began(i)
	case there:
		if gone {
			i.GoneAt = time.Time{}
			r.put[i.IncidentKey] = i
		}
		r.goesOn(i)
	default:
		if !gone {
			i.GoneAt = r.Now
			r.put[i.IncidentKey] = i
		}
		c := r.caseOf(i.IncidentKey)
		c.over = append(c.over, i)
		c.ready = c.ready || r.lastsOver(i)
	}
}

// forgets reports whether nothing more is to be said of an incident, which is there or not.
func (r *round) forgets(i store.Incident, there bool) bool {
	k := i.IncidentKey
	switch {
	case !r.tells(k), r.Matters.dropped(k):
		return true
	case there:
		return false
	case i.GoneAt.IsZero() && r.Matters.expired(k):
		return true
	}
	return i.ToldAt.IsZero() && (r.Matters.muted(k) || !r.Matters.unknown(k))
}

// lastsOver reports whether an incident has been gone for long enough.
func (r *round) lastsOver(i store.Incident) bool { return r.Now.Sub(i.GoneAt) >= r.After }

// goesOn takes an incident that was told and is still there.
func (r *round) goesOn(i store.Incident) {
	c := r.caseOf(i.IncidentKey)
	c.going = append(c.going, i)
	if i.Audience == store.AudienceOwner {
		for _, a := range OwnersAddresses(r.Matters.Shops[i.Shop], r.Mail) {
			c.ready = c.ready || !a.has(i)
		}
	}
}

// withdraw takes back the messages that have reached nobody yet, and that something told in them is
// over: none of them says that anything else is over.
func (r *round) withdraw(to store.Recipient, c *recipientCase) error {
	if len(r.unsent) == 0 {
		return nil
	}
	for _, at := range r.moments(c) {
		list := r.unsent[to][at]
		if len(list) == 0 {
			continue
		}
		var content Content
		if err := json.Unmarshal(list[0].Content, &content); err != nil {
			return fmt.Errorf("read the message %s: %w", list[0].ID, err)
		}
		if len(content.Over) > 0 {
			continue
		}
		for _, m := range list {
			r.told.Withdraw = append(r.told.Withdraw, m.ID)
		}
		c.over = slices.DeleteFunc(c.over, func(i store.Incident) bool {
			if !i.ToldAt.Equal(at) {
				return false
			}
			r.told.Delete = append(r.told.Delete, i.IncidentKey)
			return true
		})
		c.going = slices.DeleteFunc(c.going, func(i store.Incident) bool {
			if !i.ToldAt.Equal(at) {
				return false
			}
			i.ToldAt, i.ToldTo = time.Time{}, ""
			r.put[i.IncidentKey] = i
			r.began(i)
			return true
		})
	}
	return nil
}

// moments returns when what is over was told, in order.
func (r *round) moments(c *recipientCase) []time.Time {
	var list []time.Time
	for _, i := range c.over {
		if r.lastsOver(i) {
			list = append(list, i.ToldAt.UTC())
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}

// unsentOf sorts the messages that nobody has got by whom they are for and when they were decided.
func unsentOf(list []store.Message) map[store.Recipient]map[time.Time][]store.Message {
	of := map[store.Recipient]map[time.Time][]store.Message{}
	for _, m := range list {
		to := store.Recipient{Audience: m.Audience, Shop: m.Shop}
		if of[to] == nil {
			of[to] = map[time.Time][]store.Message{}
		}
		at := m.DecidedAt.UTC()
		of[to][at] = append(of[to][at], m)
	}
	return of
}

// tell decides a message to each of a recipient's addresses, if it is time.
func (r *round) tell(to store.Recipient, c *recipientCase) error {
	if err := r.withdraw(to, c); err != nil {
		return err
	}
	last, before := r.Last[to]
	if !c.ready || before && r.Now.Sub(last) < r.Every {
		return nil
	}
	addresses := r.addresses(to)
	for _, a := range addresses {
		if err := r.tellOn(to, a, c); err != nil {
			return err
		}
	}
	var toldTo string
	if to.Audience == store.AudienceOwner {
		for _, a := range addresses {
			toldTo = strings.TrimSpace(toldTo + " " + a.digest())
		}
	}
	for _, i := range c.began {
		i.ToldAt, i.ToldTo = r.Now, toldTo
		r.put[i.IncidentKey] = i
	}
	for _, i := range c.going {
		if i.ToldTo != "" && i.ToldTo != toldTo {
			i.ToldTo = toldTo
			r.put[i.IncidentKey] = i
		}
	}
	for _, i := range c.over {
		r.told.Delete = append(r.told.Delete, i.IncidentKey)
	}
	return nil
}

// tellOn decides the message to an address: of what that has not been told yet.
func (r *round) tellOn(to store.Recipient, a Address, c *recipientCase) error {
	content := Content{Audience: to.Audience, Shop: to.Shop, At: r.Now.UTC(), Began: []Event{}, Over: []Event{}}
	began := slices.Clone(c.began)
	for _, i := range c.going {
		if !a.has(i) {
			began = append(began, i)
		}
	}
	for _, i := range began {
		e := r.Matters.Events[i.IncidentKey]
		if e.Since == nil {
			e.Since = new(i.SeenAt.UTC())
		}
		content.Began = append(content.Began, e)
	}
	for _, i := range c.over {
		if a.has(i) {
			content.Over = append(content.Over, eventOf(i))
		}
	}
	if len(content.Began)+len(content.Over) == 0 {
		return nil
	}
	content.Began, content.Over = gather(content.Began), gather(content.Over)
	text, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("write a message for %s %s: %w", to.Audience, to.Shop, err)
	}
	r.told.Messages = append(r.told.Messages, store.Message{ID: r.newID(), Audience: to.Audience, Shop: to.Shop, Channel: a.Channel, Address: a.stored(), Content: text, DecidedAt: r.Now, DueAt: r.Now})
	return nil
}

package web

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"lagerd/secret"
	"lagerd/store"
)

// Links makes the links with which owners open their shop's page.
type Links struct {
	Store   *store.Store
	Keys    *secret.Keys
	Address string // of the page, without a slash at the end
	Lasts   time.Duration
	Now     func() time.Time
}

// Link is a link to a shop's page, and its JSON.
type Link struct {
	Shop    string    `json:"shop"`
	Link    string    `json:"link"` // names it in `lagerd why`; not secret
	URL     string    `json:"url"`  // opens the page: whoever has it sees the shop
	Expires time.Time `json:"expires"`
}

// linkPath is before a link's ticket.
const linkPath = "/link/"

// New makes a link to a shop's page. It stores nothing: that the link is good follows from its
// signature, and from the shop's stamp.
func (l Links) New(ctx context.Context, shop string) (Link, error) {
	access, err := l.Store.ShopAccess(ctx, shop, nil)
	if err != nil {
		return Link{}, err
	}
	const shown = 8 // characters are enough to tell a shop's links apart
	link := Link{Shop: shop, Link: strings.ToLower(rand.Text()[:shown]), Expires: l.Now().Add(l.Lasts).UTC().Truncate(time.Second)}
	t := ticket{Who: shop, Stamp: access.Stamp, Created: access.Created.UnixMicro(), Link: link.Link, Until: link.Expires.Unix()}
	link.URL = l.Address + linkPath + t.sign(l.Keys, kindLink)
	return link, nil
}

// Revoke makes all links of a shop that were made until now, and the sessions that they opened,
// good for nothing.
func (l Links) Revoke(ctx context.Context, shop string) error {
	return l.Store.RevokeLinks(ctx, shop, rand.Text(), l.Now())
}

package web

import (
	"fmt"
	"net/http"
	"time"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
)

// ownerRoutes adds the pages of a shop's owner.
func (p *Page) ownerRoutes(owners func(pattern string, h handler)) {
	owners("GET "+ownerHome, p.ownerOverview)
}

// ownersShop is the page on which an owner's pages begin.
type ownersShop struct {
	Shop    string
	State   lang.Text
	Checked *time.Time // when everything was in order last; nil: never
}

// ownersShopOf returns what an owner is told of the state of a shop.
func ownersShopOf(st store.ShopStatus) ownersShop {
	v := status.Of(st)
	o := ownersShop{Shop: v.Shop, Checked: v.LastGoodTick}
	switch v.State {
	case status.StatePaused:
		o.State = lang.Text{Danish: "Din webudbyder har sat butikken på pause.", English: "Your hosting company has paused the shop."}
	case status.StateHeld:
		o.State = lang.Text{Danish: "Noget venter på et menneske.", English: "Something waits for a person."}
	default:
		o.State = lang.Text{Danish: "Butikken sammenlignes med e-conomic hvert minut.", English: "The shop is compared with e-conomic every minute."}
	}
	return o
}

func (p *Page) ownerOverview(v *visit) error {
	list, err := p.Store.Status(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return fmt.Errorf("%s: %w", v.owner.Shop, store.ErrNoShop)
	}
	return p.show(v, sheet{Status: http.StatusOK, Name: "owner", Title: lang.Text{Danish: "Butikken " + v.owner.Shop, English: "The shop " + v.owner.Shop}, Data: ownersShopOf(list[0])})
}

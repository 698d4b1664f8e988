package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

const (
	// watchAtOnce is how many shops' webhooks a decision looks at: those of 10,000 shops within four
	// decisions, should something be wrong with all at once.
	watchAtOnce = 2500

	// watchAgain is how often those are looked at that are not well: that they are well again moves
	// nothing that is watched.
	watchAgain = 2 * time.Minute

	// wrongFor is how long a call with a wrong code is believed to be the shop's own.
	wrongFor = 7 * 24 * time.Hour
)

// moving is what moves when a shop's webhooks cease to be well: without one of them nothing is wrong
// now that was not before.
type moving struct {
	settings     int64     // their generation
	missed, late int64     // changes found without, or before, their webhook
	wrong        time.Time // the last call that was not accepted
}

// watched is what is known of a shop's webhooks.
type watched struct {
	at     time.Time // when they were looked at
	moving moving    // as it was then
	told   []status.WebhookHealth
	ever   map[status.WebhookType]bool // whether one had ever come; missing: not asked yet
}

// watch knows which shops' webhooks are not well.
type watch struct {
	shops map[string]watched
	after string // the last shop in turn
}

// due returns the shops to look at now, and keeps which are well without a look: those where
// something has moved take turns, and then come those that are not well, the longest ago first.
// most is how many.
//
//	never looked at, and nothing was ever missed or wrong    well, without a look
//	never looked at, or something has moved since            due
//	not well, and looked at watchAgain ago                   due, if there is room
//	otherwise                                                not due
func (w *watch) due(now time.Time, list map[string]moving, most int) []string {
	var moved, unwell []string
	for shop, m := range list {
		was, known := w.shops[shop]
		switch {
		case !known && m.missed == 0 && m.late == 0 && m.wrong.IsZero():
			w.shops[shop] = watched{at: now, moving: m}
		case !known || was.moving != m:
			moved = append(moved, shop)
		case len(was.told) > 0 && now.Sub(was.at) >= watchAgain:
			unwell = append(unwell, shop)
		}
	}
	slices.Sort(moved)
	if moved = next(moved, w.after, most); len(moved) > 0 {
		w.after = moved[len(moved)-1]
	}
	slices.SortFunc(unwell, func(a, b string) int {
		if c := w.shops[a].at.Compare(w.shops[b].at); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return append(moved, unwell[:min(len(unwell), most-len(moved))]...)
}

// next returns the names after one, at most so many, and goes on with the first.
func next(names []string, after string, most int) []string {
	at, found := slices.BinarySearch(names, after)
	if found {
		at++
	}
	return slices.Concat(names[at:], names[:at])[:min(most, len(names))]
}

// webhooks returns how the webhooks of the shops looked at so far fare.
func (w *watch) webhooks() WebhooksOf {
	of := make(WebhooksOf, len(w.shops))
	for shop, known := range w.shops {
		of[shop] = known.told
	}
	return of
}

// lookAtWebhooks looks at the webhooks of the shops where that is due, in a number of statements that
// does not grow with the shops.
func (n *Notifier) lookAtWebhooks(ctx context.Context, now time.Time, list []store.ShopStatus) error {
	wrong, err := n.Store.LastCalls(ctx, status.WrongOutcomes())
	if err != nil {
		return err
	}
	exist, moves := make(map[string]store.Shop, len(list)), make(map[string]moving, len(list))
	for _, st := range list {
		exist[st.Shop.Shop] = st.Shop
		moves[st.Shop.Shop] = moving{settings: st.Shop.Generation, missed: st.Progress.MissedWebhooks, late: st.Progress.LateWebhooks, wrong: wrong[st.Shop.Shop]}
	}
	for shop := range n.watch.shops {
		if _, is := exist[shop]; !is {
			delete(n.watch.shops, shop)
		}
	}
	due := n.watch.due(now, moves, watchAtOnce)
	calls, err := n.Store.CallGroups(ctx, due)
	if err != nil {
		return err
	}
	latest, err := n.Store.LatestAnnounced(ctx, due, n.Now().Add(-status.WebhooksSince), status.WebhooksJudged)
	if err != nil {
		return err
	}
	looks := make([]look, 0, len(due))
	for _, shop := range due {
		l := look{shop: exist[shop], calls: calls[shop], latest: latest}
		if was := n.watch.shops[shop]; was.moving.settings == moves[shop].settings { // else it may be another shop of that name
			l.ever = was.ever
		}
		looks = append(looks, l)
	}
	if err := n.addEver(ctx, looks); err != nil {
		return err
	}
	for _, l := range looks {
		n.watch.shops[l.shop.Shop] = watched{at: now, moving: moves[l.shop.Shop], told: l.told(n.Now()), ever: l.ever}
	}
	return nil
}

// look is a look at a shop's webhooks.
type look struct {
	shop   store.Shop
	calls  []store.CallGroup
	latest map[store.AnnouncedBy][]store.Announced // of all shops
	ever   map[status.WebhookType]bool
}

// facts are what is known of webhooks of a type.
func (l look) facts(t status.WebhookType) status.WebhookFacts {
	a := store.Announcements{Latest: l.latest[store.AnnouncedBy{Shop: l.shop.Shop, Kind: t.Kind(), Source: t.Source()}], Ever: l.ever[t]}
	a.Ever = a.Ever || slices.ContainsFunc(a.Latest, func(c store.Announced) bool { return c.Webhook != plan.WebhookMissed })
	return status.CountWebhookGroups(t, l.shop, l.calls, a)
}

// told returns the health that is told. Anybody can call with a wrong code: it is believed only of a shop
// whose webhooks ever came, and for a while.
func (l look) told(now time.Time) (list []status.WebhookHealth) {
	for _, t := range status.WebhookTypes(l.shop) {
		f := l.facts(t)
		if ever := f.Accepted.Count > 0 || f.Changes.Ever; !ever || now.Sub(f.WrongCode.Last) >= wrongFor {
			f.WrongCode = status.Calls{}
		}
		if h := status.HealthOfWebhooks(t, f, lang.English); slices.Contains(toldStates, h.State) {
			list = append(list, h)
		}
	}
	return list
}

// addEver finds out whether webhooks ever came to the shops of which neither the log nor the latest
// changes say so. It is asked once: if one comes later, those say so.
func (n *Notifier) addEver(ctx context.Context, looks []look) error {
	ask := map[status.WebhookType][]string{}
	for i := range looks {
		l := &looks[i]
		ever := make(map[status.WebhookType]bool, len(l.ever))
		for _, t := range status.WebhookTypes(l.shop) {
			f := l.facts(t)
			known, asked := l.ever[t]
			switch {
			case known || f.Accepted.Count > 0 || f.Changes.Ever:
				ever[t] = true
			case asked:
				ever[t] = false
			case f.Expected:
				ask[t] = append(ask[t], l.shop.Shop)
			}
		}
		l.ever = ever
	}
	for t, shops := range ask {
		came, err := n.Store.EverAnnounced(ctx, shops, t.Kind(), t.Source())
		if err != nil {
			return err
		}
		for i := range looks {
			if is, answered := came[looks[i].shop.Shop]; answered {
				looks[i].ever[t] = is
			}
		}
	}
	return nil
}

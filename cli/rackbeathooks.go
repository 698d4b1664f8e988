package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// hookCheck judges the webhooks that are set up at a shop's Rackbeat account. What it says names
// hosts, events, plugins and shops of this database alone: a URL may hold a code.
type hookCheck struct {
	shop   store.Shop
	public *url.URL           // that Rackbeat is to call
	shops  []store.ShopStatus // all: an account may serve several
	at     int64              // the account
}

// hookURL is what a webhook's URL says.
type hookURL struct {
	*url.URL
	kind, shop string // its type and username
}

func readHookURL(text string) (hookURL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return hookURL{}, false
	}
	// As the webhook's endpoint does: names in any case, and & as HTML has it.
	query, _ := url.ParseQuery(strings.ReplaceAll(u.RawQuery, "&amp;", "&"))
	h := hookURL{URL: u}
	for name, values := range query {
		switch strings.ToLower(name) {
		case "type":
			h.kind = values[0]
		case "username":
			h.shop = values[0]
		}
	}
	return h, true
}

// here reports whether a URL is lagerd's, apart from its query.
func (h hookCheck) here(u hookURL) bool {
	return u.URL != nil && status.Origin(u.URL) == status.Origin(h.public) && u.EscapedPath() == h.public.EscapedPath()
}

func isOff(w rackbeat.Webhook) bool { return w.Active != nil && !*w.Active }

// warnings returns what may be wrong with the webhooks, each with what to do.
func (h hookCheck) warnings(list []rackbeat.Webhook) []string {
	mine := map[string][]rackbeat.Webhook{} // the shop's, by event
	var elsewhere, names, foreign []string
	for _, w := range list {
		u, readable := readHookURL(w.URL.Reveal())
		here, lagerds := h.here(u), strings.EqualFold(u.kind, webhook.TypeRackbeat)
		switch {
		case here && lagerds && u.shop == h.shop.Shop:
			mine[w.Event] = append(mine[w.Event], w)
		case isOff(w):
		case !readable:
			foreign = append(foreign, "an address that cannot be read"+byPlugin(w))
		case here:
			names = append(names, h.otherName(u.shop)...)
		case lagerds:
			elsewhere = append(elsewhere, status.Origin(u.URL))
		default:
			foreign = append(foreign, u.Hostname()+byPlugin(w))
		}
	}
	said := h.own(mine)
	if len(elsewhere) > 0 {
		said = append(said, fmt.Sprintf("webhooks at Rackbeat like lagerd's call %s, and this lagerd's address is %s: correct them or delete them at Rackbeat, or correct webhook.public_url", someOf(elsewhere), h.public))
	}
	if len(names) > 0 {
		said = append(said, fmt.Sprintf("webhooks at Rackbeat call this lagerd, and not with type=%s&username=%s but for %s: correct their URL at Rackbeat, or delete them", webhook.TypeRackbeat, h.shop.Shop, someOf(names)))
	}
	if len(foreign) > 0 {
		said = append(said, fmt.Sprintf("Rackbeat also calls %s: if something there writes the shop's stock, the shop has two writers: switch Rackbeat's own link to the shop off", someOf(foreign)))
	}
	return said
}

// byPlugin names the plugin that a webhook belongs to, "" if none is known: that is the link to switch
// off.
func byPlugin(w rackbeat.Webhook) string {
	if w.Plugin == "" {
		return ""
	}
	const longest = 40
	return fmt.Sprintf(" (plugin %q)", plan.Clip(w.Plugin, longest))
}

// own returns what may be wrong with the shop's own webhooks, by event.
func (h hookCheck) own(mine map[string][]rackbeat.Webhook) []string {
	var said []string
	if missing := slices.DeleteFunc(h.needed(), func(event string) bool { return len(mine[event]) > 0 }); len(missing) > 0 {
		said = append(said, fmt.Sprintf("no webhook at Rackbeat calls lagerd for %s, so that such changes come with the next tick: make one for it there, with the URL %s?type=%s&username=%s&password=CODE, or `lagerd shops instructions %[4]s --new-code` prints it with a new code",
			strings.Join(missing, ", nor for "), h.public, webhook.TypeRackbeat, h.shop.Shop))
	}
	events := make([]string, 0, len(mine))
	for event := range mine {
		events = append(events, event)
	}
	slices.Sort(events)
	for _, event := range events {
		on := slices.DeleteFunc(slices.Clone(mine[event]), isOff)
		if len(on) == 0 {
			said = append(said, fmt.Sprintf("webhook %d at Rackbeat, for %s, is off: switch it on there", mine[event][0].ID, event))
		}
		for _, w := range on {
			if w.Failures > 0 {
				said = append(said, fmt.Sprintf("webhook %d at Rackbeat, for %s, has failed %d times since it last succeeded: open its URL in a browser, from outside; it must say Success. If it does, its token may be missing here: `lagerd shops show %s` shows its calls",
					w.ID, event, w.Failures, h.shop.Shop))
			}
		}
	}
	return said
}

// needed returns the events without which changes of the shop's figure are seen late.
func (h hookCheck) needed() []string {
	if h.shop.StockFigure == plan.FigureAvailable {
		return []string{"inventory.changed", "order.created"}
	}
	return []string{"inventory.changed"}
}

// otherName describes the username of a webhook that is not the shop's, unless it is right: that of
// another shop of the account. A name that no shop has is not shown: it may be the code.
func (h hookCheck) otherName(name string) []string {
	for _, st := range h.shops {
		switch {
		case st.Shop.Shop != name:
		case name == h.shop.Shop:
			return []string{"another type"}
		case st.Shop.ReadsRackbeat() && st.Progress.StockAccount == h.at:
			return nil
		default:
			return []string{"the shop " + name}
		}
	}
	return []string{"a name that no shop has"}
}

// someOf lists what there is, each once.
func someOf(list []string) string {
	const shown = 5
	list = slices.Compact(slices.Sorted(slices.Values(list)))
	more := ""
	if n := len(list) - shown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list[:min(shown, len(list))], ", ") + more
}

// checkHooks reports what may be wrong with the webhooks. Whether every key may list them is not
// known, and nothing that lagerd does depends on it.
func checkHooks(r *report, name string, h hookCheck, list []rackbeat.Webhook, err error) {
	refused := []rackbeat.Kind{rackbeat.KindForbidden, rackbeat.KindNotFound, rackbeat.KindBadRequest, rackbeat.KindMalformed}
	switch {
	case slices.Contains(refused, rackbeat.KindOf(err)):
		r.warn(name, "the webhooks at Rackbeat are not checked: %v: look there whether they are on", err)
		return
	case err != nil:
		r.bad(name, err)
		return
	}
	said := h.warnings(list)
	for _, text := range said {
		r.warn(name, "%s", text)
	}
	if len(said) == 0 {
		r.good(name, "Rackbeat's webhooks are set up, and none has failed since it last succeeded")
	}
}

// assessedAtRackbeat describes what an account's first page of items shows. It returns an error
// if no stock can be read there.
func assessedAtRackbeat(a plan.Assessment, shop store.Shop) (string, error) {
	switch a.Verdict() {
	case plan.VerdictOK:
	case plan.VerdictEmpty:
		return "the account has no items yet", nil
	case plan.VerdictNoInventory:
		return "", fmt.Errorf("none of the first %d items at Rackbeat carries a stock figure: check that the account keeps stock; otherwise `lagerd shops set %s --stock-source economic`, or `--stock off`", a.Items, shop.Shop)
	case plan.VerdictAllZero:
		return "every stock figure on the first page at Rackbeat is zero: check that the stock is kept there, and in the chosen places, if any", nil
	}
	return fmt.Sprintf("%d of the first %d items at Rackbeat carry a stock figure", a.WithFigures, a.Items), nil
}

package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	}
	panic(fmt.Sprintf("%T", v))
}

// figure returns a stored figure in canonical form, "" if absent.
func figure(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return decimal.RequireFromString(v).String()
	case []byte:
		return decimal.RequireFromString(string(v)).String()
	case int64:
		return fmt.Sprint(v)
	case float64:
		return decimal.NewFromFloat(v).String()
	}
	panic(fmt.Sprintf("%T", v))
}

func (r revision) figure() string { return decimal.New(r.stock, -2).String() }

// explains reports whether a row can show the revision.
func (r revision) explains(stock, state string) bool {
	if r.deleted {
		return state == "gone" && stock == ""
	}
	return state != "gone" && stock == r.figure()
}

// checkItems checks that no older observation overwrites a newer one, that every value came
// from e-conomic, that no zero follows a single read, and that not too many losses come at
// once.
func (o *oracle) checkItems(i *instance) {
	now := time.Now()
	losses := map[string]int{} // by dataset
	for _, row := range o.sim.db.mustQuery("SELECT shop, number, stock, state, observed_token, observed_at FROM items") {
		k := itemKey{row[0].(string), row[1].(string)}
		is := itemState{stock: figure(row[2]), state: row[3].(string), token: row[4].(int64), observedAt: fmt.Sprint(row[5])}
		was, known := o.items[k]
		if known && was.stock == is.stock && was.state == is.state && was.token == is.token && was.observedAt == is.observedAt {
			continue
		}
		if known && is.token < was.token {
			o.violate("order: %v was read under token %d and overwritten under token %d", k, was.token, is.token)
		}
		x, rackbeat := o.datasetOf(k.shop)
		it := x.at(rackbeat)[k.number]
		if it == nil {
			o.violate("truth: %v never was at e-conomic", k)
			return
		}
		is.revision = -1
		for n := was.revision; n < len(it.revisions); n++ {
			r := it.revisions[n]
			sent := !r.readable.After(now)
			if n+1 < len(it.revisions) && it.revisions[n+1].deleted && rackbeat {
				sent = sent || !it.revisions[n+1].readable.After(now) // a report still shows what a deleted item had
			}
			if sent && r.explains(is.stock, is.state) {
				is.revision = n
				break
			}
		}
		twice := len(o.zeroes[readKey{i.id, x.reader(rackbeat), "stock", k.number}]) >= 2
		if is.revision < 0 && is.stock == "0" && is.state != "gone" && o.sim.profile.lies && (twice || known && was.stock == "0") {
			// A zero sent twice is believed, even if it is a lie, until the next
			// read. That may show other changes with the same zero.
			o.sim.counts["lie told twice"]++
			is.revision, is.lied = was.revision, true
		}
		lacking := o.sim.profile.sources && !known && is.stock == "" // the other source had it
		if lacking {
			is.revision = max(is.revision, 0)
		}
		if is.revision < 0 && it.absent && is.stock == "" && is.state == "no_inventory" {
			is.revision = was.revision
		}
		if is.revision < 0 {
			o.violate("order: %v became %q (%s), which e-conomic has not sent since revision %d: %s", k, is.stock, is.state, was.revision, it.history())
			return
		}
		if was.state == "barred" && is.state == "ok" {
			o.violate("barred: %v is on sale again, which e-conomic never sent", k)
		}
		less := is.stock == "0" && was.stock != "0" || is.state == "gone" && was.state != "gone"
		if less && !twice && !lacking {
			o.violate("zero guard: %v became %q (%s) without two reads that show it", k, is.stock, is.state)
		}
		if less && known && (was.stock != "" || is.state == "gone") && o.isShown(x, k.shop) {
			losses[k.shop]++
			if o.lost[k].since.IsZero() {
				o.lost[k] = lost{now, o.sim.step.Load()}
			}
		} else if is.stock != "0" && is.state != "gone" {
			delete(o.lost, k)
		}
		if !known && !o.swept[x.name] && !o.changed(x, rackbeat, k.number) {
			o.baseline[k] = is.stock
		}
		o.items[k] = is
		for id := range o.sim.started {
			r := readKey{id + 1, x.reader(rackbeat), "stock", k.number}
			// A page that arrived while the previous one was being stored may
			// already show more than the row.
			ahead := slices.DeleteFunc(o.zeroes[r], func(began int64) bool { return began <= o.shown[r] })
			if delete(o.zeroes, r); r.inst == i.id && is.stock != "0" && is.stock != "" {
				o.zeroes[r] = ahead
			}
		}
	}
	for dataset, n := range losses {
		x, _ := o.datasetOf(dataset)
		if most := max(lossMin, len(x.numbers)*lossPercent/100); n > most && !x.approved {
			o.violate("blast radius: %d items of %s were lost at once, of %d, without approval", n, x.name, len(x.numbers))
		}
		o.checkLossWindow(i, x, dataset)
	}
}

// checkLossWindow checks that losses within the window stay below its limit, however few come
// at once. An item that a webhook has named may have been announced, since lagerd's clocks may
// be minutes apart. One that a later listing has shown in stock counts no more: the next one stores
// that, and may store a loss before.
func (o *oracle) checkLossWindow(i *instance, x *shop, dataset string) {
	const clocksApart = 30 * time.Minute
	n := 0
	whole := o.wholes[listingKey{i.id, o.reader(x.name)}]
	for k, l := range o.lost {
		if k.shop != dataset || time.Since(l.since) >= lossWindow-clocksApart || o.told[hintKey{x.name, "stock", k.number}] {
			continue
		}
		back := false
		if whole != nil {
			s, shown := whole.showed(k.number, l.step)
			back = shown && !s.less
		}
		if !back {
			n++
		}
	}
	if most := max(lossWindowMin, len(x.numbers)*lossWindowPercent/100); n > most && !x.approved {
		o.violate("loss window: %d items of %s were lost one by one, of %d, without approval", n, x.name, len(x.numbers))
	}
}

func (i *item) history() string {
	var b strings.Builder
	for n, r := range i.revisions {
		fmt.Fprintf(&b, " %d:%s", n, r.figure())
		if r.deleted {
			b.WriteString("(deleted)")
		}
	}
	return b.String()
}

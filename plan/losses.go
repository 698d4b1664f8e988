package plan

import "time"

// Loss is a stored loss that was neither approved by a person nor announced by its own webhook.
type Loss struct {
	At      time.Time // when it was stored, plus the time for which the shop has been held since
	Gone    bool      // the item itself is gone: listings from then on do not count it
	Counted bool      // Gone since the shop's last listing, which counts it
}

// LossWindow is the input of Judge: whether losses that trickle in, each reconciliation below
// its own limit, add up to too many.
type LossWindow struct {
	Now     time.Time     // for a held shop: when the hold began, so that losses do not expire meanwhile
	Within  time.Duration // how long a loss counts
	Percent int           // share of the shop's items that may be lost within that time
	Min     int           // number that always may
	Items   int           // of the shop, by its last listing

	Approved int                 // further losses approved by a person
	Recent   map[string]Loss     // by number
	Coming   map[string]Suspect  // by number: read or suspected now, not stored
	Back     map[string]struct{} // numbers in Recent that e-conomic shows in stock again
}

// LossVerdict is what a shop loses within a window.
type LossVerdict struct {
	Taken   int // already stored within the window
	Coming  int // in addition to those
	Items   int // of the shop: those listed, and those lost that listings no longer show
	TooMany bool
}

// Judge counts each item once, except losses announced by their own webhook:
//
//	a loss that is                       counts
//	stored within the window             yes
//	stored before it                     no
//	stored, and in stock again           no
//	coming                               yes
//	coming, announced by its webhook     no
//	coming, and stored within it         once
//
// The approved number of coming losses is deducted. The rest is too many if, together with the
// stored losses, it exceeds both the share of the items and the number that is always allowed.
// If nothing is coming, nothing is too many.
func (in LossWindow) Judge() LossVerdict {
	v := LossVerdict{Items: in.Items}
	taken := func(number string) bool {
		l, recent := in.Recent[number]
		_, back := in.Back[number]
		return recent && !back && !in.Over(l)
	}
	for number, l := range in.Recent {
		if !taken(number) {
			continue
		}
		v.Taken++
		if l.Gone && !l.Counted {
			v.Items++
		}
	}
	for number, s := range in.Coming {
		if !s.Loss {
			continue
		}
		if s.Unlisted && !(taken(number) && in.Recent[number].Gone) {
			v.Items++
		}
		if !s.Announced && !taken(number) {
			v.Coming++
		}
	}
	unasked := v.Coming - in.Approved
	v.TooMany = unasked > 0 && v.Taken+unasked > max(in.Min, v.Items*in.Percent/100)
	return v
}

// Over reports whether a loss has expired. A loss in the future, stored by a clock ahead of
// ours, counts.
func (in LossWindow) Over(l Loss) bool { return in.Now.Sub(l.At) >= in.Within }

// Lost is a loss that a plan writes.
type Lost struct {
	Number string
	Gone   bool // the item itself is gone
}

// remember records what a read of a stored item means for the remembered losses. The first
// matching line decides:
//
//	the read shows                               the item
//	a loss that no webhook of its own announced  counts
//	a loss that one announced                    no longer counts
//	it in stock again                            no longer counts
//	anything, and a late webhook has come        no longer counts
//	anything else                                stays as it is
//
// The late webhook belongs to the loss that counts, whether the read shows only that loss or
// something newer too.
func (p *ItemsPlan) remember(recent map[string]Loss, row, next Row, announced, late bool) {
	loses := next.loses(row)
	switch _, counted := recent[next.Number]; {
	case loses && !announced:
		p.Lost = append(p.Lost, Lost{Number: next.Number, Gone: next.State == StateGone})
	case counted && (loses || next.inStock() || late):
		p.Restored = append(p.Restored, next.Number)
	}
}

// inStock reports whether there is something to sell.
func (r Row) inStock() bool {
	return r.State != StateGone && r.Stock.Valid && r.Stock.Decimal.IsPositive()
}

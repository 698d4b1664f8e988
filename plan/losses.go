package plan

import "time"

// Loss is a loss that was stored, and that neither a person had approved nor a
// webhook of its own announced.
type Loss struct {
	At   time.Time // when it was stored, later by as long as the shop has been held since
	Gone bool      // the item itself is gone: listings count it no more
}

// LossWindow is everything that decides whether losses that trickle, each
// reconciliation below the limit for one, come to too many.
type LossWindow struct {
	Now     time.Time     // for a shop that is held: when that began, so that its losses do not run out meanwhile
	Within  time.Duration // how long a loss counts
	Percent int           // of the shop's items that may be lost within that time
	Min     int           // and so many may always be
	Items   int           // of the shop, by its last listing

	Approved int                 // further losses that a person has approved
	Recent   map[string]Loss     // by number
	Coming   map[string]Suspect  // by number: what is read or suspected now, and not stored
	Back     map[string]struct{} // numbers of Recent that e-conomic shows in stock again
}

// LossVerdict says what a shop loses within a window.
type LossVerdict struct {
	Taken   int // stored already, within the window
	Coming  int // beside them
	Items   int // of the shop: those listed, and those lost that listings show no more
	TooMany bool
}

// Judge counts each item once, and no loss that a webhook of its own announced:
//
//	a loss that is                       counts
//	stored within the window             yes
//	stored before it                     no
//	stored, and in stock again           no
//	coming                               yes
//	coming, announced by its webhook     no
//	coming, and stored within it         once
//
// Of those that are coming so many are approved as a person has approved. The
// rest is too many where it exceeds, together with what is stored, both the
// share of the items and the number that is allowed in any case. Where nothing
// is coming nothing is too many.
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
		if l.Gone {
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

// Over reports whether a loss counts no more. One that a clock ahead of ours put
// into the future counts.
func (in LossWindow) Over(l Loss) bool { return in.Now.Sub(l.At) >= in.Within }

// Lost is a loss that a plan writes.
type Lost struct {
	Number string
	Gone   bool // the item itself
}

// remember notes what a read of a stored item means to the losses that are remembered.
// The first line that fits decides:
//
//	the read shows                               the item
//	a loss that no webhook of its own announced  counts
//	a loss that one announced                    counts no more
//	it in stock again                            counts no more
//	anything, and a late webhook has come        counts no more
//	anything else                                stays as it is
//
// The late webhook is the one of the loss that counts, whether the read shows that loss
// alone or something newer as well.
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

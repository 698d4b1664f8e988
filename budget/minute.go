package budget

import "time"

// A service that reports no limits may count calls in any way: in the minutes of its clock, in the
// last 60 seconds, or evenly. lagerd keeps to its own number in all of them: of the calls of a
// minute a few can be saved up, and only the others come back in it. So one call more than the
// number takes longer than a minute, however the calls before it came.
//
//	60 a minute:   5 are saved up at most, one comes back every 1.07 s (56 a minute)
//	               listings and ticks wait while 2 are used, unknown numbers 3, new invoices
//	               and hints 4, persons 5

// minute is the token bucket that lagerd keeps itself. Nil limits nothing.
type minute struct {
	size  int           // calls that can be saved up
	every time.Duration // in which one comes back
	full  time.Time     // when all are saved up again, if no call is made
}

// savedPart is which part of a minute's calls can be saved up: five seconds' worth.
const savedPart = 12

// newMinute returns an empty bucket for a number of calls a minute, nil for 0.
func newMinute(calls int, now time.Time) *minute {
	if calls <= 0 {
		return nil
	}
	m := &minute{size: min(max(calls/savedPart, 2), calls)}
	// So many calls after a full bucket's, the first one too many is made: it must not come within
	// the minute of the first.
	m.every = time.Minute / time.Duration(calls-m.size+1)
	m.every += m.every/1000 + 1
	m.full = now.Add(time.Duration(m.size) * m.every)
	return m
}

// wait returns how long until the bucket is less full than the given percentage of its size, so
// that a call may be made; rounded up, and at least one call.
func (m *minute) wait(fullest int, now time.Time) time.Duration {
	if m == nil {
		return 0
	}
	// If the clock was set back, it is not emptier than empty.
	if latest := now.Add(time.Duration(m.size) * m.every); m.full.After(latest) {
		m.full = latest
	}
	most := (m.size*fullest + 99) / 100
	return max(m.full.Sub(now)-time.Duration(most-1)*m.every, 0)
}

// take uses one call, which wait has allowed.
func (m *minute) take(now time.Time) {
	if m == nil {
		return
	}
	if m.full.Before(now) {
		m.full = now
	}
	m.full = m.full.Add(m.every)
}

// within returns how many calls may be made at most in the given time.
func (m *minute) within(d time.Duration) int { return m.size + 1 + int(d/m.every) }

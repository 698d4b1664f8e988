package engine

import (
	"fmt"
	"strings"
	"time"
)

// Going is how it is going, for the service manager's line.
type Going struct {
	Shops, Held, Paused int       // whose leases this lagerd holds; held or paused as of their last pass
	Away                time.Time // since when the database has not answered; zero: it answers
}

// String returns it as one line.
func (g Going) String() string {
	line := fmt.Sprintf("reconciling %d shops", g.Shops)
	if g.Shops == 1 {
		line = "reconciling 1 shop"
	}
	var apart []string
	for _, of := range []struct {
		shops int
		are   string
	}{{g.Held, "held"}, {g.Paused, "paused"}} {
		if of.shops > 0 {
			apart = append(apart, fmt.Sprintf("%d %s", of.shops, of.are))
		}
	}
	if len(apart) > 0 {
		line += " (" + strings.Join(apart, ", ") + ")"
	}
	if !g.Away.IsZero() {
		line += "; the database has not answered since " + g.Away.Format(time.TimeOnly)
	}
	return line
}

// Going returns how it is going.
func (e *Engine) Going() Going {
	i := e.current.Load()
	running, paused, _ := i.scheduler.States()
	g := Going{Shops: i.held(), Paused: paused}
	g.Held = max(0, g.Shops-running-paused)
	if since := i.away.Load(); since != nil {
		g.Away = *since
	}
	return g
}

// Hangs returns the loops, by what they do, that do not turn any more: only a restart helps.
func (e *Engine) Hangs() []string { return e.current.Load().scheduler.Hangs() }

package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"lagerd/plan"
)

// TestStops is the table at plan.Stops, with a column for the third number in a row.
func TestStops(t *testing.T) {
	t.Parallel()
	const table = `
		class        self              listing        items          invoices       number        third
		none         any               reads/restart  reads/due      reads/due      reads/due     reads/due
		number       any               reads/restart  reads/due      reads/due      number/later  number/later
		interrupted  any               reads/resume   nothing/alone  reads/due      number/later  reads/due
		hanging      any               pass/resume    pass/alone     pass/alone     pass/later    pass/later
		silent       any               pass/resume    pass/due       pass/due       pass/due      pass/due
		busy         any               pass/resume    pass/due       pass/due       pass/later    pass/later
		part         any               part/restart   nothing/alone  nothing/alone  number/later  part/later
		choice       any               part/restart   part/due       part/due       part/due      part/due
		shop         unasked           ask/restart    ask/due        ask/due        ask/due       ask/due
		shop         refused,unknown   shop/restart   shop/due       shop/due       shop/due      shop/due
		shop         well              part/restart   nothing/alone  nothing/alone  number/later  part/later
		day          any               day/resume     day/due        day/due        day/due       day/due`
	reads := []plan.Read{plan.ReadListing, plan.ReadItems, plan.ReadInvoices, plan.ReadNumber}
	selves := map[string]plan.Self{"unasked": plan.SelfUnasked, "well": plan.SelfWell, "refused": plan.SelfRefused, "unknown": plan.SelfUnknown}
	short := strings.NewReplacer("none", "", "nothing", "", "ask", string(plan.StopToAsk))
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Fields(line)
		for name, self := range selves {
			if cells[1] != "any" && !strings.Contains(cells[1], name) {
				continue
			}
			for i, read := range reads {
				for _, inARow := range []int{0, 1, 2, 3, 19, 20} {
					want := cells[2+i]
					if read == plan.ReadNumber && inARow >= 3 {
						want = cells[6]
					}
					if read == plan.ReadListing && inARow >= 20 && cells[0] != "day" {
						want = strings.Replace(want, "resume", "restart", 1) // too many of its pages
					}
					f := plan.Failure{Class: plan.Class(short.Replace(cells[0])), Read: read, Self: self, InARow: inARow}
					stop, again := plan.Stops(f)
					if got := fmt.Sprintf("%s/%s", stop, again); got != short.Replace(want) {
						t.Errorf("%+v: %s, expected %s", f, got, want)
					}
				}
			}
		}
	}
}

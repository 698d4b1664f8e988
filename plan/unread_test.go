package plan_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
)

// TestUnreadInvoices is the table in the comment of UnreadInvoices.
func TestUnreadInvoices(t *testing.T) {
	t.Parallel()
	hints := map[string]plan.Hint{
		"1": {Kind: plan.KindInvoice, Number: "1", Gen: 4, Failures: 2, Refused: true, DueAt: noon},
		"2": {Kind: plan.KindInvoice, Number: "2", Gen: 4, Failures: 2, DueAt: noon},
		"3": {Kind: plan.KindInvoice, Number: "3", Gen: 1, Failures: 1, DueAt: noon.Add(time.Hour)},
	}
	asked := 0
	in := plan.UnreadInput{Unread: unread("", "x", "1", "2", "3", "4", "5", "6"), Stored: map[int64]bool{4: true}, Hints: hints, Now: noon,
		Due: func(at time.Time) bool { return !at.After(noon) },
		RetryAt: func(failures int) time.Time {
			asked++
			return noon.Add(time.Duration(failures) * time.Minute)
		}}
	p := plan.UnreadInvoices(in)
	wrong := func(number string) string { return "what is wrong with " + number }
	again := func(number string) plan.Reread {
		return plan.Reread{Kind: plan.KindInvoice, Number: number, Gen: 4, DueAt: noon.Add(3 * time.Minute), Failures: 3, Reason: plan.HintFailed, Note: wrong(number)}
	}
	first := func(number string) plan.UnreadOf {
		return plan.UnreadOf{Hint: plan.Hint{Kind: plan.KindInvoice, Number: number, Cause: plan.CauseTick, FirstAt: noon, DueAt: noon.Add(time.Minute), Failures: 1}, Note: wrong(number)}
	}
	if diff := cmp.Diff(plan.UnreadPlan{Postponed: []plan.Reread{again("1"), again("2")}, New: []plan.UnreadOf{first("5"), first("6")}}, p); diff != "" {
		t.Error(diff)
	}
	if asked != 2 {
		t.Errorf("%d times for two numbers of failures", asked)
	}
	p.Wait(hints)
	if h := hints["1"]; h.Failures != 3 || !h.DueAt.Equal(noon.Add(3*time.Minute)) || h.Gen != 4 || len(hints) != 5 || hints["5"] != first("5").Hint {
		t.Errorf("they wait as %+v", hints)
	}
	if p := plan.UnreadInvoices(in); len(p.Postponed)+len(p.New) > 0 {
		t.Errorf("what waits is put off once more: %+v", p)
	}
}

// TestUnreadInvoicesAreCounted: of very many invoices not each has a hint.
func TestUnreadInvoicesAreCounted(t *testing.T) {
	t.Parallel()
	hints := map[string]plan.Hint{"0": {Kind: plan.KindInvoice, Number: "0", DueAt: noon}}
	var numbers []string
	for n := range plan.MostUnread + 10 {
		numbers = append(numbers, fmt.Sprint(n))
	}
	last := numbers[len(numbers)-1]
	hints[last] = plan.Hint{Kind: plan.KindInvoice, Number: last, DueAt: noon}
	p := plan.UnreadInvoices(plan.UnreadInput{Unread: unread(numbers...), Hints: hints, Now: noon,
		Due: func(time.Time) bool { return true }, RetryAt: func(int) time.Time { return noon.Add(time.Hour) }})
	if len(p.New) != plan.MostUnread-2 || len(p.Postponed) != 2 || p.More != 10 || p.Last == nil || p.Last.Error() != "what is wrong with "+numbers[len(numbers)-2] {
		t.Errorf("%d new, %d put off, %d more: %v", len(p.New), len(p.Postponed), p.More, p.Last)
	}
}

// TestStartWindow: a shop begins above the highest number; what lies between the highest
// ones may come yet, and so may what is below where those are all.
func TestStartWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		highest   []int64
		announced int
		want      plan.Window
	}{
		{"none", nil, 0, plan.Window{}},
		{"none of those announced has a number", nil, 3, plan.Window{}},
		{"only the highest of many", []int64{105}, 90, plan.Window{Cursor: 105}},
		{"all", []int64{5, 4}, 2, plan.Window{Cursor: 5, Gaps: []plan.Gap{gap(1, 3, 0)}}},
		{"the highest of many", []int64{105, 103, 104}, 90, plan.Window{Cursor: 105}},
		{"with a gap", []int64{105, 101}, 90, plan.Window{Cursor: 105, Gaps: []plan.Gap{gap(102, 104, 0)}}},
		{"a far higher number", []int64{900_000, 7}, 9, plan.Window{Cursor: 900_000, Gaps: []plan.Gap{gap(8, 899_999, 0)}}},
	} {
		if diff := cmp.Diff(c.want, plan.StartWindow(c.highest, c.announced, noon, time.Hour)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func gap(from, to int64, age time.Duration) plan.Gap {
	return plan.Gap{Range: plan.Range{From: from, To: to}, SeenAt: noon.Add(-age)}
}

// TestGapsInTurn: where not all gaps fit in one call, each is asked for within as many turns
// as it takes, and none is asked for twice before.
func TestGapsInTurn(t *testing.T) {
	t.Parallel()
	var w plan.Window
	none := func([]plan.Range) int { t.Error("nothing to fit"); return 0 }
	if gaps, next := w.Ask(3, none); gaps != nil || next != 3 {
		t.Errorf("without gaps: %v, %d", gaps, next)
	}
	for n := range int64(7) {
		w.Gaps = append(w.Gaps, gap(10*n+1, 10*n+5, 0))
	}
	for fit := 1; fit <= 8; fit++ {
		asked, turn := map[int64]int{}, 0
		for range (len(w.Gaps) + fit - 1) / fit {
			var gaps []plan.Range
			gaps, turn = w.Ask(turn, func(ranges []plan.Range) int {
				if len(ranges) != len(w.Gaps) {
					t.Errorf("%d are to fit", len(ranges))
				}
				return min(fit, len(ranges))
			})
			for _, g := range gaps {
				if asked[g.From]++; g.To != g.From+4 {
					t.Errorf("asked for %v", g)
				}
			}
		}
		for _, g := range w.Gaps {
			if n := asked[g.From]; n == 0 || n > 1 && len(w.Gaps)%fit == 0 {
				t.Errorf("%d at a time: %v was asked for %d times", fit, g, n)
			}
		}
	}
	// A turn may be beyond the gaps that there are by now.
	if gaps, next := w.Ask(23, func([]plan.Range) int { return 2 }); gaps[0].From != 21 || gaps[1].From != 31 || next != 4 {
		t.Errorf("asked for %v, then %d", gaps, next)
	}
	if gaps, next := w.Ask(5, func(all []plan.Range) int { return len(all) }); len(gaps) != 7 || next != 5 {
		t.Errorf("all fit: %v, %d", gaps, next)
	}
}

// TestComparison: each page of a listing is compared with the stored numbers up to its last,
// the last page with all that follow; nothing is concluded where the pages are not in order.
func TestComparison(t *testing.T) {
	t.Parallel()
	invoices := func(numbers ...int64) (list []plan.Invoice) {
		for _, n := range numbers {
			list = append(list, plan.Invoice{Number: n, Date: "2026-11-01"})
		}
		return list
	}
	type page struct {
		listed   []plan.Invoice
		unread   []plan.Unreadable
		last     bool
		from, to int64 // 0, 0: it is compared with none
	}
	const end = math.MaxInt64
	for name, c := range map[string]struct {
		after int64
		pages []page
		ok    bool
	}{
		"in order":                      {0, []page{{invoices(1, 2), nil, false, 1, 2}, {invoices(5), nil, false, 3, 5}, {invoices(7), nil, true, 6, end}}, true},
		"above a number":                {9, []page{{invoices(12), nil, true, 10, end}}, true},
		"nothing":                       {0, []page{{nil, nil, true, 1, end}}, true},
		"an empty page":                 {0, []page{{invoices(2), nil, false, 1, 2}, {nil, nil, false, 0, 0}, {invoices(3), nil, true, 3, end}}, true},
		"not in order on a page":        {0, []page{{invoices(2, 1), nil, false, 1, 2}, {invoices(3), nil, true, 3, end}}, true},
		"a page begins where one ended": {0, []page{{invoices(4), nil, false, 1, 4}, {invoices(4, 5), nil, false, 0, 0}, {nil, nil, true, 0, 0}}, false},
		"a page goes back":              {0, []page{{invoices(4), nil, false, 1, 4}, {invoices(9, 3), nil, false, 0, 0}, {invoices(10), nil, true, 0, 0}}, false},
		"the last one goes back":        {0, []page{{invoices(4), nil, false, 1, 4}, {invoices(3), nil, true, 5, end}}, true},
		"one cannot be read":            {0, []page{{invoices(4), unread("5"), false, 1, 4}, {invoices(6), nil, true, 5, end}}, true},
		"nor its number":                {0, []page{{invoices(4), nil, false, 1, 4}, {invoices(6), unread(""), true, 0, 0}}, false},
		"nor that of the first one":     {0, []page{{invoices(4), unread(""), false, 0, 0}, {invoices(6), nil, true, 0, 0}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			comparison := plan.NewComparison(c.after, "")
			for n, p := range c.pages {
				from, to, ok := comparison.Next(p.listed, p.unread, p.last)
				if want := p.to != 0; ok != want || ok && (from != p.from || to != p.to) {
					t.Fatalf("page %d is compared with %d to %d (%t), expected %d to %d", n, from, to, ok, p.from, p.to)
				}
				if ok {
					comparison.Add(p.listed, nil, p.listed, to)
				}
			}
			if mixed, ok := comparison.Mixed(); len(mixed) != 0 || ok != c.ok {
				t.Errorf("%v, %t", mixed, ok)
			}
		})
	}
	many := plan.NewComparison(0, "2026-10-01")
	var stored []plan.Invoice
	for n := range int64(plan.MostMixed + 5) {
		stored = append(stored, plan.Invoice{Number: n + 1, Date: "2026-11-01"})
	}
	many.Add(nil, []int64{1}, append(invoicesOf("2026-09-30", 2), stored[2:]...), 100)
	if mixed, ok := many.Mixed(); len(mixed) != plan.MostMixed || !ok || mixed[0].Number != 3 {
		t.Errorf("%d are mixed up, the first is %v", len(mixed), mixed[0])
	}
	if _, _, ok := many.Next(invoices(101), nil, false); ok {
		t.Error("more are looked for than are named")
	}
}

func invoicesOf(date string, numbers ...int64) (list []plan.Invoice) {
	for _, n := range numbers {
		list = append(list, plan.Invoice{Number: n, Date: date})
	}
	return list
}

// TestUnreadItems: of the items of a listing that cannot be understood a handful is asked for
// alone, whether they have hints or not; the hints of others fail, except a person's, and those
// without are counted.
func TestUnreadItems(t *testing.T) {
	t.Parallel()
	bad := func(numbers ...string) (list []plan.Unreadable) {
		for _, n := range numbers {
			list = append(list, plan.Unreadable{Number: n, Err: errors.New("odd " + n)})
		}
		return list
	}
	hints := map[string]plan.Hint{"b": {Number: "b", Cause: plan.CauseWebhook}, "g": {Number: "g", Cause: plan.CauseTick}, "h": {Number: "h", Cause: plan.CauseOperator}, "i": {Number: "i", Cause: plan.CauseWebhook}}
	for _, c := range []struct {
		name       string
		pages      [][]plan.Unreadable
		read       int // items of the last page that can be understood
		ask, fail  string
		more       int
		last       string
		tooMany    bool
		throughout string
	}{
		{"none", nil, 0, "", "", 0, "", false, ""},
		{"a handful", [][]plan.Unreadable{bad("a", "b", "c", "d", "e")}, 0, "a c d e", "", 0, "", false, ""},
		{"one more", [][]plan.Unreadable{bad("a", "b", "c", "d", "e", "f")}, 0, "a c d e", "", 1, "odd f", true, `none of 6 items can be read, e.g. "a": odd a`},
		{"beside one that can be read", [][]plan.Unreadable{bad("a", "b", "c"), bad("d", "e", "f")}, 1, "a c d e", "", 1, "odd f", true, ""},
		{"hinted ones", [][]plan.Unreadable{bad("a", "c", "d", "e", "f", "g", "h", "i", "j")}, 0, "a c d e f", "g i", 1, "odd j", true, `none of 9 items can be read, e.g. "a": odd a`},
		{"a page that is read again", [][]plan.Unreadable{bad("a", "b", "c"), bad("a", "b", "c"), bad("d", "e")}, 0, "a c d e", "", 0, "", false, ""},
		{"without numbers", [][]plan.Unreadable{bad("", "", "", "", ""), bad("a")}, 0, "a", "", 0, "", true, `none of 6 items can be read, e.g. "": odd `},
	} {
		var u plan.UnreadItems
		var ask, fail []string
		for n, page := range c.pages {
			p := plan.Page{Unreadable: page}
			if n == len(c.pages)-1 {
				p.Observed = make([]plan.Observation, c.read)
			}
			asked, failed := u.Add(p, hints)
			for _, b := range asked {
				ask = append(ask, b.Number)
			}
			for _, b := range failed {
				fail = append(fail, b.Number)
			}
		}
		last := ""
		if u.Last != nil {
			last = u.Last.Error()
		}
		if strings.Join(ask, " ") != c.ask || strings.Join(fail, " ") != c.fail || u.More != c.more || last != c.last || u.TooMany() != c.tooMany || u.Throughout() != c.throughout {
			t.Errorf("%s: asked for %v, failed %v, %d more, the last is %q, too many %t, %q", c.name, ask, fail, u.More, last, u.TooMany(), u.Throughout())
		}
	}
	var u plan.UnreadItems
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		u.Alone(n, errors.New("odd "+n))
	}
	if !u.TooMany() || u.Last.Error() != "odd f" {
		t.Errorf("read alone: %+v", u)
	}
	if u.Understood("c"); u.TooMany() {
		t.Error("one is understood, and there are still too many")
	}
}

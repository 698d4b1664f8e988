package plan_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// pageOf returns a page of a listing that announces so many items.
func pageOf(announced int, last bool, observed ...plan.Observation) plan.Page {
	return plan.Page{Observed: observed, Announced: announced, Last: last, Began: noon}
}

// items returns observations of items with a figure, or with none where it is "".
func items(inStock string, numbers ...string) []plan.Observation {
	var observed []plan.Observation
	for _, number := range numbers {
		observed = append(observed, seen(item(number, inStock)))
	}
	return observed
}

func unread(numbers ...string) (list []plan.Unreadable) {
	for _, number := range numbers {
		list = append(list, plan.Unreadable{Number: number, Err: errors.New("what is wrong with " + number)})
	}
	return list
}

// listing returns one whose pages have been read, of which all count.
func listing(t *testing.T, pages ...plan.Page) *plan.Listing {
	t.Helper()
	l := plan.NewListing(plan.CauseSweep, 3)
	for _, p := range pages {
		if step := l.Add(p); step != plan.StepStore {
			t.Fatalf("%s at page %d", step, l.Next())
		}
	}
	return l
}

func end(t *testing.T, l *plan.Listing, in plan.ListingEnd) plan.Listed {
	t.Helper()
	listed, err := l.End(in)
	if err != nil {
		t.Fatal(err)
	}
	return listed
}

// TestAddPage is the table in the comment of Add.
func TestAddPage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		announced []int // by the pages read so far
		now       int
		step      plan.Step
		next      int // the page that is read next
	}{
		{"the first page", nil, 9, plan.StepStore, 1},
		{"as many", []int{9}, 9, plan.StepStore, 2},
		{"more", []int{9, 9}, 12, plan.StepStore, 3},
		{"one fewer", []int{9, 9}, 8, plan.StepTurnBack, 1},
		{"a page fewer", []int{9, 9}, 6, plan.StepTurnBack, 1},
		{"a page and one fewer", []int{9, 9}, 5, plan.StepTurnBack, 0},
		{"far fewer", []int{99, 99}, 1, plan.StepTurnBack, 0},
		{"fewer than were announced before more", []int{9, 12}, 9, plan.StepTurnBack, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := plan.NewListing(plan.CauseSweep, 3)
			for _, announced := range c.announced {
				l.Add(pageOf(announced, false, items("1", "a", "b", "c")...))
			}
			if step := l.Add(pageOf(c.now, false, items("1", "a", "b", "c")...)); step != c.step || l.Next() != c.next {
				t.Errorf("%s, page %d is next, expected %s, %d", step, l.Next(), c.step, c.next)
			}
		})
	}
	again := listing(t, pageOf(9, false), pageOf(9, false))
	if first, second := again.Add(pageOf(8, false)), again.Add(pageOf(8, false)); first != plan.StepTurnBack || second != plan.StepStore || again.Next() != 2 {
		t.Errorf("one fewer, and that page again: %s, %s, page %d is next", first, second, again.Next())
	}
	l := plan.NewListing(plan.CauseSweep, 3)
	l.Add(pageOf(9, false, items("1", "a", "b", "c")...))
	l.Add(pageOf(6, false))
	if step := l.Add(pageOf(5, true, items("1", "a")...)); step != plan.StepStore {
		t.Errorf("the first page, when it is read again, shows fewer: %s", step)
	}
	if err := l.Complete(); !plan.IsShort(err) || err.Error() != "announced 5 items and sent 1" {
		t.Errorf("pages that are read again do not count twice: %v", err)
	}
}

// TestTurnBack: whatever is deleted while the pages are turned, no item that
// stays is passed over.
func TestTurnBack(t *testing.T) { //nolint:tparallel // many short subtests
	t.Parallel()
	for all := 1; all <= 10; all++ {
		for at := range 5 {
			for from := range all {
				for many := 1; from+many <= all; many++ {
					t.Run(fmt.Sprintf("%d of %d from the %d. before page %d", many, all, from, at), func(t *testing.T) {
						deleteWhileListed(t, all, at, from, many)
					})
				}
			}
		}
	}
}

func deleteWhileListed(t *testing.T, all, at, from, many int) {
	t.Helper()
	const pageSize = 3
	numbers := make([]string, all)
	for n := range numbers {
		numbers[n] = fmt.Sprint(n)
	}
	l := plan.NewListing(plan.CauseSweep, pageSize)
	read := map[string]bool{}
	for turned := 0; ; turned++ {
		if turned > 20 {
			t.Fatal("it never ends")
		}
		if turned == at {
			numbers = append(numbers[:from:from], numbers[from+many:]...)
		}
		first := min(l.Next()*pageSize, len(numbers))
		on := numbers[first:min(first+pageSize, len(numbers))]
		p := plan.Page{Unreadable: unread(on...), Announced: len(numbers), Last: first+pageSize >= len(numbers)}
		if l.Add(p) == plan.StepTurnBack {
			continue
		}
		for _, number := range on {
			read[number] = true
		}
		if p.Last {
			break
		}
	}
	for _, number := range numbers {
		if !read[number] {
			t.Errorf("%s was passed over", number)
		}
	}
	if err := l.Complete(); err != nil {
		t.Error(err)
	}
}

// TestCursorAfterListing is the table in the comment of cursor.
func TestCursorAfterListing(t *testing.T) {
	t.Parallel()
	old, now, before := noon.Add(-time.Hour), noon.Add(-time.Minute+1), noon.Add(-time.Minute)
	at := func(updated time.Time) plan.Observation {
		o := seen(item("a", "1"))
		o.Item.UpdatedAt = updated
		return o
	}
	unknown := func(field plan.Fields) plan.Observation {
		o := at(time.Time{})
		o.Unknown, o.Warning = field, "x"
		return o
	}
	for _, c := range []struct {
		name          string
		pages         int
		cursor, swept bool
		observed      []plan.Observation
		want          plan.CursorStep
	}{
		{"one page", 1, true, true, []plan.Observation{at(now)}, plan.CursorFollows},
		{"one page, the first", 1, false, false, []plan.Observation{at(now)}, plan.CursorFollows},
		{"one page, times that are not known", 1, false, false, []plan.Observation{unknown(plan.FieldUpdatedAt)}, plan.CursorFollows},
		{"several, and a cursor", 2, true, true, []plan.Observation{at(old)}, plan.CursorStays},
		{"several, and a cursor of tokens before", 2, true, false, []plan.Observation{at(old)}, plan.CursorStays},
		{"several, changed meanwhile", 2, false, false, []plan.Observation{at(old), at(now)}, plan.CursorStays},
		{"several, changed after it began", 2, false, false, []plan.Observation{at(noon.Add(time.Hour))}, plan.CursorStays},
		{"several, not known", 2, false, false, []plan.Observation{at(old), unknown(plan.FieldUpdatedAt)}, plan.CursorStays},
		{"several, one not known and then one that is", 2, false, false, []plan.Observation{unknown(plan.FieldUpdatedAt), at(old)}, plan.CursorStays},
		{"several, other fields not known", 2, false, false, []plan.Observation{at(old), unknown(plan.FieldBarred)}, plan.CursorFollows},
		{"several, nothing changed", 2, false, false, []plan.Observation{at(before)}, plan.CursorFollows},
		{"several, changed, for the second time", 2, false, true, []plan.Observation{at(now)}, plan.CursorFollows},
	} {
		for clock, serverDate := range map[string]time.Time{"our clock": {}, "theirs": noon} {
			t.Run(c.name+", by "+clock, func(t *testing.T) {
				t.Parallel()
				last := pageOf(len(c.observed), true, c.observed...)
				last.ServerDate = serverDate
				if !serverDate.IsZero() {
					last.Began = noon.Add(time.Hour) // ours is ahead
				}
				pages := []plan.Page{last}
				for range c.pages - 1 {
					first := last
					first.Observed, first.Last = nil, false
					pages = slices.Insert(pages, 0, first)
				}
				if got := end(t, listing(t, pages...), plan.ListingEnd{Cursor: c.cursor, Swept: c.swept, Coarse: time.Minute}).Cursor; got != c.want {
					t.Errorf("%s, expected %s", got, c.want)
				}
			})
		}
	}
}

// TestListed: what a listing came to is told of all its pages.
func TestListed(t *testing.T) {
	t.Parallel()
	first := pageOf(5, false, items("1", "a", "b")...)
	first.Unreadable, first.ServerDate = unread("c"), noon.Add(time.Second)
	second := pageOf(5, true, items("0", "d")...)
	second.Unreadable, second.Began = unread("e"), noon.Add(time.Minute)
	late := noon.Add(time.Hour)
	first.Observed[1].Item.UpdatedAt = late
	l := listing(t, first, second)
	if began, server := l.Began(); !began.Equal(noon) || !server.Equal(noon.Add(time.Second)) || l.Cause() != plan.CauseSweep {
		t.Errorf("it began at %s, %s", began, server)
	}
	for _, number := range []string{"a", "c", "x", "y", "z"} {
		l.Stored(number, number == "y")
	}
	listed := end(t, l, plan.ListingEnd{Began: noon.Add(-time.Second), Suspected: map[string]plan.Suspect{"x": {Unlisted: true, Announced: true}, "a": {Unlisted: true}}})
	missing := map[string]plan.Suspect{}
	for _, number := range []string{"x", "y", "z"} {
		missing[number] = plan.Suspect{Began: noon.Add(-time.Second), Loss: true, Cause: plan.CauseSweep, Unlisted: number == "x"}
	}
	if diff := cmp.Diff(missing, listed.Missing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(missing, listed.Takes); diff != "" {
		t.Error(diff)
	}
	if listed.Items != 5 || listed.Empty || !listed.Latest.Equal(late) || listed.Suspicion != plan.SuspicionNone || listed.Says != "" || listed.Nameless != 0 || len(listed.Unreadable) != 2 {
		t.Errorf("%+v", listed)
	}
	// Stored, listed, or not to be understood: all others do not exist.
	if got := listed.Absent(slices.Values([]string{"n", "y", "b", "e", "m"})); !slices.Equal(got, []string{"m", "n"}) {
		t.Errorf("absent are %v", got)
	}
	if got, all := listed.Ask(func(number string) bool { return number == "y" }); !slices.Equal(got, []string{"x", "z"}) || !all {
		t.Errorf("asked for are %v, all %t", got, all)
	}
}

// TestListedWithoutNames: an item without a readable number may be any number.
func TestListedWithoutNames(t *testing.T) {
	t.Parallel()
	p := pageOf(3, true, items("1", "a")...)
	p.Unreadable = unread("b", "")
	l := listing(t, p)
	listed := end(t, l, plan.ListingEnd{})
	if listed.Nameless != 1 || listed.NamelessErr == nil || listed.Absent(slices.Values([]string{"n"})) != nil {
		t.Errorf("%+v", listed)
	}
	if listed.Says != "" || l.Says() == "" {
		t.Errorf("the next one that says the same would be nothing to look at: %q, %q", listed.Says, l.Says())
	}
}

// TestReadAgain: what could not be understood on a page may be when it is read again.
func TestReadAgain(t *testing.T) {
	t.Parallel()
	l := plan.NewListing(plan.CauseSweep, 3)
	first := pageOf(4, false)
	first.Unreadable = unread("a", "c")
	l.Add(first)
	l.Add(pageOf(3, true))
	zeroes := items("0", "a", "b", "c")
	for i := range zeroes {
		zeroes[i].Item.Figures.Available = figure("0")
	}
	l.Add(pageOf(3, true, zeroes...))
	listed := end(t, l, plan.ListingEnd{})
	if len(listed.Unreadable) != 0 || listed.Items != 3 || listed.Suspicion != plan.SuspicionAllZero || listed.Says == "" {
		t.Errorf("%+v", listed)
	}
}

// TestShortListing: nothing is concluded from a listing that was cut short, and an empty
// one is told apart from one that cannot be understood.
func TestShortListing(t *testing.T) {
	t.Parallel()
	l := listing(t, pageOf(3, true, items("1", "a", "b")...))
	if _, err := l.End(plan.ListingEnd{}); !plan.IsShort(err) || l.Says() != "" {
		t.Errorf("cut short: %v, %q", err, l.Says())
	}
	more := listing(t, pageOf(1, true, items("1", "a", "b")...)) // one was added meanwhile
	if listed := end(t, more, plan.ListingEnd{}); listed.Items != 2 {
		t.Errorf("%+v", listed)
	}
	if listed := end(t, listing(t, pageOf(0, true)), plan.ListingEnd{}); !listed.Empty || listed.Says == "" {
		t.Errorf("nothing: %+v", listed)
	}
	p := pageOf(1, true)
	p.Unreadable = unread("a")
	if listed := end(t, listing(t, p), plan.ListingEnd{}); listed.Empty || listed.Items != 1 {
		t.Errorf("one that cannot be understood: %+v", listed)
	}
}

// TestAskAtOnce: of very many missing items the first are asked for, those that a hint
// asks for already not among them.
func TestAskAtOnce(t *testing.T) {
	t.Parallel()
	for many, all := range map[int]bool{plan.MissingAtOnce: true, plan.MissingAtOnce + 1: false} {
		l := listing(t, pageOf(0, true))
		for n := range many + 5 {
			l.Stored(fmt.Sprintf("n%03d", n), n < 5)
		}
		listed := end(t, l, plan.ListingEnd{})
		got, whole := listed.Ask(func(number string) bool { return number < "n005" })
		if len(got) != plan.MissingAtOnce || whole != all || got[0] != "n005" {
			t.Errorf("of %d: %d, all %t: %v", many, len(got), whole, got)
		}
	}
}

// TestListingsSayTheSame: a listing says the same only if it does to the letter, also of
// what cannot be understood.
func TestListingsSayTheSame(t *testing.T) {
	t.Parallel()
	other := func(change func(*plan.Observation)) plan.Page {
		o := seen(item("a", "1"))
		change(&o)
		return pageOf(1, true, o)
	}
	with := func(unreadable ...plan.Unreadable) plan.Page {
		p := pageOf(1+len(unreadable), true, items("1", "a")...)
		p.Unreadable = unreadable
		return p
	}
	said := map[string]string{}
	for name, p := range map[string]plan.Page{
		"plain":              other(func(*plan.Observation) {}),
		"number":             other(func(o *plan.Observation) { o.Item.Number = "A" }),
		"name":               other(func(o *plan.Observation) { o.Item.Name += " " }),
		"bar code":           other(func(o *plan.Observation) { o.Item.BarCode = "1" }),
		"barred":             other(func(o *plan.Observation) { o.Item.Barred = true }),
		"inventory":          other(func(o *plan.Observation) { o.Item.InventoryEnabled = false }),
		"stock":              other(func(o *plan.Observation) { o.Item.Figures.InStock = figure("2") }),
		"ordered":            other(func(o *plan.Observation) { o.Item.Figures.OrderedByCustomers = figure("2") }),
		"updated":            other(func(o *plan.Observation) { o.Item.UpdatedAt = noon }),
		"a warning":          other(func(o *plan.Observation) { o.Warning = "x" }),
		"barred, unknown":    other(func(o *plan.Observation) { o.Unknown, o.Warning = plan.FieldBarred, "x" }),
		"time, unknown":      other(func(o *plan.Observation) { o.Unknown, o.Warning = plan.FieldUpdatedAt, "x" }),
		"time, otherwise":    other(func(o *plan.Observation) { o.Unknown, o.Warning = plan.FieldUpdatedAt, "y" }),
		"one more":           pageOf(2, true, items("1", "a", "b")...),
		"another cannot be":  with(unread("b")...),
		"has another reason": with(plan.Unreadable{Number: "b", Err: errors.New("y")}),
		"nor its number":     with(plan.Unreadable{Err: errors.New("y")}),
		"in another order":   pageOf(2, true, items("1", "b", "a")...),
	} {
		says := listing(t, p).Says()
		if again := listing(t, p).Says(); says == "" || says != again || strings.TrimLeft(says, "0123456789abcdef") != "" {
			t.Errorf("%s: %q, then %q", name, says, again)
		}
		if before := said[says]; before != "" {
			t.Errorf("%q and %q say the same", name, before)
		}
		said[says] = name
	}
	if says := listing(t, pageOf(2, false, items("1", "a")...), pageOf(2, true, items("1", "b")...)).Says(); says != "" {
		t.Errorf("one of two pages says %q", says)
	}
}

// TestLookOnly: what a listing that is only looked at would take away is what its pages
// show, the latest of each; a read beside it refutes what it does not show itself.
func TestLookOnly(t *testing.T) {
	t.Parallel()
	loss := plan.Suspect{Loss: true}
	l := listing(t, pageOf(9, false))
	shows := func(restored []string, less []string, numbers ...string) {
		p := plan.ItemsPlan{Restored: restored, Suspected: map[string]plan.Suspect{}}
		for _, number := range less {
			p.Suspected[number] = loss
		}
		l.Look(items("0", numbers...), p)
	}
	shows([]string{"r", "s"}, []string{"a", "b", "c"}, "a", "b", "c", "r", "s")
	shows(nil, []string{"b"}, "b", "c", "s") // a page is read again
	l.Refute(plan.LossRead{Seen: items("1", "a", "b"), Suspects: map[string]plan.Suspect{"b": loss}})
	shows(nil, []string{"d"}, "d")
	l.Add(pageOf(0, true))
	l.Add(pageOf(0, true))
	l.Stored("m", false)
	listed := end(t, l, plan.ListingEnd{})
	if got := slices.Sorted(maps.Keys(listed.Takes)); !slices.Equal(got, []string{"b", "d", "m"}) {
		t.Errorf("it would take away %v", got)
	}
	if got := slices.Sorted(maps.Keys(listed.Back)); !slices.Equal(got, []string{"r"}) {
		t.Errorf("in stock again are %v", got)
	}
	if len(listed.Missing) != 1 {
		t.Errorf("missing are %v", listed.Missing)
	}
}

// TestFigureSearch is the table in the comment of Supply.
func TestFigureSearch(t *testing.T) {
	t.Parallel()
	bad := pageOf(2, true, items("", "a")...)
	bad.Unreadable = unread("b")
	mixed := pageOf(4, false, items("1", "a")...)
	mixed.Unreadable = unread("b")
	none := pageOf(2, true)
	none.Unreadable = unread("a", "b")
	for _, c := range []struct {
		name   string
		pages  []plan.Page
		looked int // at so many of them
		want   plan.Supply
	}{
		{"no items", []plan.Page{pageOf(0, true)}, 1, plan.SupplyThere},
		{"figures", []plan.Page{pageOf(4, false, items("1", "a", "b")...), pageOf(4, true, items("", "c")...)}, 1, plan.SupplyThere},
		{"zeroes", []plan.Page{pageOf(2, true, items("0", "a", "b")...)}, 1, plan.SupplyThere},
		{"a figure on the second page", []plan.Page{pageOf(4, false, items("", "a", "b")...), pageOf(4, false, items("1", "c")...), pageOf(4, true)}, 2, plan.SupplyThere},
		{"none", []plan.Page{pageOf(4, false, items("", "a", "b")...), pageOf(4, true, items("", "c", "d")...)}, 2, plan.SupplyNone},
		{"one cannot be understood, on the first page", []plan.Page{bad, pageOf(4, true, items("", "c")...)}, 2, plan.SupplyUnknown},
		{"one cannot be understood", []plan.Page{pageOf(4, false, items("", "c")...), bad}, 2, plan.SupplyUnknown},
		{"one cannot be understood, another carries a figure", []plan.Page{mixed, pageOf(4, true)}, 1, plan.SupplyThere},
		{"one cannot be understood, and a figure follows", []plan.Page{bad, pageOf(4, true, items("1", "c")...)}, 2, plan.SupplyThere},
		{"a page of deleted items", []plan.Page{pageOf(4, false, notFound("a")), pageOf(4, true, items("", "c")...)}, 2, plan.SupplyNone},
		{"none can be understood", []plan.Page{none, pageOf(4, true, items("1", "c")...)}, 1, plan.SupplyUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var search plan.FigureSearch
			looked := 0
			for _, p := range c.pages {
				looked++
				if search.Add(p) {
					break
				}
			}
			if got := search.Supply(); got != c.want || looked != c.looked {
				t.Errorf("%s by %d pages, expected %s by %d", got, looked, c.want, c.looked)
			}
		})
	}
	var search plan.FigureSearch
	enabled := items("", "a", "b", "c")
	enabled[1].Item.InventoryEnabled = true
	search.Add(pageOf(3, true, enabled...))
	if got, want := search.Detail(), "none of 3 items carries a stock figure (1 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestShownAsDeleted: an item that a listing shows as deleted is none of those that it has, and
// says nothing of the figures; but it was shown.
func TestShownAsDeleted(t *testing.T) {
	t.Parallel()
	deleted := plan.Observation{Item: item("c", "")}
	l := listing(t, pageOf(3, true, append(items("1", "a", "b"), deleted)...))
	for _, number := range []string{"a", "b", "c"} {
		l.Stored(number, false)
	}
	listed := end(t, l, plan.ListingEnd{})
	if listed.Items != 2 || len(listed.Missing) != 0 || listed.Empty {
		t.Errorf("%d items, missing %v, empty: %t", listed.Items, listed.Missing, listed.Empty)
	}
	// A page that is read again may show it once more.
	l = plan.NewListing(plan.CauseSweep, 1)
	l.Add(pageOf(2, false, deleted))
	l.Add(pageOf(1, true))
	l.Add(pageOf(1, true, items("1", "c")...))
	if listed := end(t, l, plan.ListingEnd{}); listed.Items != 1 {
		t.Errorf("%d items after it came back", listed.Items)
	}
	var search plan.FigureSearch
	if search.Add(plan.Page{Observed: []plan.Observation{deleted}}); search.Items != 0 || search.Supply() != plan.SupplyThere {
		t.Errorf("%d items to search for a figure: %s", search.Items, search.Supply())
	}
}

// TestListingsSayPlaces: listings that differ only in what is in a place, or in what is deleted, do not
// say the same.
func TestListingsSayPlaces(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, o := range []plan.Observation{
		{Item: plan.Item{Number: "a"}}, {Item: plan.Item{Number: "a"}, Found: true},
		{Item: plan.Item{Number: "a"}, Found: true, Places: []plan.PlaceStock{{Place: "1", InStock: decimal.NewFromInt(2)}, {Place: "4"}}},
		{Item: plan.Item{Number: "a"}, Found: true, Places: []plan.PlaceStock{{Place: "1"}, {Place: "4", InStock: decimal.NewFromInt(2)}}},
	} {
		said[listing(t, pageOf(1, true, o)).Says()] = true
	}
	if len(said) != 4 || said[""] {
		t.Errorf("4 listings say %d different things", len(said))
	}
}

// TestOverrun: a listing is given up that goes on although everything has come, or shows more items
// than lagerd reads.
func TestOverrun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages []plan.Page
		says  string
	}{
		"as announced":               {[]plan.Page{pageOf(5, false, items("1", "a", "b", "c")...), pageOf(5, true, items("1", "d", "e")...)}, ""},
		"more than announced":        {[]plan.Page{pageOf(4, false, items("1", "a", "b", "c")...), pageOf(4, true, items("1", "d", "e")...)}, ""},
		"an empty last page":         {[]plan.Page{pageOf(3, false, items("1", "a", "b", "c")...), pageOf(3, true)}, ""},
		"nothing announced at first": {[]plan.Page{pageOf(0, false, items("1", "a", "b", "c")...), pageOf(5, false, items("1", "d", "e", "f")...)}, ""},
		"all have come":              {[]plan.Page{pageOf(3, false, items("1", "a", "b", "c")...), pageOf(3, false, items("1", "a", "b", "c")...)}, "the listing does not end: 3 items of 3 had come, and there are more pages"},
	} {
		l := listing(t, c.pages...)
		if err := l.Overrun(); fmt.Sprint(err) != c.says && (err != nil || c.says != "") {
			t.Errorf("%s: %v, expected %q", name, err, c.says)
		}
	}
	l := plan.NewListing(plan.CauseSweep, plan.PageSize)
	numbers := make([]plan.Observation, plan.PageSize)
	for page := 0; l.Overrun() == nil; page++ {
		for n := range numbers {
			numbers[n].Item.Number = fmt.Sprint(page, " ", n)
		}
		l.Add(pageOf((page+2)*plan.PageSize, false, numbers...))
		if page > 500 {
			t.Fatal("it goes on")
		}
	}
	if got := l.Overrun().Error(); got != "the listing has shown 501000 items, and there are more: lagerd reads 500000 at most" {
		t.Error(got)
	}
}

package source_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lagerd/plan"
	"lagerd/source"
)

var errRefused = errors.New("refused")

// TestPages: a page is written "sent/announced"; "x" is a page that cannot be read, and
// "-n" has n unreadable entries beside a readable one; "~" is one that is not finished.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pages string
		want  []string // one text per page yielded
	}{
		{"0/0", []string{"0"}},
		{"3/3", []string{"3"}},
		{"3/7 3/7 1/7", []string{"3", "3", "1"}},
		{"4/3", []string{"4"}}, // an entry that was read twice counts twice
		{"3/7 3/8 1/7", []string{"3", "3", "1"}},
		{"2/3", []string{"2: announced 3 things and sent 2"}},
		{"0/1", []string{"0: announced 1 things and sent 0"}},
		{"3/7 3/7 0/7", []string{"3", "3", "0: announced 7 things and sent 6"}},
		{"3/6 3/7", []string{"3", "3: announced 7 things and sent 6"}}, // the last announcement counts
		{"-2/3", []string{"3"}},
		{"-2/6 3/6", []string{"3", "3"}}, // what cannot be read came, too
		{"-2/6 2/6", []string{"3", "2: announced 6 things and sent 5"}},
		{"-2/3 1/3 1/3", []string{"3", "0: the listing does not end: 3 things of 3 had come, and there are more pages"}},
		{"3/3 0/3", []string{"3", "0"}},
		{"3/3 3/3", []string{"3", "3"}},
		{"3/3 3/3 3/3", []string{"3", "0: the listing does not end: 3 things of 3 had come, and there are more pages"}},
		{"3/3 3/4 3/9", []string{"3", "3", "3"}}, // one was added meanwhile, and then more
		{"0/0 3/0", []string{"0: the listing does not end: 0 things of 0 had come, and there are more pages"}},
		{"x", []string{"0: refused"}},
		{"~/7 ~/7 3/7 ~/7 4/7", []string{"3", "4"}}, // pages that take several reads
		{"~/0 0/0", []string{"0"}},
		{"3/3 ~/3 ~/3 0/3", []string{"3", "0"}},
		{"~/3 x", []string{"0: refused"}},
		{"~/3 2/3", []string{"2: announced 3 things and sent 2"}},
		{"3/7 x", []string{"3", "0: refused"}},
	} {
		t.Run(c.pages, func(t *testing.T) {
			t.Parallel()
			pages := strings.Fields(c.pages)
			var got []string
			for p, err := range source.Pages("things", list(pages)) {
				text := fmt.Sprint(p.Size())
				if err != nil {
					text += ": " + err.Error()
				}
				if plan.IsShort(err) != strings.Contains(text, "announced") {
					t.Errorf("%q counts as short: %t", text, plan.IsShort(err))
				}
				got = append(got, text)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, expected %q", got, c.want)
			}
		})
	}
}

// list returns a function that reads the pages, linked by their index.
func list(pages []string) func(source.Link) (source.Page[int], error) {
	return func(link source.Link) (source.Page[int], error) {
		n := 0
		_, _ = fmt.Sscan(string(link), &n)
		var p source.Page[int]
		if pages[n] == "x" {
			return source.Page[int]{Observed: make([]int, 9)}, errRefused
		}
		came := 0
		sent, isUnfinished := strings.CutPrefix(pages[n], "~")
		if p.Unfinished = isUnfinished; isUnfinished {
			sent = "0" + sent
		}
		_, _ = fmt.Sscanf(sent, "%d/%d", &came, &p.Announced)
		if came < 0 {
			p.Unreadable, came = make([]plan.Unreadable, -came), 1
		}
		p.Observed = make([]int, came)
		if n+1 < len(pages) {
			p.Next = source.Link(fmt.Sprint(n + 1))
		}
		return p, nil
	}
}

// TestPagesAreReadWhenWanted: a caller that stops early causes no further call.
func TestPagesAreReadWhenWanted(t *testing.T) {
	t.Parallel()
	read, calls := list([]string{"1/3", "1/3", "1/3"}), 0
	for range source.Pages("things", func(link source.Link) (source.Page[int], error) {
		calls++
		return read(link)
	}) {
		break
	}
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

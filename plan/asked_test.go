package plan_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
)

// TestAsked: what was not asked for is a stray, unless it is stored or hinted.
func TestAsked(t *testing.T) {
	t.Parallel()
	of := func(number int64, date string) plan.Invoice { return plan.Invoice{Number: number, Date: date} }
	all, after := plan.Asked{}, plan.Asked{HasAfter: true, After: 10, Ranges: []plan.Range{{From: 3, To: 4}, {From: 7, To: 7}}}
	numbers, dated := plan.Asked{Ranges: []plan.Range{{From: 3, To: 4}}}, plan.Asked{DateFrom: "2026-11-01"}
	fromOne, both := plan.Asked{HasAfter: true}, plan.Asked{HasAfter: true, After: 10, DateFrom: "2026-11-01"}
	const before, start, later = "2026-10-31", "2026-11-01", "2026-11-02"
	for _, row := range []struct {
		name     string
		asked    plan.Asked
		observed []plan.Invoice
		unread   []string
		stored   int64
		hinted   string
		want     []int64
		wantBad  []string
		strays   plan.Strays
	}{
		{"all are asked for", all, []plan.Invoice{of(1, before), of(0, "")}, []string{"2", ""}, 0, "", []int64{1, 0}, []string{"2", ""}, plan.Strays{}},
		{"numbers above one, and ranges", after, []plan.Invoice{of(2, ""), of(3, ""), of(4, ""), of(5, later), of(7, ""), of(8, ""), of(10, ""), of(11, before)}, nil, 0, "",
			[]int64{3, 4, 7, 11}, nil, plan.Strays{Count: 4, Example: plan.Stray{Number: 2}}},
		{"above zero are all", fromOne, []plan.Invoice{of(1, before)}, []string{"2"}, 0, "", []int64{1}, []string{"2"}, plan.Strays{}},
		{"ranges alone", numbers, []plan.Invoice{of(2, before), of(3, before), of(5, "")}, nil, 0, "", []int64{3}, nil, plan.Strays{Count: 2, Example: plan.Stray{Number: 2, Date: before}}},
		{"a date", dated, []plan.Invoice{of(9, start), of(8, before), of(7, later), of(6, "")}, nil, 0, "", []int64{9, 7, 6}, nil, plan.Strays{Count: 1, Example: plan.Stray{Number: 8, Date: before}}},
		{"a number and a date", both, []plan.Invoice{of(11, start), of(11, before), of(10, start)}, nil, 0, "", []int64{11}, nil, plan.Strays{Count: 2, Example: plan.Stray{Number: 11, Date: before}}},
		{"what is stored stays", after, []plan.Invoice{of(2, before), of(5, before)}, nil, 2, "", []int64{2}, nil, plan.Strays{Count: 1, Example: plan.Stray{Number: 5, Date: before}}},
		{"what is hinted is stored", dated, []plan.Invoice{of(2, before), of(5, before)}, nil, 0, "2", []int64{2}, nil, plan.Strays{Count: 1, Example: plan.Stray{Number: 5, Date: before}}},
		{"unreadable, of another number", after, nil, []string{"2", "3", "11", ""}, 0, "", nil, []string{"3", "11", ""}, plan.Strays{Count: 1, Example: plan.Stray{Number: 2}}},
		{"unreadable, of a date that counts", dated, []plan.Invoice{of(9, start)}, []string{"2"}, 0, "", []int64{9}, []string{"2"}, plan.Strays{}},
		{"unreadable, of a date that is ignored", dated, []plan.Invoice{of(9, start), of(8, before)}, []string{"2", "3", "4", ""}, 3, "4", []int64{9}, []string{"3", "4", ""},
			plan.Strays{Count: 2, Example: plan.Stray{Number: 8, Date: before}}},
		{"unreadable, and the last of the page was asked for", dated, []plan.Invoice{of(8, before), of(9, start)}, []string{"2"}, 0, "", []int64{9}, nil,
			plan.Strays{Count: 2, Example: plan.Stray{Number: 8, Date: before}}},
		{"unreadable, and the date of a hinted one is earlier", dated, []plan.Invoice{of(8, before)}, []string{"2"}, 0, "8", []int64{8}, nil, plan.Strays{Count: 1, Example: plan.Stray{Number: 2}}},
	} {
		var unread []plan.Unreadable
		for _, number := range row.unread {
			unread = append(unread, plan.Unreadable{Number: number, Err: errors.New("broken")})
		}
		got, bad, strays := row.asked.Sort(row.observed, unread, map[int64]bool{row.stored: row.stored != 0}, map[string]plan.Hint{row.hinted: {}})
		var numbers []int64
		for _, inv := range got {
			numbers = append(numbers, inv.Number)
		}
		var badNumbers []string
		for _, u := range bad {
			badNumbers = append(badNumbers, u.Number)
		}
		if diff := cmp.Diff([]any{row.want, row.wantBad, row.strays}, []any{numbers, badNumbers, strays}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

// TestStrays: they are counted over the pages, and named by the first.
func TestStrays(t *testing.T) {
	t.Parallel()
	var s plan.Strays
	if s.Err() != nil {
		t.Errorf("none: %v", s.Err())
	}
	s.Add(plan.Strays{Count: 2, Example: plan.Stray{Number: 7, Date: "2026-10-31"}})
	s.Add(plan.Strays{Count: 1, Example: plan.Stray{Number: 8}})
	s.Add(plan.Strays{})
	if s.Count != 3 || s.Err().Error() != "e.g. invoice 7 of 2026-10-31" {
		t.Errorf("%+v: %v", s, s.Err())
	}
	if err := (plan.Strays{Count: 1, Example: plan.Stray{Number: 8}}).Err(); err.Error() != "e.g. invoice 8" {
		t.Errorf("without a date: %v", err)
	}
}

// TestTellsHighest: a first page that is short, or in another order, does not tell where a shop
// begins: everything above would count as booked later.
func TestTellsHighest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name            string
		numbers         []int64
		announced, came int
		more            bool
		short, fails    bool
	}{
		{"none", nil, 0, 0, false, false, false},
		{"all", []int64{5, 3}, 2, 2, false, false, false},
		{"all, in another order", []int64{3, 5}, 2, 2, false, false, false},
		{"none of some", nil, 3, 0, false, true, true},
		{"too few", []int64{5, 3}, 3, 2, false, true, true},
		{"all, one unreadable", []int64{5, 3}, 3, 3, false, false, false},
		{"the highest", []int64{9, 7, 5}, 90, 3, true, false, false},
		{"the lowest", []int64{1, 2, 3}, 90, 3, true, false, true},
		{"any", []int64{9, 2, 3}, 90, 3, true, false, true},
	} {
		if err := plan.TellsHighest(row.numbers, row.announced, row.came, row.more); (err != nil) != row.fails || plan.IsShort(err) != row.short {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// TestListsAgain: a second listing is read only if it takes fewer calls.
func TestListsAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		differing, pages int
		want             bool
	}{
		{0, 1, false}, {5, 1, false}, {6, 1, true}, {150, 1, true}, {50, 50, false}, {51, 50, true},
		{100_000, 199, true}, {100_000, 200, false}, // of those, only 200 are read alone
	} {
		if got := listsAgain(c.differing, c.pages); got != c.want {
			t.Errorf("%d differences, %d pages: %t", c.differing, c.pages, got)
		}
	}
}

// TestWithRetry: a comparison repeats a read that may succeed the next time, twice at most, and no other.
func TestWithRetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class plan.Class
		fails int // times
		reads int
		took  time.Duration
		err   bool
	}{
		"it succeeds":             {plan.ClassInterrupted, 0, 1, 0, false},
		"it fails once":           {plan.ClassInterrupted, 1, 2, 2 * time.Second, false},
		"it fails twice":          {plan.ClassBusy, 2, 3, 6 * time.Second, false},
		"it fails three times":    {plan.ClassHanging, 3, 3, 6 * time.Second, true},
		"the day is spent":        {plan.ClassDay, 3, 1, 0, true},
		"it is odd":               {plan.ClassNumber, 3, 1, 0, true},
		"it is refused":           {plan.ClassPart, 3, 1, 0, true},
		"it is another's mistake": {plan.ClassNone, 3, 1, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, reads := time.Now(), 0
			_, err := withRetry(t.Context(), func() (int, error) {
				if reads++; reads <= c.fails {
					return 0, &source.Error{Class: c.class, Err: errors.New("no")}
				}
				return reads, nil
			})
			if took := time.Since(began); reads != c.reads || took != c.took || (err != nil) != c.err {
				t.Errorf("%s: %d reads in %s, %v", name, reads, took, err)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	reads := 0
	if _, err := withRetry(ended, func() (int, error) { reads++; return 0, &source.Error{Class: plan.ClassBusy, Err: errors.New("no")} }); err == nil || reads != 1 {
		t.Errorf("nobody waits: %d reads, %v", reads, err)
	}
}

// TestBeforeStart: which invoices no reconciliation looks for.
func TestBeforeStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shop   store.Shop
		begun  bool
		cursor int64
		number int64
		date   string
		before bool
	}{
		"dated before":                     {store.Shop{InvoicesFrom: "2026-11-01"}, false, 0, 5, "2026-10-31", true},
		"dated on the day":                 {store.Shop{InvoicesFrom: "2026-11-01"}, false, 0, 5, "2026-11-01", false},
		"no date that can be read":         {store.Shop{InvoicesFrom: "2026-11-01"}, false, 0, 5, "", false},
		"numbered before":                  {store.Shop{InvoicesFromNumber: 6}, false, 0, 5, "2026-11-01", true},
		"the number itself":                {store.Shop{InvoicesFromNumber: 6}, false, 0, 6, "2026-10-01", false},
		"numbered before, without a date":  {store.Shop{InvoicesFromNumber: 6}, false, 0, 5, "", true},
		"above the cursor":                 {store.Shop{InvoicesFrom: "2026-11-01"}, true, 4, 5, "2026-10-31", false},
		"at the cursor":                    {store.Shop{InvoicesFrom: "2026-11-01"}, true, 5, 5, "2026-10-31", true},
		"above one that says nothing yet":  {store.Shop{InvoicesFrom: "2026-11-01"}, false, 4, 5, "2026-10-31", true},
		"from the first, whatever it says": {store.Shop{}, false, 0, 1, "2001-01-01", false},
	} {
		d := invoicesDiff{Diff{Shop: c.shop, Progress: store.Progress{InvoicesBegun: c.begun, InvoiceCursor: c.cursor}}}
		if note := d.beforeStart(c.number, c.date); (note != "") != c.before {
			t.Errorf("%s: %q", name, note)
		}
	}
}

package cli

import (
	"strings"
	"testing"

	"lagerd/plan"
)

func TestInvoicesFrom(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		date   string
		number int64
		err    string
	}{
		"2026-11-23": {date: "2026-11-23"}, "1": {number: 1}, "20145": {number: 20145}, "20261345": {number: 20261345}, "99999999": {number: 99999999},
		"202611010": {number: 202611010}, "261101": {number: 261101}, "number:20261101": {number: 20261101}, "number:7": {number: 7},
		"20261101": {err: "Use 2026-11-01 for the date, or number:20261101 for the invoice"},
		"01112026": {err: "Use 2026-11-01"}, "31122026": {err: "Use 2026-12-31"}, "20240229": {err: "2024-02-29"},
		"20230229": {number: 20230229}, // no such day
		"":         {err: "expected a date"}, "0": {err: "from 1"}, "-5": {err: "from 1"}, "+5": {err: "from 1"}, "number:": {err: "from 1"}, "number:2026-11-01": {err: "from 1"},
		"2026-11-1": {err: "expected a date"}, "01-11-2026": {err: "expected a date"}, "2026-11-31": {err: "expected a date"}, "yesterday": {err: "expected a date"},
	} {
		date, number, err := invoicesFrom(text)
		if want.err == "" && err != nil || want.err != "" && (err == nil || !strings.Contains(err.Error(), want.err)) {
			t.Errorf("%q: %v, want an error with %q", text, err, want.err)
		}
		if err == nil && (date != want.date || number != want.number) {
			t.Errorf("%q: %q %d, want %q %d", text, date, number, want.date, want.number)
		}
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept, items bool
		given         consent
		want          string
	}{
		{false, false, consent{}, ""},
		{true, false, consent{}, ""},
		{true, false, consent{Agreement: 5}, ""},
		{true, false, consent{Yes: true, Agreement: 5}, ""},
		{false, true, consent{Yes: true}, ""},
		{true, true, consent{Yes: true, Agreement: 5}, ""},
		{true, false, consent{Yes: true}, "--yes requires --agreement"},
		{true, true, consent{Yes: true}, "--yes requires --agreement"}, // the one answer does not cover both
		{false, false, consent{Yes: true}, "--yes is for a change that is asked about"},
		{false, true, consent{Yes: true, Agreement: 5}, "--agreement requires --accept-agreement"},
		{false, false, consent{Agreement: 5}, "--agreement requires --accept-agreement"},
	} {
		if err := c.given.check(c.accept, c.items); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("accept %v, items %v, %+v: %v, want %q", c.accept, c.items, c.given, err, c.want)
		}
	}
}

func TestAssessed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a        plan.Assessment
		said     string
		doubtful bool
		err      string
	}{
		{plan.Assessment{}, "no items yet", false, ""},
		{plan.Assessment{Items: 3, Enabled: 3, WithFigures: 2, NonZero: 1}, "2 of the first 3 items", false, ""},
		{plan.Assessment{Items: 3, Enabled: 3, WithFigures: 3}, "every stock figure on the first page is zero: check that the stock is kept at e-conomic; if it is kept in Rackbeat: `--rack`", true, ""},
		{plan.Assessment{Items: 3, Enabled: 3}, "", true, "use `--rack` for Rackbeat, otherwise `--off`"},
	} {
		said, doubtful, err := assessed(c.a, "--rack", "--off")
		if doubtful != c.doubtful || !strings.Contains(said, c.said) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %q, doubtful: %v, %v", c.a, said, doubtful, err)
		}
	}
}

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

func TestSinceWhen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "0001-01-01T00:00:00Z",
		"2026-11-01":                "2026-11-01T00:00:00Z",
		"2026-11-01T08:00:00+01:00": "2026-11-01T07:00:00Z",
		"36h":                       "2026-11-22T00:00:00Z",
		"0s":                        "2026-11-23T12:00:00Z",
		"-36h":                      "",
		"yesterday":                 "",
		"2026-13-01":                "",
		"01-11-2026":                "",
	} {
		at, err := sinceWhen(text, noonOf23)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "expected a date") {
				t.Errorf("%q: %s, %v", text, at, err)
			}
			continue
		}
		if err != nil || at.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %s, %v, expected %s", text, at, err, want)
		}
	}
}

// TestNoPDF: why an invoice has no PDF yet, and what to do, first what must be done first.
func TestNoPDF(t *testing.T) {
	t.Parallel()
	const since = "invoice 7 of shop1234 has no PDF yet: pending since 2026-11-23 12:00:00 UTC, "
	const now = "lagerd keeps trying; to try now, run `lagerd reconcile --shop shop1234 --invoice 7 --wait`"
	running := store.Shop{Shop: "shop1234", InvoicesOn: true}
	off := store.Shop{Shop: "shop1234"}
	paused := store.Shop{Shop: "shop1234", PausedAt: store.At(noonOf23), PauseReason: "stocktaking"}
	fresh := store.Invoice{Number: 7, FoundAt: store.At(noonOf23), WorkDueAt: store.At(time.Unix(0, 0))}
	failing := fresh
	failing.WorkTries, failing.WorkError, failing.WorkDueAt = 3, "status 500\nagain", store.At(noonOf23.Add(time.Hour))
	once := fresh
	once.WorkTries = 1
	hold := func(scope plan.Scope, reason plan.Reason) plan.Holds {
		return plan.Holds{{Scope: scope, Reason: reason}}
	}
	for _, c := range []struct {
		shop  store.Shop
		holds plan.Holds
		i     store.Invoice
		want  string
	}{
		{running, nil, fresh, since + "not tried yet: " + now},
		{running, nil, once, since + "tried once; the next try is at 1970-01-01 00:00:00 UTC: " + now},
		{running, nil, failing, since + "tried 3 times, last: status 500; again; the next try is at 2026-11-23 13:00:00 UTC: " + now},
		{running, hold(plan.ScopeStock, plan.HeldLosses), fresh, since + "not tried yet: " + now},
		{running, hold(plan.ScopePDFs, plan.HeldForbidden), failing, since + "tried 3 times, last: status 500; again: it is held (pdf forbidden): `lagerd check --shop shop1234` says what to do"},
		{running, hold(plan.ScopeShop, plan.HeldTokenRefused), fresh, since + "not tried yet: it is held (shop token_refused): `lagerd check --shop shop1234` says what to do"},
		{off, hold(plan.ScopeShop, plan.HeldTokenRefused), fresh, since + "not tried yet: its invoices are switched off: `lagerd shops set shop1234 --invoices on`"},
		{paused, nil, fresh, since + "not tried yet: the shop is paused (stocktaking): `lagerd shops resume shop1234`"},
	} {
		if err := noPDF(c.shop, c.holds, c.i); err.Error() != c.want {
			t.Errorf("%v\nexpected %s", err, c.want)
		}
	}
}

// TestOutput: a file appears whole, private and in place of a former one, or not at all.
func TestOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "items.csv")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	only := func(want string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%v, %v", entries, err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != want {
			t.Errorf("%q, %v; expected %q", text, err, want)
		}
	}
	write := func() *output {
		t.Helper()
		out, err := (&call{}).output(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
			t.Errorf("the file is touched before it is whole: %q, %v", text, err)
		}
		return out
	}
	out := write()
	if err := errors.Join(out.discard(), out.discard()); err != nil {
		t.Error(err)
	}
	only("old")
	out = write()
	if err := errors.Join(out.keep(), out.discard()); err != nil {
		t.Error(err)
	}
	only("new")
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestNotAFile: what is no file is never replaced by one.
func TestNotAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, dir, os.DevNull} {
		if _, err := (&call{}).output(name); err == nil || !strings.Contains(err.Error(), "expected the name of a new or regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&call{}).output(filepath.Join(dir, "none", "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
}

// TestStillThere: an export of a shop that was removed meanwhile, and perhaps added again, fails.
func TestStillThere(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := store.Open(ctx, store.Options{Path: filepath.Join(t.TempDir(), "lagerd.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	add := func(at time.Time) {
		t.Helper()
		if err := s.AddShop(ctx, store.Shop{Shop: "shop1234", GrantToken: []byte("sealed")}, []byte("01234567890123456789012345678901"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	add(noonOf23)
	was, err := s.Shop(ctx, "shop1234")
	if err != nil {
		t.Fatal(err)
	}
	if err := stillThere(ctx, s, was); err != nil {
		t.Error(err)
	}
	if err := s.RemoveShop(ctx, "shop1234"); err != nil {
		t.Fatal(err)
	}
	removed := func() {
		t.Helper()
		if err := stillThere(ctx, s, was); err == nil || err.Error() != "the shop was removed meanwhile" {
			t.Errorf("%v", err)
		}
	}
	removed()
	add(noonOf23.Add(time.Second))
	removed()
}

package cli

import (
	"strings"
	"testing"
	"time"

	"lagerd/store"
)

var noonOf23 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestTellChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list []store.SettingChange
		want string
	}{
		{nil, "shop1234 has these settings already: nothing was changed.\n"},
		{[]store.SettingChange{{Name: "grant-token", Secret: true}, {Name: "order-pattern", To: "\x1b[2J"}, {Name: "places", From: "1,4"}}, "shop1234 is changed:\n" +
			"  grant-token: stored anew\n  order-pattern: none → \\u001b[2J\n  places: 1,4 → none\n"},
	} {
		var b strings.Builder
		if err := tellChanged(&b, "shop1234", c.list); err != nil || b.String() != c.want {
			t.Errorf("%v: %s\nexpected %s", err, b.String(), c.want)
		}
	}
}

func TestPausedAndResumed(t *testing.T) {
	t.Parallel()
	paused := store.Shop{Shop: "shop1234", PausedAt: store.At(noonOf23), PauseReason: "stocktaking"}
	running := store.Shop{Shop: "shop1234"}
	other := paused
	other.PauseReason = "moving\n"
	for _, c := range []struct{ got, want string }{
		{pausedText(running, paused), "shop1234 is paused (stocktaking): its hints are kept; `lagerd shops resume shop1234` continues."},
		{pausedText(paused, paused), "shop1234 is already paused, since 2026-11-23 12:00:00 UTC (stocktaking): nothing was changed."},
		{pausedText(paused, other), `shop1234 is still paused, since 2026-11-23 12:00:00 UTC. Reason: stocktaking → moving\n`},
		{resumedText(paused, running), "shop1234 goes on. It was paused since 2026-11-23 12:00:00 UTC (stocktaking)."},
		{resumedText(running, running), "shop1234 was not paused: nothing was changed. What is held is tried again now."},
	} {
		if c.got != c.want {
			t.Errorf("%s\nexpected %s", c.got, c.want)
		}
	}
}

package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/status"
)

// TestWatch: which shops' webhooks are looked at, and when.
func TestWatch(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	stopped := []status.WebhookHealth{{Type: status.WebhookStock, State: status.WebhooksStopped}}
	for name, c := range map[string]struct {
		known map[string]watched
		list  map[string]moving
		after string
		want  string
	}{
		"nothing was ever missed":  {nil, map[string]moving{"a": {settings: 7}}, "", ""},
		"never looked at":          {nil, map[string]moving{"a": {missed: 1}, "b": {late: 1}, "c": {wrong: noon}, "d": {}}, "", "a b c"},
		"nothing has moved":        {map[string]watched{"a": {moving: moving{missed: 1}}}, map[string]moving{"a": {missed: 1}}, "", ""},
		"missed":                   {map[string]watched{"a": {moving: moving{missed: 1}}}, map[string]moving{"a": {missed: 2}}, "", "a"},
		"late":                     {map[string]watched{"a": {moving: moving{missed: 1}}}, map[string]moving{"a": {missed: 1, late: 1}}, "", "a"},
		"settings":                 {map[string]watched{"a": {moving: moving{missed: 1}}}, map[string]moving{"a": {missed: 1, settings: 1}}, "", "a"},
		"a wrong call":             {map[string]watched{"a": {}}, map[string]moving{"a": {wrong: noon}}, "", "a"},
		"in turn":                  {nil, map[string]moving{"a": {missed: 1}, "b": {missed: 1}, "c": {missed: 1}, "d": {missed: 1}}, "b", "c d a"},
		"not well, just looked at": {map[string]watched{"a": {at: noon.Add(-time.Minute), told: stopped}}, map[string]moving{"a": {}}, "", ""},
		"not well, a while ago":    {map[string]watched{"a": {at: noon.Add(-2 * time.Minute), told: stopped}}, map[string]moving{"a": {}}, "", "a"},
		"those that have moved come first": {map[string]watched{"a": {at: noon.Add(-2 * time.Minute), told: stopped}, "b": {at: noon.Add(-3 * time.Minute), told: stopped}, "c": {}, "d": {}},
			map[string]moving{"a": {}, "b": {}, "c": {missed: 1}, "d": {missed: 1}}, "", "c d b"},
	} {
		w := watch{shops: map[string]watched{}, after: c.after}
		maps.Copy(w.shops, c.known)
		if got := strings.Join(w.due(noon, c.list, 3), " "); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

// TestAllAreWatchedInTime: something moves with each of 10,000 shops, and each is looked at within
// four decisions, although it goes on with those that were.
func TestAllAreWatchedInTime(t *testing.T) {
	t.Parallel()
	const shops = 10_000
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	w := watch{shops: map[string]watched{}}
	list := map[string]moving{}
	seen := map[string]bool{}
	for n := range 4 {
		for i := range shops {
			list[fmt.Sprintf("shop%05d", i)] = moving{missed: int64(n + 1)}
		}
		due := w.due(noon.Add(time.Duration(n)*decideEvery), list, watchAtOnce)
		for _, shop := range due {
			seen[shop] = true
			w.shops[shop] = watched{moving: list[shop]}
		}
		if !slices.IsSorted(due) && n == 0 {
			t.Error("the first are not in order")
		}
	}
	if len(seen) != shops {
		t.Errorf("%d of %d shops were looked at in four decisions", len(seen), shops)
	}
}

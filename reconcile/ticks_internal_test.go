package reconcile

import (
	"testing"
	"time"
)

// TestTicksOfListings: which tick a listing covers: its own, or the latest that came while another one
// was running; and none twice, nor one that has failed.
func TestTicksOfListings(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	first, second, none := noon, noon.Add(time.Minute), time.Time{}
	for name, c := range map[string]struct {
		happens func(t *ticks)
		want    ticks
	}{
		"a tick lists":                     {func(t *ticks) { t.begin(first) }, ticks{running: first}},
		"its listing ends":                 {func(t *ticks) { t.begin(first); t.end() }, ticks{ended: first}},
		"a sweep":                          {func(t *ticks) { t.begin(none); t.end() }, ticks{}},
		"one waits":                        {func(t *ticks) { t.begin(first); t.next = second }, ticks{running: first, next: second}},
		"the next listing covers it":       {func(t *ticks) { t.next = second; t.begin(none) }, ticks{running: second}},
		"a tick makes up for it":           {func(t *ticks) { t.next = first; t.begin(second) }, ticks{running: second}},
		"the one after covers nothing":     {func(t *ticks) { t.next = second; t.begin(none); t.begin(none) }, ticks{}},
		"it fails beside its listing":      {func(t *ticks) { t.begin(first); t.drop(first) }, ticks{}},
		"it fails beside another":          {func(t *ticks) { t.begin(first); t.next = second; t.drop(second) }, ticks{running: first}},
		"the first fails, and one waits":   {func(t *ticks) { t.begin(first); t.next = second; t.drop(first) }, ticks{next: second}},
		"it has ended, and a pass fails":   {func(t *ticks) { t.begin(first); t.end(); t.drop(second) }, ticks{ended: first}},
		"a pass fails that was not a tick": {func(t *ticks) { t.begin(first); t.next = second; t.drop(none) }, ticks{running: first, next: second}},
	} {
		var got ticks
		if c.happens(&got); got != c.want {
			t.Errorf("%s: %+v, expected %+v", name, got, c.want)
		}
	}
}

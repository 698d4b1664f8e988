package daemon

import (
	"testing"
	"time"

	"lagerd/secret"
	"lagerd/store"
)

// TestUsesAreRecorded: the use of an only code is recorded once; while a shop has two
// codes, again after a minute. A wrong code is never recorded.
func TestUsesAreRecorded(t *testing.T) {
	t.Parallel()
	keys, err := secret.Load([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(nil, keys)
	live := func(shop, text string, among bool) *code {
		return &code{hash: keys.HashCode(shop, text), among: among}
	}
	x.codes = map[string][]*code{"one": {live("one", "a", false)}, "two": {live("two", "a", true), live("two", "b", true)}}
	for _, c := range []struct {
		shop, code string
		good       bool
		recorded   int
	}{
		{"one", "a", true, 1}, {"one", "a", true, 1}, {"one", "b", false, 1}, {"none", "a", false, 1}, {"one", "", false, 1},
		{"two", "b", true, 2}, {"two", "b", true, 2}, {"two", "a", true, 3}, {"two", "c", false, 3},
	} {
		if good := x.Authenticate(c.shop, c.code); good != c.good || len(x.uses) != c.recorded {
			t.Errorf("%s %s: %v, %d uses recorded, want %v and %d", c.shop, c.code, good, len(x.uses), c.good, c.recorded)
		}
	}
	long := time.Now().Add(-recordEvery).Unix()
	for _, shop := range []string{"one", "two"} {
		x.codes[shop][0].recorded.Store(long)
		x.Authenticate(shop, "a")
	}
	if n := len(x.uses); n != 4 {
		t.Errorf("a minute later %d uses are recorded, want 4: that of an only code is recorded once", n)
	}
	if u := x.uses[3]; u.Shop != "two" || string(u.CodeHash) != string(x.codes["two"][0].hash[:]) {
		t.Errorf("recorded: %+v", store.CodeUse{Shop: u.Shop})
	}
}

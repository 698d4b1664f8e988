package lease

import (
	"testing"

	"lagerd/store"
)

// TestDied is the table of died.
func TestDied(t *testing.T) {
	t.Parallel()
	own := store.Instance{Instance: "own", Identity: "x", Machine: "m", Boot: "b"}
	with := func(change func(i *store.Instance)) store.Instance {
		i := own
		i.Instance = "other"
		change(&i)
		return i
	}
	for _, c := range []struct {
		name       string
		own, other store.Instance
		why        string // "": it has died
	}{
		{"all the same", own, with(func(*store.Instance) {}), ""},
		{"this one", own, own, "it is this one"},
		{"no lock here", with(func(i *store.Instance) { i.Identity = "" }), own, "this lagerd holds no state directory of its own"},
		{"no lock there", own, with(func(i *store.Instance) { i.Identity = "" }), "it held no state directory"},
		{"none anywhere", with(func(i *store.Instance) { i.Identity = "" }), store.Instance{Instance: "another", Machine: "m", Boot: "b"}, "this lagerd holds no state directory of its own"},
		{"another directory", own, with(func(i *store.Instance) { i.Identity = "y" }), "it has another state directory"},
		{"another machine", own, with(func(i *store.Instance) { i.Machine = "n" }), "it ran on another machine"},
		{"no machine there", own, with(func(i *store.Instance) { i.Machine = "" }), "it ran on another machine"},
		{"no machine anywhere", with(func(i *store.Instance) { i.Machine = "" }), store.Instance{Instance: "another", Identity: "x", Boot: "b"}, "it ran on another machine"},
		{"another boot", own, with(func(i *store.Instance) { i.Boot = "c" }), "its machine has been started anew since"},
		{"no boot anywhere", with(func(i *store.Instance) { i.Boot = "" }), store.Instance{Instance: "another", Identity: "x", Machine: "m"}, "its machine has been started anew since"},
	} {
		dead, why := died(c.own, c.other)
		if dead != (c.why == "") || why != c.why {
			t.Errorf("%s: %t, %q", c.name, dead, why)
		}
	}
}

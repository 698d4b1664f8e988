package sandbox

import "testing"

// TestFaultsCostNothing: reading faults allocates nothing. They are read often, mostly
// for agreements without their own.
func TestFaultsCostNothing(t *testing.T) {
	s := New(Options{Agreements: 1})
	defer s.Close()
	a := s.agreement(100001)
	ask := func() {
		if a.faults().Hang != 0 || s.strikes(a, 0, "cut") {
			t.Error("a fault out of nothing")
		}
	}
	if n := testing.AllocsPerRun(100, ask); n != 0 {
		t.Errorf("without faults: %v allocations", n)
	}
	if err := a.own.merge([]byte(`{"zeroStock":true}`), s.faults.get()); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, ask); n != 0 {
		t.Errorf("with faults of its own: %v allocations", n)
	}
}

package reconcile

import (
	"fmt"
	"testing"

	"lagerd/plan"
	"lagerd/source"
)

// TestTurnBack: whatever is deleted while the pages are turned, no item that
// stays is passed over.
func TestTurnBack(t *testing.T) {
	t.Parallel()
	const pageSize = 3
	for items := 1; items <= 10; items++ {
		for at := 0; at < 5; at++ {
			for from := 0; from < items; from++ {
				for many := 1; from+many <= items; many++ {
					t.Run(fmt.Sprintf("%d of %d from the %d. before page %d", many, items, from, at), func(t *testing.T) {
						deleteWhileListed(t, items, at, from, many, pageSize)
					})
				}
			}
		}
	}
}

func deleteWhileListed(t *testing.T, items, at, from, many, pageSize int) {
	numbers := make([]string, items)
	for n := range numbers {
		numbers[n] = fmt.Sprint(n)
	}
	l := &listing{next: "0"}
	read := map[string]bool{}
	for turned := 0; ; turned++ {
		if turned > 20 {
			t.Fatal("it never ends")
		}
		if turned == at {
			numbers = append(numbers[:from:from], numbers[from+many:]...)
		}
		var number int
		_, _ = fmt.Sscan(string(l.next), &number)
		p := itemsPage{Announced: len(numbers)}
		first := min(number*pageSize, len(numbers))
		on := numbers[first:min(first+pageSize, len(numbers))]
		p.Unreadable = make([]plan.Unreadable, len(on))
		if first+pageSize < len(numbers) {
			p.Next = source.Link(fmt.Sprint(number + 1))
		}
		if l.turnBack(p, pageSize) {
			continue
		}
		l.read += p.Size()
		l.results = p.Announced
		for _, number := range on {
			read[number] = true
		}
		if p.Next == "" {
			break
		}
		l.next = p.Next
	}
	for _, number := range numbers {
		if !read[number] {
			t.Errorf("%s was passed over", number)
		}
	}
	if l.read < l.results {
		t.Errorf("%d were read of %d", l.read, l.results)
	}
}

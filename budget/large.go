package budget

import "time"

// largeTime is how long reading the rest of a large answer may take at first.
const largeTime = 3 * time.Second

// LargeTime returns how long reading the rest of a large answer may take: the readers of an
// account share what they have learned of that. It begins with 3 s.
func (b *Budget) LargeTime() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.large, largeTime)
}

// TookLarge doubles that time, up to most, after a large answer that was not read in time. One
// that was read within 3 s resets it.
func (b *Budget) TookLarge(took time.Duration, late bool, most time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case late:
		b.large = min(2*max(b.large, largeTime), most)
	case took <= largeTime:
		b.large = 0
	}
}

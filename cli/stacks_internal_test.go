package cli

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestCondense: of a thousand goroutines that wait in the same place and one that hangs elsewhere,
// the one is shown first, and the crowd once.
func TestCondense(t *testing.T) {
	t.Parallel()
	release, hung := make(chan struct{}), make(chan struct{})
	var crowd, begun sync.WaitGroup
	for range 1000 {
		begun.Add(1)
		crowd.Go(func() {
			begun.Done()
			<-release
		})
	}
	begun.Add(1)
	crowd.Go(func() { hangsHere(&begun, hung) })
	begun.Wait()
	text := condense(stacks(), 100_000) // other tests have goroutines, too
	close(release)
	close(hung)
	crowd.Wait()
	one, all := strings.Index(text, "hangsHere("), strings.Index(text, "1000 goroutine(s) [")
	if one < 0 || all < one || !strings.Contains(text, "[chan receive") {
		t.Errorf("at %d and %d of\n%s", one, all, text)
	}
}

//go:noinline
func hangsHere(begun *sync.WaitGroup, until chan struct{}) {
	begun.Done()
	<-until
}

// TestCondenseIsBounded: a dump of a thousand different stacks is cut, and says so.
func TestCondenseIsBounded(t *testing.T) {
	t.Parallel()
	var dump strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&dump, "goroutine %d [select, 3 minutes]:\nmain.f%d(0x1, 0x2)\n\t/src/main.go:%d +0x1b\n\n", n, n, n)
	}
	lines := strings.Split(strings.TrimSpace(condense(dump.String(), 20)), "\n")
	if len(lines) > 20 || lines[0] != "1 goroutine(s) [select, 3 minutes]:" || lines[len(lines)-1] != "and 994 more kinds of goroutines" {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if text := condense("nonsense", 20); text != "" {
		t.Errorf("%q", text)
	}
}

package cli

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestSignalBetweenParts: a signal that comes when one part of a command has done its work, or while
// none can be interrupted any more, is not forgotten: it ends the next part.
func TestSignalBetweenParts(t *testing.T) { //nolint:paralleltest // other tests' commands would see the signal too
	var c call
	ctx, stop := c.interruptible(t.Context())
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the signal does not end the part that it comes in")
	}
	stop() // its work had ended: nobody has looked
	next, stop := c.interruptible(t.Context())
	defer stop()
	if next.Err() == nil {
		t.Error("the next part goes on")
	}
	var other call
	unaware, stop := other.interruptible(t.Context())
	if unaware.Err() != nil {
		t.Error("another command is ended by it")
	}
	stop()
	if after, stop := other.interruptible(t.Context()); after.Err() != nil {
		t.Error("a part that has ended by itself ends the next one")
	} else {
		stop()
	}
	parent, cancel := context.WithCancel(t.Context())
	cancel()
	_, stop = other.interruptible(parent)
	stop()
	if other.interrupted.Load() {
		t.Error("the end of the caller's context is taken for a signal")
	}
}

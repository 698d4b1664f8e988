package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"lagerd/daemon"
)

// runCommand is the command that runs the daemon.
const runCommand = "run"

// CatchSignals catches the daemon's signals if the arguments may start it: until then
// each of them ends the process. main calls it first.
func CatchSignals(args []string) chan os.Signal {
	if !slices.Contains(args, runCommand) {
		return nil
	}
	incoming := make(chan os.Signal, 8)
	signal.Notify(incoming, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGABRT)
	return incoming
}

// interruptible returns a context that ends at SIGINT or SIGTERM, for a command that then says what
// has become of its work. A second signal ends the process. A signal that comes just as one part of a
// command has done its work ends the next part, whose context has ended from the beginning.
func (c *call) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if c.interrupted.Load() {
		cancel()
		return ctx, cancel
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			c.interrupted.Store(true)
		case <-ctx.Done():
		}
		cancel()
		signal.Stop(signals)
		if len(signals) > 0 { // it came at the same moment
			c.interrupted.Store(true)
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

// interruptibleIf is interruptible for a command that waits until its request is carried out: from
// before that is stored, so that an interruption always says what goes on. For one that does not wait
// a signal ends the process.
func (c *call) interruptibleIf(ctx context.Context, waits bool) (context.Context, context.CancelFunc) {
	if !waits {
		return ctx, func() {}
	}
	return c.interruptible(ctx)
}

// releaseSignals restores the default handling of the signals, for a command other than
// the daemon, and resends one that was caught meanwhile.
func (p Process) releaseSignals() {
	if p.Signals == nil {
		return
	}
	signal.Reset(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGABRT)
	select {
	case s := <-p.Signals:
		_ = syscall.Kill(os.Getpid(), s.(syscall.Signal)) //nolint:forcetypeassert // signal.Notify sends nothing else
	default:
	}
}

// signals forwards the operating system's signals to the daemon.
type signals struct {
	asked   daemon.Signals
	running atomic.Bool
	stop    func()
}

// started makes SIGTERM and SIGINT shut the daemon down gracefully from now on.
func (s *signals) started() { s.running.Store(true) }

// listen turns the operating system's signals into a context to cancel and the daemon's
// signals. A signal that arrives while the same one is pending is dropped. SIGTERM or
// SIGINT exits immediately before the daemon has started, when nothing is in progress,
// and when it is the second one.
//
// It also ignores SIGPIPE, so that a log whose reader is gone loses its lines: without
// this Go ends the process (os/signal, "SIGPIPE").
func (c *call) listen() (context.Context, *signals) {
	signal.Ignore(syscall.SIGPIPE)
	incoming := c.Signals
	if incoming == nil {
		incoming = CatchSignals([]string{runCommand})
	}
	ctx, cancel := context.WithCancel(c.ctx)
	reconcileAll, sweepAll, reload := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	done := make(chan struct{})
	s := &signals{
		asked: daemon.Signals{ReconcileAll: reconcileAll, SweepAll: sweepAll, Reload: reload},
		stop: func() {
			signal.Stop(incoming)
			close(done)
			cancel()
		},
	}
	send := func(to chan struct{}) {
		select {
		case to <- struct{}{}:
		default:
		}
	}
	go func() {
		stopping := false
		for {
			select {
			case <-done:
				return
			case sig := <-incoming:
				switch sig {
				case syscall.SIGHUP:
					send(reload)
				case syscall.SIGUSR1:
					send(reconcileAll)
				case syscall.SIGUSR2:
					send(sweepAll)
				case syscall.SIGABRT:
					_, _ = fmt.Fprintln(c.unescapedErr, asErrors("lagerd is aborted (SIGABRT). What its goroutines do, the rarest first:\n"+condense(stacks(), mostStackLines)))
					os.Exit(exitAborted)
				default:
					if !s.running.Load() {
						os.Exit(exitOK)
					}
					if stopping {
						os.Exit(exitFailed)
					}
					stopping = true
					cancel()
				}
			}
		}
	}()
	return ctx, s
}

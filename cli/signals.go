package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"lagerd/daemon"
)

// runCommand is the command that runs the daemon.
const runCommand = "run"

// CatchSignals catches what the daemon understands, if the arguments may ask for it:
// until then each of these signals ends the process. main calls it first thing.
func CatchSignals(args []string) chan os.Signal {
	if !slices.Contains(args, runCommand) {
		return nil
	}
	incoming := make(chan os.Signal, 8)
	signal.Notify(incoming, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	return incoming
}

// releaseSignals gives the signals back to the system, for a command that is not
// the daemon; one that was caught meanwhile does what it does to any command.
func (p Process) releaseSignals() {
	if p.Signals == nil {
		return
	}
	signal.Reset(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	select {
	case s := <-p.Signals:
		_ = syscall.Kill(os.Getpid(), s.(syscall.Signal))
	default:
	}
}

// signals is the operating system's signals on their way to the daemon.
type signals struct {
	asked   daemon.Signals
	running atomic.Bool
	stop    func()
}

// started tells that the daemon sees to its end itself from now on.
func (s *signals) started() { s.running.Store(true) }

// listen turns the operating system's signals into a context that ends and into
// what the daemon understands. A signal that comes while the same is waiting changes
// nothing. SIGTERM or SIGINT ends the process at once before the daemon has started,
// when nothing is under way, and when it is the second.
//
// It also has a log whose reader is gone lose its lines, and not its writer: without
// this Go ends the process by SIGPIPE (os/signal, "SIGPIPE").
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

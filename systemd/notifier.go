package systemd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells systemd how the process fares, over $NOTIFY_SOCKET; without
// one it does nothing.
type Notifier struct{}

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Ready tells that the service has started, or has ended a reload.
func (Notifier) Ready(status string) error {
	return send(daemon.SdNotifyReady + "\nSTATUS=" + status)
}

// Status sets the line that `systemctl status` shows.
func (Notifier) Status(status string) error { return send("STATUS=" + status) }

// Reloading tells that the configuration is being read again. systemd wants
// the time of it (MONOTONIC_USEC, sd_notify(3)), to tell two reloads apart.
func (Notifier) Reloading() error {
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Microseconds()))
}

// Stopping tells that the service is on its way to end.
func (Notifier) Stopping() error { return send(daemon.SdNotifyStopping) }

// Watchdog tells twice in each of the unit's WatchdogSec= that the process
// lives, as long as alive says so, until ctx is done. It returns at once where
// the unit has no watchdog.
func (Notifier) Watchdog(ctx context.Context, alive func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		if alive() {
			// What cannot be sent is missed by systemd, which then acts.
			_ = send(daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Listener returns the socket that systemd opened under the given name
// (FileDescriptorName= in the socket unit), or nil where it opened none for this
// process. Sockets under other names alone are an error, for the caller would
// open the same address again. Listener must be called at most once: it takes
// all of them, and the variables that tell of them.
func Listener(name string) (net.Listener, error) {
	files := activation.Files(true)
	defer func() { // a listener has a descriptor of its own
		for _, file := range files {
			_ = file.Close()
		}
	}()
	var names []string
	for _, file := range files {
		if file.Name() != name {
			names = append(names, file.Name())
			continue
		}
		l, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("use the socket %q that systemd opened: %w: the socket unit wants one ListenStream=", name, err)
		}
		return l, nil
	}
	if len(files) > 0 {
		return nil, fmt.Errorf("systemd opened sockets (%s), but none is named %q: set FileDescriptorName=%s in the socket unit", strings.Join(names, ", "), name, name)
	}
	return nil, nil //nolint:nilnil // no socket is no error
}

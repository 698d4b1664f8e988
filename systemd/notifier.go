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

// Notifier reports the state of the process to systemd over $NOTIFY_SOCKET.
// Without that variable it does nothing.
type Notifier struct{}

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Ready reports that the service has started, or has finished a reload.
func (Notifier) Ready(status string) error {
	return send(daemon.SdNotifyReady + "\nSTATUS=" + status)
}

// Status sets the line that `systemctl status` shows.
func (Notifier) Status(status string) error { return send("STATUS=" + status) }

// Reloading reports that a reload has begun. systemd needs its time
// (MONOTONIC_USEC, sd_notify(3)) to distinguish two reloads.
func (Notifier) Reloading() error {
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Microseconds()))
}

// Stopping reports that the service is stopping.
func (Notifier) Stopping() error { return send(daemon.SdNotifyStopping) }

// Watchdog sends a keep-alive twice per WatchdogSec= while alive returns true,
// until ctx is done. It returns at once if the unit has no watchdog.
func (Notifier) Watchdog(ctx context.Context, alive func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		if alive() {
			// If this fails, systemd misses the keep-alive and acts.
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
// (FileDescriptorName= in the socket unit), or nil if systemd opened none for this
// process. If all sockets have other names it returns an error, since the caller
// would open the same address again. Listener must be called at most once: it
// consumes all sockets and unsets their environment variables.
func Listener(name string) (net.Listener, error) {
	files := activation.Files(true)
	defer func() { // a listener has its own descriptor
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
			return nil, fmt.Errorf("use the socket %q that systemd opened: %w: the socket unit must have exactly one ListenStream=", name, err)
		}
		return l, nil
	}
	if len(files) > 0 {
		return nil, fmt.Errorf("systemd opened sockets (%s), but none is named %q: set FileDescriptorName=%s in the socket unit", strings.Join(names, ", "), name, name)
	}
	return nil, nil //nolint:nilnil // no socket is no error
}

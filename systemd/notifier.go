package systemd

import (
	"context"
	"fmt"
	"time"

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
	now, err := Monotonic()
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Microseconds()))
}

// Stopping reports that the service is stopping, and why that takes a while.
func (Notifier) Stopping(status string) error {
	return send(daemon.SdNotifyStopping + "\nSTATUS=" + status)
}

// Extend asks for more time to start or to stop: the service manager gives up no earlier than
// after that long, even if that is more than TimeoutStartSec= or TimeoutStopSec= allow.
func (Notifier) Extend(by time.Duration) error {
	return send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", by.Microseconds()))
}

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

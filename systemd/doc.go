// Package systemd implements systemd's service protocol: readiness, status,
// reload, stopping and the watchdog (sd_notify(3)), inherited sockets
// (sd_listen_fds(3)), and the journal's protocol. The units are in the same directory.
//
// Without systemd everything here is a no-op. The package does not decide when
// the daemon is ready, and starts no service.
package systemd

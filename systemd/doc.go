// Package systemd speaks systemd's side of a service: readiness, status,
// reload, stopping and the watchdog (sd_notify(3)), and sockets that it opened
// for us (sd_listen_fds(3)). Beside it stand the units.
//
// Without systemd everything here does nothing. It decides nothing about when
// the daemon is ready, and starts no service.
package systemd

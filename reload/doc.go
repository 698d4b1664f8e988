// Package reload lets whoever asks a running lagerd to reload its configuration (SIGHUP) wait for
// the verdict:
//
//	Ask ── SIGHUP ─▶ lagerd ── rereads, takes it up or keeps the old ─▶ File.Tell ─▶ verdict ─▶ Ask
//
// The verdict is a file in lagerd's runtime directory, which only lagerd's user can write. It also
// names lagerd's process. The package does not reload anything, and opens no database: systemd
// gives the command that runs as ExecReload= no credentials.
package reload

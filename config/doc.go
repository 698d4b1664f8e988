// Package config reads lagerd's configuration: one YAML file, overridden by the
// environment, and secrets from files and systemd credentials. The result is
// validated and not changed afterwards.
//
// Every problem is found and reported at once, each with its line and key (or
// environment variable), the value unless it is secret, and what was expected.
// A key or file that is empty, or may not be read, is a problem too: its contents
// may have been lost, and no default replaces them.
//
// Its only I/O is reading the named files; it opens no database and no connection.
package config

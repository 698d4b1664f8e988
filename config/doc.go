// Package config reads lagerd's configuration: one YAML file, the environment
// over it, secrets from files and systemd credentials. What comes out is
// validated and is not changed afterwards.
//
// Every problem is found and reported at once, each with its line and key (or
// environment variable), the value unless it is secret, and what was expected.
// What is there with nothing in it, or may not be read, is a problem too: what it
// held may have been lost, and no default stands in for it.
//
// Reading the named files is the only I/O it does; it opens no database and
// calls nobody.
package config

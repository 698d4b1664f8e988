package config

import (
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
)

// mayBeEmpty are the keys with a text that may be left out, and what to do where
// one is there with nothing in it: what it held may have been lost, and lagerd would
// start on another database, or with another key, than before. (admin.listen has a
// meaning when it is empty, and every other key must have a value.)
var mayBeEmpty = map[string]string{
	"database.dsn":                   embeddedIsMeant,
	"database.dsn_file":              embeddedIsMeant,
	"database.path":                  embeddedIsMeant,
	"key_file":                       "name the master key's file, or %s where a credential has the key, or the file beside the embedded database",
	"economic.app_secret_token_file": "name the file of the token, or %s where a credential has it",
	"webhook.public_url":             "give the address as e-conomic reaches it, or %s until there is one",
}

const embeddedIsMeant = "name a database, or %s for the embedded one"

// noted returns a text as it is set, "" where there is nothing in it, and notes that.
func (l *loader) noted(where, key, text string) string {
	delete(l.empty, key)
	if _, ok := mayBeEmpty[key]; ok && strings.TrimSpace(text) == "" {
		l.empty[key] = where
		return ""
	}
	return text
}

// empties refuses keys with nothing in them; where another key or a credential
// says what the key is for, that is only a warning.
func (l *loader) empties(c *Config) {
	database := !c.Database.DSN.IsZero() || l.unread["database.dsn_file"] || l.unread["database.dsn"] ||
		l.where["database.path"] != "" && l.empty["database.path"] == ""
	for _, key := range slices.Sorted(maps.Keys(l.empty)) {
		where := l.empty[key]
		leaveOut := "comment the key out"
		if strings.HasPrefix(where, envPrefix) {
			leaveOut = "unset the variable"
		}
		if l.stands[key] || database && strings.HasPrefix(key, "database.") {
			l.warnings = append(l.warnings, Problem{Where: where, Key: key, What: "there is nothing in it, and something else is used in its place: " + leaveOut})
			continue
		}
		l.badValue(where, key, "expected a value, got none: "+mayBeEmpty[key], leaveOut)
	}
}

// denied says what to do about a file that may not be read. It is there, and what
// it says is not known: nothing may stand in for it.
func denied(file string) string {
	const service = "lagerd" // the user of lagerd.service
	if me, err := user.Current(); err == nil && me.Username == service {
		return fmt.Sprintf("permission denied: let the user %s read it: chgrp %[1]s %s, and chmod 640", service, file)
	}
	return fmt.Sprintf("permission denied: run `sudo -u %s lagerd …`: commands read what the service reads", service)
}

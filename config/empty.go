package config

import (
	"fmt"
	"maps"
	"os/user"
	"slices"
	"strings"
)

// mayBeEmpty maps the keys whose text may be left out to what to do if one is present
// but empty: its value may have been lost, and lagerd would start on another database,
// or with another key, than before. (An empty admin.listen has a meaning, and every
// other key must have a value.)
var mayBeEmpty = map[string]string{
	"database.dsn":                   embeddedIsMeant,
	"database.dsn_file":              embeddedIsMeant,
	"database.path":                  embeddedIsMeant,
	"key_file":                       "set the master key's file, or %s if the key is in a credential, or in the file beside the embedded database",
	"economic.app_public_token":      "set your app's public token, or %s if it has none yet",
	"economic.app_secret_token_file": "set the token's file, or %s if the token is in a credential",
	"notify.smtp_host":               "set a mail server, or %s to send no mail",
	"notify.smtp_user":               "set the user, or %s if the mail server asks for none",
	"notify.smtp_password_file":      "set the password's file, or %s if the password is in a credential or there is none",
	"notify.from":                    "set an e-mail address, or %s to send no mail",
	"notify.webhook_url":             "set an address, or %s to call none",
	"notify.webhook_secret_file":     "set the secret's file, or %s if the secret is in a credential",
	"notify.heartbeat_url":           "set an address, or %s to call none",
	"rackbeat.contact":               "set an e-mail address, or %s until there is one",
	"web.listen":                     "set where the page is served, or %s to serve none",
	"web.public_url":                 "set the page's address, or %s if it is web.listen itself",
	"web.user_header":                "set the header in which the proxy names operators, or %s if there is none",
	"webhook.public_url":             "set the address at which e-conomic reaches lagerd, or %s until there is one",
}

const embeddedIsMeant = "set a database, or %s to use the embedded one"

// orEmpty returns text, or "" if it is blank, and records an empty key of mayBeEmpty.
func (l *loader) orEmpty(where, key, text string) string {
	delete(l.empty, key)
	if _, ok := mayBeEmpty[key]; ok && strings.TrimSpace(text) == "" {
		l.empty[key] = where
		return ""
	}
	return text
}

// empties reports empty keys: as a warning if another key or a credential provides the
// value, else as a problem.
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
			l.warnings = append(l.warnings, Problem{Where: where, Key: key, What: "it is empty, and another source is used instead: " + leaveOut})
			continue
		}
		l.badValue(where, key, "expected a value, got none: "+mayBeEmpty[key], leaveOut)
	}
}

// serviceUser is the user of lagerd.service.
const serviceUser = "lagerd"

// denied returns what to do about a file that may not be read. It exists and its
// contents are unknown, so nothing may replace it.
func denied(file string) string {
	if me, err := user.Current(); err == nil && me.Username == serviceUser {
		return fmt.Sprintf("permission denied: make it readable for the user %s: chgrp %[1]s %s, and chmod 640", serviceUser, file)
	}
	return fmt.Sprintf("permission denied: run `sudo -u %s lagerd …`: commands read the same files as the service", serviceUser)
}

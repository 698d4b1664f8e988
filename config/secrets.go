package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lagerd/secret"
)

// Names of the systemd credentials (systemd.exec(5), LoadCredential=).
const (
	CredentialKey      = "lagerd-key"
	CredentialAppToken = "economic-app-secret-token"
	CredentialDSN      = "database-dsn"
)

// secrets reads the secrets from their files.
func (l *loader) secrets(c *Config) {
	if dsn, ok := l.secret("database.dsn_file", c.Database.DSNFile, CredentialDSN); ok {
		if c.Database.DSN != "" {
			l.badKey("database.dsn", "the DSN is given twice: here and in a file or credential; leave out one")
		}
		c.Database.DSN = dsn
		l.where["database.dsn"] = l.where["database.dsn_file"]
	}
	if token, ok := l.secret("economic.app_secret_token_file", c.Economic.AppSecretTokenFile, CredentialAppToken); ok {
		c.Economic.AppSecretToken = secret.NewText(token)
	}
	key, ok := l.secret("key_file", c.KeyFile, CredentialKey)
	switch {
	case ok:
		c.Key = secret.NewText(key)
	case c.KeyFile != "": // its problem has been reported
	case c.Database.DSN != "":
		l.badKey("key_file", "expected the file of the master key, the same on every machine that shares the database: `lagerd keygen` makes one")
	default:
		// Beside the embedded database the key is made at the first start.
		c.KeyFile = filepath.Join(filepath.Dir(c.Database.Path), "key")
		if raw, err := os.ReadFile(c.KeyFile); err == nil {
			c.Key = secret.NewText(strings.TrimRight(string(raw), "\r\n"))
		} else if !errors.Is(err, fs.ErrNotExist) {
			l.badKey("key_file", "%v", err)
		}
	}
}

// secret reads one secret: from the file that the key names, else from the
// credential. ok is false where there is neither, or it cannot be used.
func (l *loader) secret(key, file, credential string) (value string, ok bool) {
	named := file != ""
	if !named {
		dir := l.env["CREDENTIALS_DIRECTORY"]
		if dir == "" {
			return "", false
		}
		file = filepath.Join(dir, credential)
		if _, err := os.Stat(file); err != nil {
			return "", false
		}
		l.where[key] = "credential " + credential
	}
	info, err := os.Stat(file)
	if err != nil {
		l.badKey(key, "%v", err)
		return "", false
	}
	if named && info.Mode().Perm()&0o007 != 0 {
		l.badKey(key, "%s can be read by everyone (mode %04o): chmod 600 %s", file, info.Mode().Perm(), file)
		return "", false
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		l.badKey(key, "%v", err)
		return "", false
	}
	value = strings.TrimRight(string(raw), "\r\n")
	if value == "" {
		l.badKey(key, "%s is empty", file)
		return "", false
	}
	return value, true
}

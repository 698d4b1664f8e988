package config

import (
	"bytes"
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

	CredentialSMTPPassword  = "smtp-password"
	CredentialWebhookSecret = "notify-webhook-secret"
)

const (
	// rawKeySize is the length in bytes of a master key that is neither base64 nor hex.
	rawKeySize = 32

	// maxSecretSize, in bytes, prevents reading a large file named by mistake.
	maxSecretSize = 64 << 10
)

// secrets reads the secrets from their files.
func (l *loader) secrets(c *Config) {
	if dsn, ok := l.secret("database.dsn_file", c.Database.DSNFile, CredentialDSN); ok {
		if !c.Database.DSN.IsZero() {
			l.badKey("database.dsn", "the DSN is set twice: here and in a file or credential; remove one")
		}
		c.Database.DSN, l.dsnApart = secret.NewText(dsn), true
		l.where["database.dsn"] = l.where["database.dsn_file"]
	}
	c.Economic.TokenPlace = c.Economic.AppSecretTokenFile
	if c.Economic.TokenPlace == "" && l.path != "" {
		c.Economic.TokenPlace = l.place(CredentialAppToken)
	}
	if token, ok := l.appToken(c.Economic); ok {
		clean, err := secret.Token([]byte(token), secret.AppTokenHeader)
		if err != nil {
			l.badKey("economic.app_secret_token_file", "expected the token alone, on one line: %v", err)
		}
		c.Economic.AppSecretToken = secret.NewText(clean)
	}
	if password, ok := l.secret("notify.smtp_password_file", c.Notify.SMTPPasswordFile, CredentialSMTPPassword); ok {
		c.Notify.SMTPPassword = secret.NewText(password)
	}
	if key, ok := l.secret("notify.webhook_secret_file", c.Notify.WebhookSecretFile, CredentialWebhookSecret); ok {
		c.Notify.WebhookSecret = secret.NewText(key)
	}
	if c.Database.DSN.IsZero() {
		l.embedded = c.Database.Path
	}
	l.masterKey(c)
}

// masterKey reads the master key from its file. Beside the embedded database there need not be one
// yet.
func (l *loader) masterKey(c *Config) {
	key, ok := l.secret("key_file", c.KeyFile, CredentialKey)
	switch {
	case ok:
		c.Key = secret.NewText(key)
	case l.unread["key_file"]:
	case l.unread["database.dsn_file"]: // it may be a server's
	case !c.Database.DSN.IsZero():
		l.badPair("key_file", "database.dsn", "expected the master key's file, the same on every machine that shares the database: create a key with `lagerd keygen`")
	default:
		// Beside the embedded database the first start creates the key.
		c.KeyFile = filepath.Join(filepath.Dir(c.Database.Path), "key")
		if isMissing(c.KeyFile) {
			return
		}
		if key, ok := l.read("key_file", c.KeyFile, true); ok {
			c.Key = secret.NewText(key)
		}
	}
}

// appToken returns the app's secret token. Unlike another secret it may have yet to come: a file
// that is missing or empty is no error, since nothing else can take its place, and shops are held
// without it. If the credential is empty, as lagerd.service passes it without a file, that file,
// beside the configuration, may have been filled since the start.
func (l *loader) appToken(e Economic) (value string, ok bool) {
	const key = "economic.app_secret_token_file"
	named, place := e.AppSecretTokenFile, e.TokenPlace
	if dir := l.env["CREDENTIALS_DIRECTORY"]; named == "" && dir != "" {
		credential := filepath.Join(dir, CredentialAppToken)
		if _, err := os.Stat(credential); err != nil || !unfilled(credential) {
			return l.secret(key, "", CredentialAppToken)
		}
		if !readable(place) { // only systemd may read it: it is taken up at the next start
			return "", false
		}
	}
	if place == "" || unfilled(place) && (named == "" || filepath.IsAbs(named)) { // see read
		return "", false
	}
	return l.secretAt(key, named, place)
}

// secretAt returns the secret in the file that the key names, else in the one beside the
// configuration.
func (l *loader) secretAt(key, named, beside string) (value string, ok bool) {
	if named == "" {
		l.where[key], l.stands[key] = beside, true
		named = beside
	}
	return l.read(key, named, true)
}

// unfilled reports whether a secret's file is missing or empty.
func unfilled(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxSecretSize {
		return errors.Is(err, fs.ErrNotExist)
	}
	raw, err := os.ReadFile(file)
	return err == nil && len(bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff")))) == 0
}

func readable(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// secret returns a secret: from the file that the key names, else from the credential,
// else from the file of the credential's name beside the configuration (commands that a
// person runs have no credentials). ok is false if there is none, or it cannot be used.
func (l *loader) secret(key, file, credential string) (value string, ok bool) {
	if file != "" {
		return l.read(key, file, true)
	}
	dir := l.env["CREDENTIALS_DIRECTORY"]
	if dir == "" {
		return l.beside(key, credential)
	}
	file = filepath.Join(dir, credential)
	// lagerd.service passes an empty line if the credential's file is missing.
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(raw)) == 0 {
		return "", false
	}
	l.credentials = append(l.credentials, credential)
	l.where[key], l.stands[key] = "credential "+credential, true
	return l.read(key, file, false) // systemd controls who may read it
}

func (l *loader) beside(key, name string) (value string, ok bool) {
	file := l.place(name)
	if file == "" || isMissing(file) {
		return "", false
	}
	return l.secretAt(key, "", file)
}

// place returns where a secret's file of that name is, or would be: beside the configuration, else
// for an offline look where the service has it; "" if there is no configuration.
func (l *loader) place(name string) string {
	var file string
	if l.path != "" {
		file = filepath.Join(filepath.Dir(l.path), name)
	}
	if l.offline && (file == "" || isMissing(file)) {
		file = filepath.Join(installedConfig, name)
	}
	return file
}

func isMissing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

// read returns the contents of a secret's file without the trailing newline.
func (l *loader) read(key, file string, private bool) (value string, ok bool) { //nolint:gocyclo // one case per thing that may be wrong
	bad := func(format string, args ...any) (string, bool) {
		l.badValue(l.where[key], key, format, args...)
		return "", false
	}
	info, err := os.Stat(file)
	switch {
	case err != nil && !filepath.IsAbs(file):
		// Not shown: it may be the secret itself, pasted in the wrong place.
		return bad("expected the full path of a file with the secret (chmod 600), got something else")
	case errors.Is(err, fs.ErrPermission):
		return l.denied(key, file)
	case err != nil:
		return bad("%s: %v", shown(key, file), reason(err))
	case !info.Mode().IsRegular():
		return bad("%s: expected a file with the secret in it, got a directory, pipe or device", file)
	case info.Size() > maxSecretSize:
		return bad("%s: expected a secret, got %d bytes", file, info.Size())
	}
	if private {
		err = Private(file, info)
		if err == nil && key == "key_file" {
			err = ownedByUs(file, info, l.embedded)
		}
		if err != nil {
			return bad("%v", err)
		}
	}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrPermission) {
		return l.denied(key, file)
	}
	if err != nil {
		return bad("%s: %v", file, reason(err))
	}
	if key == "key_file" && len(raw) == rawKeySize {
		return string(raw), true // a trailing byte that looks like a newline is part of the key
	}
	value = strings.TrimPrefix(strings.TrimRight(string(raw), "\r\n"), "\ufeff") // a byte order mark from an editor
	if value == "" {
		return bad("%s is empty: expected the secret, on one line", file)
	}
	return value, true
}

// denied reports a secret that this user may not read.
func (l *loader) denied(key, file string) (value string, ok bool) {
	if !l.offline {
		l.badValue(l.where[key], key, "%s: %s", file, denied(file))
		return "", false
	}
	l.unread[key] = true
	l.unseen = append(l.unseen, Problem{Where: l.where[key], Key: key, What: file + " is for others than you to read"})
	return "", false
}

// reason returns a file error without its path.
func reason(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// NoAppToken returns the error of what cannot be done without the app's secret token.
func NoAppToken(e Economic) error {
	return &Errors{Problems: []Problem{{Key: "economic.app_secret_token_file", What: "no app secret token: " + e.TokenMissing()}}}
}

package config_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lagerd/config"
	"lagerd/secret"
)

// TestDSNThatEveryoneCanRead: a DSN with a password is a secret in lagerd.yaml too.
func TestDSNThatEveryoneCanRead(t *testing.T) {
	t.Parallel()
	key := write(t, "key", secret.Generate(), 0o600)
	dsnFile := write(t, "dsn", "u:hunter2@tcp(127.0.0.1)/x", 0o600)
	for name, c := range map[string]struct {
		database string
		mode     os.FileMode
		env      []string
		refused  bool
	}{
		"readable by everyone":     {`dsn: "u:hunter2@tcp(127.0.0.1)/x"`, 0o644, nil, true},
		"by others only":           {`dsn: "u:hunter2@tcp(127.0.0.1)/x"`, 0o604, nil, true},
		"by the group":             {`dsn: "u:hunter2@tcp(127.0.0.1)/x"`, 0o640, nil, false},
		"without a password":       {`dsn: "u@unix(/run/mysqld/mysqld.sock)/x"`, 0o644, nil, false},
		"in a file of its own":     {`dsn_file: ` + dsnFile, 0o644, nil, false},
		"from the environment":     {`max_connections: 8`, 0o644, []string{"LAGERD_DATABASE_DSN=u:hunter2@tcp(127.0.0.1)/x"}, false},
		"overridden there as well": {`dsn: "u:hunter2@tcp(127.0.0.1)/x"`, 0o644, []string{"LAGERD_DATABASE_DSN=u:p@tcp(127.0.0.1)/x"}, false},
	} {
		path := write(t, "lagerd.yaml", "database: {"+c.database+"}\nkey_file: "+key+"\n", 0o600)
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, c.env)
		if (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), path+":1:17: database.dsn: it has a password") || !strings.Contains(err.Error(), "chmod 640 "+path) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyOfAnotherUser: whoever owns the key's file could replace the key.
func TestKeyOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the owner of the key, without root")
	}
	const stranger = 4242
	dir := t.TempDir()
	key, database := filepath.Join(dir, "key"), filepath.Join(dir, "lagerd.db")
	for path, text := range map[string]string{key: secret.Generate(), database: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(yaml string) error {
		_, err := config.Load(write(t, "lagerd.yaml", yaml, 0o600), nil)
		return err
	}
	named, embedded := "database: {dsn: \"u:p@tcp(127.0.0.1)/x\"}\nkey_file: "+key+"\n", "database: {path: "+database+"}\n"
	for _, step := range []struct {
		file     string // changes hands before
		what     string
		yaml     string
		accepted bool
	}{
		{"", "root's key", named, true},
		{"", "root's key beside the database", embedded, true},
		{key, "a stranger's key", named, false},
		{key, "a stranger's key beside root's database", embedded, false},
		{database, "a key of the user who has the embedded database", embedded, true},
		{database, "that key for a server", named, false},
	} {
		if step.file != "" {
			if err := os.Chown(step.file, stranger, stranger); err != nil {
				t.Fatal(err)
			}
		}
		err := load(step.yaml)
		if (err == nil) != step.accepted {
			t.Errorf("%s: %v", step.what, err)
		}
		if err != nil && (!strings.Contains(err.Error(), key+" belongs to the user 4242") || !strings.Contains(err.Error(), "chown root "+key)) {
			t.Errorf("%s: %v", step.what, err)
		}
	}
	// systemd passes a credential's file itself.
	credentials := t.TempDir()
	file := filepath.Join(credentials, config.CredentialKey)
	if err := os.WriteFile(file, []byte(secret.Generate()), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	if c, err := config.Load("", []string{"CREDENTIALS_DIRECTORY=" + credentials}); err != nil || c.Key.IsZero() {
		t.Errorf("a credential: %v", err)
	}
}

// TestPlainHTTP: the tokens leave this machine only encrypted.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	for address, accepted := range map[string]bool{
		"https://restapi.e-conomic.com": true, "http://127.0.0.1:8490": true, "http://127.8.9.1": true, "http://localhost:8490": true, "http://LOCALHOST.": true,
		"http://[::1]:8490": true, "http://sandbox.localhost": true,
		"http://restapi.e-conomic.com": false, "http://10.0.0.1:8490": false, "http://localhost.example.com": false, "http://0.0.0.0": false, "http://[fe80::1]": false,
		"HTTP://restapi.e-conomic.com": false, "http://notlocalhost": false,
	} {
		_, err := config.Load(write(t, "lagerd.yaml", "economic: {rest_url: \""+address+"\"}\n", 0o600), nil)
		if (err == nil) != accepted {
			t.Errorf("%s: %v", address, err)
		}
		if err != nil && !strings.Contains(err.Error(), "economic.rest_url: expected https://") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestUnencryptedDatabase: a database on another machine without TLS is a warning, and starts.
func TestUnencryptedDatabase(t *testing.T) {
	t.Parallel()
	key := write(t, "key", secret.Generate(), 0o600)
	for dsn, warned := range map[string]string{
		"u:p@tcp(db.example.dk:3306)/x": "the connection to db.example.dk is not encrypted: add the parameter tls=true", "u:p@tcp(10.0.0.1)/x": "to 10.0.0.1 is not encrypted:",
		"u:p@tcp([2001:db8::1]:3306)/x": "to 2001:db8::1 is not", "u:p@tcp(db:3306)/x?tls=false": "to db is not encrypted:",
		"u:p@tcp(db:3306)/x?tls=preferred": "is not encrypted if the server", "u:p@tcp(db:3306)/x?tls=true&allowFallbackToPlaintext=true": "is not encrypted if the server",
		"u:p@tcp(db:3306)/x?tls=true": "", "u:p@tcp(db:3306)/x?tls=skip-verify": "",
		"u:p@tcp(127.0.0.1:3306)/x": "", "u:p@tcp(localhost)/x": "", "u:p@tcp([::1]:3306)/x": "", "u:p@/x": "", "u:p@unix(/run/mysqld.sock)/x": "",
	} {
		c, err := config.Load("", []string{"LAGERD_DATABASE_DSN=" + dsn, "LAGERD_KEY_FILE=" + key})
		switch {
		case err != nil:
			t.Errorf("%s: %v", dsn, err)
		case warned == "" && len(c.Warnings) == 0:
		case warned == "" || len(c.Warnings) != 1 || c.Warnings[0].Key != "database.dsn" || !strings.Contains(c.Warnings[0].What, warned):
			t.Errorf("%s: warned of %v, expected %q", dsn, c.Warnings, warned)
		}
	}
}

// TestPrivate: only a regular file can be left open by mistake; a pipe of a shell cannot.
func TestPrivate(t *testing.T) {
	t.Parallel()
	for mode, accepted := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o660: true, 0o644: false, 0o602: false, 0o601: false} {
		path := write(t, "token", "x", 0o600)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := config.Private(path, info); (err == nil) != accepted {
			t.Errorf("%o: %v", mode, err)
		}
	}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Private(socket, info); err != nil {
		t.Errorf("what is no file: %v", err)
	}
}

// TestProxies: an address that no stranger has, or that is configured, is a proxy's.
func TestProxies(t *testing.T) {
	t.Parallel()
	c, err := config.Load(write(t, "lagerd.yaml", "webhook: {proxies: [203.0.113.7, 198.51.100.0/24, \"2001:db8::/32\"]}\n", 0o600), nil)
	if err != nil {
		t.Fatal(err)
	}
	for remote, is := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "192.168.1.1": true, "172.16.0.1": true, "fd00::1": true, "fe80::1%eth0": true, "@": true, "": true,
		"203.0.113.7": true, "::ffff:203.0.113.7": true, "203.0.113.8": false, "198.51.100.255": true, "198.51.101.0": false, "2001:db8:1::1": true, "2001:db9::1": false,
		"172.32.0.1": false, "11.0.0.1": false, "192.0.2.7": false,
	} {
		if got := c.Webhook.IsProxy(remote); got != is {
			t.Errorf("%q: %v", remote, got)
		}
	}
	list := problems(t, "webhook:\n  proxies: [203.0.113.7, nginx, 10.0.0.0/33, \"\"]\n")
	if len(list) != 3 || list[0].Key != "webhook.proxies[1]" || list[0].Where != "2:26" || !strings.Contains(list[0].What, `got "nginx"`) || list[1].Key != "webhook.proxies[2]" {
		t.Errorf("got %+v", list)
	}
	c, err = config.Load("", []string{"LAGERD_WEBHOOK_PROXIES=203.0.113.9, 198.51.100.0/24"})
	if err != nil || !c.Webhook.IsProxy("203.0.113.9") || !c.Webhook.IsProxy("198.51.100.1") {
		t.Errorf("from the environment: %v", err)
	}
}

package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lagerd/config"
	"lagerd/secret"
)

func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// problems loads a configuration that must be bad and returns what is wrong.
func problems(t *testing.T, yaml string, env ...string) []config.Problem {
	t.Helper()
	path := write(t, "lagerd.yaml", yaml, 0o600)
	_, err := config.Load(path, env)
	var bad *config.Errors
	if !errors.As(err, &bad) {
		t.Fatalf("expected *config.Errors, got %v", err)
	}
	for i := range bad.Problems {
		bad.Problems[i].Where = strings.TrimPrefix(bad.Problems[i].Where, path+":")
	}
	return bad.Problems
}

func TestExampleIsTheDefault(t *testing.T) {
	t.Parallel()
	example, err := config.Load("../config.example.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	byDefault, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byDefault, example, cmpopts.IgnoreTypes(secret.Text{})); diff != "" {
		t.Errorf("config.example.yaml differs from the defaults (-default +example):\n%s", diff)
	}
}

// TestExampleHasEveryKey renames each key of the example in turn: that must be
// an unknown key, and no key of the structure may be missing from the example.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			key := f.Tag.Get("yaml")
			if key == "-" {
				continue
			}
			if !strings.Contains(string(text), key+":") {
				t.Errorf("config.example.yaml lacks the key %q", key)
			}
			if f.Type.Kind() == reflect.Struct {
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[config.Config]())
}

func TestBadInputIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, yaml, where, key, what string }{
		{"unknown key", "database:\n  dns: x\n", "2:3", "database.dns", "unknown key: expected one of dsn,"},
		{"unknown section", "databse:\n  dsn: x\n", "1:1", "databse", "unknown key"},
		{"number for text", "database:\n  path: 12\n", "2:9", "database.path", "expected a text"},
		{"text for number", "database:\n  max_connections: many\n", "2:20", "database.max_connections", `expected a whole number, got the text "many"`},
		{"section for value", "key_file:\n  a: b\n", "2:4", "key_file", "expected one value, got keys and values"},
		{"value for section", "database: x\n", "1:11", "database", "expected keys and values, got a text"},
		{"list for value", "key_file: [a]\n", "1:11", "key_file", "expected one value, got a list"},
		{"no value", "key_file:\n", "1:11", "key_file", "expected a value, got none"},
		{"bad duration", "reconcile:\n  overlap: 5 minutes\n", "2:12", "reconcile.overlap", `expected a duration such as 90s, 5m or 24h, got "5 minutes"`},
		{"bare number as duration", "reconcile:\n  overlap: 300\n", "2:12", "reconcile.overlap", "expected a duration"},
		{"bad duration in a list", "reconcile:\n  rereads: [2s, soon]\n", "2:17", "reconcile.rereads", `got "soon"`},
		{"list wanted", "reconcile:\n  rereads: 2s\n", "2:12", "reconcile.rereads", "expected a list"},
		{"negative duration", "reconcile:\n  sweep_every: -1h\n", "2:16", "reconcile.sweep_every", "expected a duration from 1m0s"},
		{"no port", "webhook:\n  listen: localhost\n", "2:11", "webhook.listen", "expected host:port"},
		{"port too large", "webhook:\n  listen: 127.0.0.1:70000\n", "2:11", "webhook.listen", `expected a port from 0 to 65535, got "70000"`},
		{"port by name", "admin:\n  listen: 127.0.0.1:http\n", "2:11", "admin.listen", `got "http"`},
		{"same listener", "admin:\n  listen: 127.0.0.1:8480\n", "2:11", "admin.listen", "is webhook.listen too"},
		{"bad cron", "reconcile:\n  schedule: \"* * * *\"\n", "2:13", "reconcile.schedule", "expected a cron expression with five fields"},
		{"bad url", "economic:\n  rest_url: restapi.e-conomic.com\n", "2:13", "economic.rest_url", "expected a URL"},
		{"url with a password", "economic:\n  rest_url: https://a:b@x.dk\n", "2:13", "economic.rest_url", "expected a URL"},
		{"bad level", "log:\n  level: loud\n", "2:10", "log.level", `got "loud"`},
		{"bad format", "log:\n  format: xml\n", "2:11", "log.format", "expected text or json"},
		{"bad choice", "database:\n  migrate: maybe\n", "2:12", "database.migrate", "expected auto or manual"},
		{"zero", "reconcile:\n  workers: 0\n", "2:12", "reconcile.workers", "expected a number from 1 to 1024, got 0"},
		{"relation of durations", "lease:\n  beat: 5s\n  ttl: 10s\n", "3:8", "lease.ttl", "expected at least three times lease.beat (5s), got 10s"},
		{"relation of retries", "reconcile:\n  retry_min: 1h\n  retry_max: 1m\n", "2:14", "reconcile.retry_min", "is more than reconcile.retry_max"},
		{"overlap too short", "reconcile:\n  overlap: 1m\n", "2:12", "reconcile.overlap", "expected a duration from 2m0s"},
		{"twice", "key_file: a\nlog:\n  level: info\nkey_file: b\n", "4:1", "", "already defined"},
		{"not YAML", "database: [\n", "1:11", "", "not found"},
		{"tab", "database:\n\tdsn: x\n", "2:1", "", "cannot start any token"},
		{"two documents", "key_file: a\n---\nkey_file: b\n", "3:9", "", "expected one YAML document"},
		{"bad DSN", "database:\n  dsn: \"user:hunter2@nowhere\"\n", "2:8", "database.dsn", "expected user:password@tcp(host:3306)/database"},
		{"DSN without database", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/\"\n", "2:8", "database.dsn", "expected the name of a database"},
		{"DSN without key", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/lagerd\"\n", "", "key_file", "expected the file of the master key"},
		{"missing secret file", "key_file: /no/such/file\n", "1:11", "key_file", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := problems(t, c.yaml)
			for _, p := range list {
				if strings.Contains(p.String(), "hunter2") {
					t.Errorf("the problem shows a password: %s", p)
				}
				if p.Where == c.where && (c.key == "" || p.Key == c.key) && strings.Contains(p.What, c.what) {
					return
				}
			}
			t.Errorf("expected %s: %s: …%s…, got %q", c.where, c.key, c.what, list)
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	list := problems(t, "nonsense: 1\nwebhook:\n  listen: x\nreconcile:\n  overlap: soon\n", "LAGERD_LOG_LEVEL=loud", "LAGERD_NO_SUCH=1")
	if len(list) != 5 {
		t.Errorf("expected 5 problems, got %d: %q", len(list), list)
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	path := write(t, "lagerd.yaml", "database:\n  max_connections: 8\n", 0o600)
	c, err := config.Load(path, []string{
		"LAGERD_DATABASE_MAX_CONNECTIONS=12", "LAGERD_RECONCILE_REREADS=1s, 3s", "LAGERD_LEASE_TTL=9s",
		"LAGERD_CONFIG=elsewhere", "STATE_DIRECTORY=/var/lib/lagerd:/other", "PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Database.MaxConnections != 12 || fmt.Sprint(c.Reconcile.Rereads) != "[1s 3s]" || c.Lease.TTL.String() != "9s" {
		t.Errorf("the environment does not win: %+v", c)
	}
	if c.Database.Path != "/var/lib/lagerd/lagerd.db" {
		t.Errorf("database.path is %s", c.Database.Path)
	}
	for env, want := range map[string]string{
		"LAGERD_LEASE_TTL=long":          "LAGERD_LEASE_TTL: lease.ttl: expected a duration",
		"LAGERD_DATABASE_DNS=x":          "LAGERD_DATABASE_DNS: no key goes by",
		"LAGERD_WEBHOOK_LISTEN=here":     "LAGERD_WEBHOOK_LISTEN: webhook.listen: expected host:port",
		"LAGERD_RECONCILE_REREADS=1s,no": "LAGERD_RECONCILE_REREADS: reconcile.rereads: expected a duration",
	} {
		if _, err := config.Load("", []string{env}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", env, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	key := secret.Generate()
	dir := t.TempDir()
	for name, text := range map[string]string{
		config.CredentialKey: key + "\n", config.CredentialAppToken: "app-token\r\n", config.CredentialDSN: "u:hunter2@tcp(db)/lagerd\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load("", []string{"CREDENTIALS_DIRECTORY=" + dir})
	if err != nil {
		t.Fatal(err)
	}
	if c.Key.Reveal() != key || c.Economic.AppSecretToken.Reveal() != "app-token" || c.Database.DSN != "u:hunter2@tcp(db)/lagerd" {
		t.Error("a credential was not taken as it is, without its newline")
	}
	if text := fmt.Sprintf("%+v %#v", c, c.Economic); strings.Contains(text, "app-token") || strings.Contains(text, key) {
		t.Error("a printed configuration shows a secret")
	}

	file := write(t, "token", "from-file", 0o600)
	c, err = config.Load("", []string{"CREDENTIALS_DIRECTORY=" + dir, "LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + file})
	if err != nil || c.Economic.AppSecretToken.Reveal() != "from-file" {
		t.Errorf("a file named by its key does not win over a credential: %v", err)
	}
	for mode, want := range map[os.FileMode]string{0o644: "chmod 600", 0o604: "can be read by everyone"} {
		open := write(t, "token", "x", mode)
		if err := os.Chmod(open, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load("", []string{"LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + open}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mode %o: got %v", mode, err)
		}
	}
	weak := write(t, "key", "0123", 0o600)
	if _, err := config.Load("", []string{"LAGERD_KEY_FILE=" + weak}); err == nil || strings.Contains(err.Error(), "0123") {
		t.Errorf("a weak key: got %v", err)
	}
	twice := write(t, "lagerd.yaml", "database:\n  dsn: \"u:p@tcp(db)/lagerd\"\n", 0o600)
	if _, err := config.Load(twice, []string{"CREDENTIALS_DIRECTORY=" + dir}); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("a DSN given twice: got %v", err)
	}
}

// FuzzLoad feeds anything to the loader: it must never panic, and what it
// accepts must be valid.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example), "")
	f.Add("reconcile:\n  rereads: [2s]\n", "LAGERD_LEASE_TTL=1h")
	f.Add("a: &a [*a]\n", "LAGERD_=")
	f.Add("? {a: b}\n: c\n", "x")
	f.Add("<<: *x\nkey_file: |\n  a\n", "LAGERD_RECONCILE_REREADS=,,")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text, env string) {
		path := filepath.Join(dir, "fuzz.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(path, []string{env})
		var bad *config.Errors
		switch {
		case err == nil:
			if c.Lease.TTL < 3*c.Lease.Beat || c.Reconcile.Schedule == "" || c.Webhook.Listen == "" {
				t.Errorf("accepted: %+v", c)
			}
		case !errors.As(err, &bad) || len(bad.Problems) == 0:
			t.Errorf("not an *Errors: %v", err)
		}
	})
}

package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

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

// problems loads an invalid configuration and returns its problems.
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
	byDefault.Economic.TokenPlace = "../economic-app-secret-token" // beside the example
	if diff := cmp.Diff(byDefault, example, cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() })); diff != "" {
		t.Errorf("config.example.yaml differs from the defaults (-default +example):\n%s", diff)
	}
}

// keysOf lists the keys of a configuration, in order, with their paths.
func keysOf(s reflect.Type, prefix string) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(s) {
		switch name := f.Tag.Get("yaml"); {
		case name == "-", f.Anonymous: // its fields are visited on their own
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[secret.Text]():
			keys = append(keys, keysOf(f.Type, prefix+name+".")...)
		default:
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

// sampleKey matches a key of the example that is commented out because it has no default.
var sampleKey = regexp.MustCompile(`(?m)^( *)#(\w+:)`)

// TestExampleHasEveryKey parses the example independently: it must have exactly the keys
// of Config, in their order, including those commented out. Each must be below a comment,
// its own or one shared with the key above.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = sampleKey.ReplaceAll(text, []byte("$1$2"))
	var example yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &example, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	var got []string
	var walk func(yaml.MapSlice, string)
	walk = func(m yaml.MapSlice, prefix string) {
		for _, item := range m {
			if section, ok := item.Value.(yaml.MapSlice); ok {
				walk(section, prefix+item.Key.(string)+".")
				continue
			}
			got = append(got, prefix+item.Key.(string))
		}
	}
	walk(example, "")
	if diff := cmp.Diff(keysOf(reflect.TypeFor[config.Config](), ""), got); diff != "" {
		t.Errorf("the keys of config.example.yaml differ from Config's (-Config +example):\n%s", diff)
	}
	commented := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasSuffix(line, ":"):
			commented = false
		case strings.HasPrefix(line, "#"):
			commented = true
		case !commented:
			t.Errorf("config.example.yaml does not document this: %s", line)
		}
	}
}

func TestEachKeyHasAnEnvironmentVariableOfItsOwn(t *testing.T) {
	t.Parallel()
	keys := map[string]string{}
	for _, key := range keysOf(reflect.TypeFor[config.Config](), "") {
		name := "LAGERD_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		if other, ok := keys[name]; ok {
			t.Errorf("%s is %s and %s", name, key, other)
		}
		keys[name] = key
		// No key accepts this value, or it names a file that does not exist.
		_, err := config.Load("", []string{name + "=\x00"})
		if key == "database.path" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), name+": "+key) {
			t.Errorf("%s: expected a problem at that variable, got %v", name, err)
		}
	}
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
		{"bad duration in a list", "reconcile:\n  rereads: [2s, soon]\n", "2:17", "reconcile.rereads[1]", `got "soon"`},
		{"duration in a list out of bounds", "reconcile:\n  rereads:\n    - 2s\n    - 2h\n", "4:7", "reconcile.rereads[1]", "expected a duration from 100ms to 1h0m0s, got 2h"},
		{"number with a base", "webhook:\n  batch: 0x10\n", "2:10", "webhook.batch", `expected a whole number, got "0x10"`},
		{"fraction", "webhook:\n  batch: 1.5\n", "2:10", "webhook.batch", `expected a whole number, got "1.5"`},
		{"number too large for any", "webhook:\n  batch: 99999999999999999999\n", "2:10", "webhook.batch", "expected a whole number"},
		{"list wanted", "reconcile:\n  rereads: 2s\n", "2:12", "reconcile.rereads", "expected a list"},
		{"negative duration", "reconcile:\n  sweep_every: -1h\n", "2:16", "reconcile.sweep_every", "expected a duration from 1m0s"},
		{"no port", "webhook:\n  listen: localhost\n", "2:11", "webhook.listen", "expected host:port"},
		{"port too large", "webhook:\n  listen: 127.0.0.1:70000\n", "2:11", "webhook.listen", `expected a port from 0 to 65535, got "70000"`},
		{"port by name", "admin:\n  listen: 127.0.0.1:http\n", "2:11", "admin.listen", `got "http"`},
		{"socket without its directory", "admin:\n  listen: unix:admin.sock\n", "2:11", "admin.listen", `expected an absolute path of at most 107 bytes such as unix:/run/lagerd/admin.sock, got "unix:admin.sock"`},
		{"socket without a path", "admin:\n  listen: \"unix:\"\n", "2:11", "admin.listen", `got "unix:"`},
		{"socket by a detour", "admin:\n  listen: unix:/run/../admin.sock\n", "2:11", "admin.listen", `got "unix:/run/../admin.sock"`},
		{"neither true nor false", "admin:\n  pprof: yes please\n", "2:10", "admin.pprof", `expected true or false, got "yes please"`},
		{"same listener", "admin:\n  listen: 127.0.0.1:8480\n", "2:11", "admin.listen", "is also webhook.listen"},
		{"host with a space", "admin:\n  listen: \"a b:80\"\n", "2:11", "admin.listen", `expected host:port such as 127.0.0.1:8480, got "a b:80"`},
		{"no listener", "webhook:\n  listen: \"\"\n", "2:11", "webhook.listen", "expected host:port"},
		{"listener of the other", "webhook:\n  listen: 127.0.0.1:8481\n", "2:11", "admin.listen", "is also webhook.listen"},
		{"cron with a time zone", "reconcile:\n  schedule: TZ=x\n", "2:13", "reconcile.schedule", "a time zone is not supported, it is UTC"},
		{"cron that never comes", "reconcile:\n  schedule: 0 0 31 2 *\n", "2:13", "reconcile.schedule", "it never occurs"},
		{"cron backwards", "reconcile:\n  schedule: \"@every -5m\"\n", "2:13", "reconcile.schedule", "shorter than a second"},
		{"cron with an unknown word", "reconcile:\n  schedule: \"@often\"\n", "2:13", "reconcile.schedule", "unrecognized descriptor"},
		{"bad cron", "reconcile:\n  schedule: \"* * * *\"\n", "2:13", "reconcile.schedule", "expected a cron expression with five fields"},
		{"bad url", "economic:\n  rest_url: restapi.e-conomic.com\n", "2:13", "economic.rest_url", "expected a URL"},
		{"url with a password", "economic:\n  rest_url: https://a:hunter2@x.dk\n", "2:13", "economic.rest_url", "without user and password"},
		{"url that does not parse", "economic:\n  rest_url: \"https://a:hunter2%@x.dk\"\n", "2:13", "economic.rest_url", "without user and password"},
		{"Rackbeat's url", "rackbeat:\n  url: app.rackbeat.com\n", "2:8", "rackbeat.url", "expected a URL"},
		{"Rackbeat's url in the clear", "rackbeat:\n  url: http://app.rackbeat.com/api/\n", "2:8", "rackbeat.url", "could read the key"},
		{"an address for messages that is none", "notify:\n  smtp_host: mail.example.dk\n  from: lagerd@example.dk\n  to: [drift@example.dk, drift]\n", "4:26", "notify.to[1]", `expected an e-mail address such as drift@example.dk, got "drift"`},
		{"mail without a server", "notify:\n  to: [drift@example.dk]\n", "2:7", "notify.smtp_host", "expected the mail server that sends to notify.to"},
		{"mail from nobody", "notify:\n  smtp_host: mail.example.dk\n", "2:14", "notify.from", "expected the address from which lagerd sends mail"},
		{"a mail server with its port", "notify:\n  smtp_host: mail.example.dk:25\n  from: lagerd@example.dk\n", "2:14", "notify.smtp_host", "without a port"},
		{"mail in the clear", "notify:\n  smtp_host: mail.example.dk\n  from: lagerd@example.dk\n  smtp_tls: none\n", "4:13", "notify.smtp_tls", "anybody on the way to mail.example.dk"},
		{"a user without password", "notify:\n  smtp_host: mail.example.dk\n  from: lagerd@example.dk\n  smtp_user: lagerd\n", "4:14", "notify.smtp_password_file", "expected the file of the password"},
		{"a webhook without secret", "notify:\n  webhook_url: https://alerts.example.dk/x\n", "2:16", "notify.webhook_secret_file", "expected the file of the secret"},
		{"a webhook in the clear", "notify:\n  heartbeat_url: http://heartbeat.example.dk/x\n", "2:18", "notify.heartbeat_url", "expected https://"},
		{"a contact that is no address", "rackbeat:\n  contact: drift\n", "2:12", "rackbeat.contact", `expected an e-mail address such as drift@example.dk, got "drift"`},
		{"a contact with a name", "rackbeat:\n  contact: Drift <drift@example.dk>\n", "2:12", "rackbeat.contact", "expected an e-mail address"},
		{"a contact that would end its parentheses", "rackbeat:\n  contact: '\"a)\"@example.dk'\n", "2:12", "rackbeat.contact", "expected an e-mail address"},
		{"a contact that is too long", "rackbeat:\n  contact: " + strings.Repeat("a", 250) + "@b.dk\n", "2:12", "rackbeat.contact", "expected an e-mail address"},
		{"a public token with its address", "economic:\n  app_public_token: https://secure.e-conomic.com/x?appPublicToken=Sb7kPq2xWz94\n", "2:21", "economic.app_public_token", `without the address around it: the part after appPublicToken=, up to the next &, got "https://secure`},
		{"a public token with its parameter", "economic:\n  app_public_token: Sb7kPq2xWz94&locale=da-DK\n", "2:21", "economic.app_public_token", "without the address around it"},
		{"a public token that is cut off", "economic:\n  app_public_token: Sb7kPq2\n", "2:21", "economic.app_public_token", "8 to 200 of them, got 7"},
		{"a public token that is too long", "economic:\n  app_public_token: " + strings.Repeat("x", 201) + "\n", "2:21", "economic.app_public_token", "8 to 200 of them, got 201"},
		{"a public token with a blank", "economic:\n  app_public_token: Sb7kPq2x Wz94\n", "2:21", "economic.app_public_token", `without blanks, quotes and other characters, got "Sb7kPq2x Wz94"`},
		{"a public token with other letters", "economic:\n  app_public_token: Sb7kPq2xæøå\n", "2:21", "economic.app_public_token", "without blanks, quotes"},
		{"no calls a minute", "rackbeat:\n  calls_per_minute: 0\n", "2:21", "rackbeat.calls_per_minute", "expected a number from 1 to 10000, got 0"},
		{"hardly any calls a day", "rackbeat:\n  daily_calls: 99\n", "2:16", "rackbeat.daily_calls", "expected a number from 100 to 10000000, got 99"},
		{"no time for Rackbeat", "rackbeat:\n  timeout: 0s\n", "2:12", "rackbeat.timeout", "expected a duration from 1s"},
		{"url with a code", "webhook:\n  public_url: https://x.dk/webhooks.php?password=hunter2\n", "2:15", "webhook.public_url", "without parameters"},
		{"url with a blank", "webhook:\n  public_url: \"https://x.dk/webhooks.php \"\n", "2:15", "webhook.public_url", "without blanks"},
		{"url with a word joiner", "webhook:\n  public_url: \"https://x.dk/webhooks.php\u2060\"\n", "2:15", "webhook.public_url", "without blanks"},
		{"bad level", "log:\n  level: loud\n", "2:10", "log.level", `got "loud"`},
		{"bad format", "log:\n  format: xml\n", "2:11", "log.format", "expected text or json"},
		{"bad choice", "database:\n  migrate: maybe\n", "2:12", "database.migrate", "expected auto or manual"},
		{"zero", "reconcile:\n  workers: 0\n", "2:12", "reconcile.workers", "expected a number from 1 to 1024, got 0"},
		{"relation of durations", "lease:\n  beat: 5s\n  ttl: 10s\n", "3:8", "lease.ttl", "expected at least three times lease.beat (5s), got 10s"},
		{"relation with a default", "lease:\n  beat: 5s\n", "2:9", "lease.ttl", "expected at least three times lease.beat (5s), got 10s"},
		{"relation of a retry with a default", "reconcile:\n  retry_max: 1s\n", "2:14", "reconcile.retry_min", "5s is more than reconcile.retry_max (1s)"},
		{"relation of retries", "reconcile:\n  retry_min: 1h\n  retry_max: 1m\n", "2:14", "reconcile.retry_min", "is more than reconcile.retry_max"},
		{"overlap too short", "reconcile:\n  overlap: 1m\n", "2:12", "reconcile.overlap", "expected a duration from 2m0s"},
		{"twice", "log: {level: info}\npdf:\n  concurrency: 1\nlog: {}\n", "4:1", "log", "duplicate key"},
		{"twice in a section", "pdf: {concurrency: 1, concurrency: 2}\n", "1:23", "pdf.concurrency", "duplicate key"},
		{"a DSN twice", "database:\n  dsn: \"\"\n  dsn: u:hunter2@tcp(db)/x\n", "3:3", "database.dsn", "duplicate key"},
		{"alias", "log: &a\n  level: info\npdf: *a\n", "3:6", "pdf", "expected keys and values, got an anchor, alias or tag"},
		{"tag", "key_file: !!str 12\n", "1:11", "key_file", "expected one value, got an anchor, alias or tag"},
		{"merge key", "log:\n  <<: {level: info}\n", "2:3", "log.<<", "unknown key"},
		{"list for everything", "- a\n", "1:1", "", "expected keys and values, got a list"},
		{"open quote", "database:\n  dsn: \"u:hunter2@tcp(db)/x\n", "2:8", "", "not YAML"},
		{"bad indentation", "database:\n dsn: u:hunter2@tcp(db)/x\n  path: x\n", "2:7", "", "not YAML"},
		{"not YAML", "database: [\n", "1:11", "", "not found"},
		{"tab", "database:\n\tdsn: x\n", "2:1", "", "cannot start any token"},
		{"two documents", "key_file: a\n---\nkey_file: b\n", "3:9", "", "expected one YAML document"},
		{"bad DSN", "database:\n  dsn: \"user:hunter2@nowhere\"\n", "2:8", "database.dsn", "expected user:password@tcp(host:3306)/database"},
		{"DSN without database", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/\"\n", "2:8", "database.dsn", "expected the name of a database"},
		{"DSN with an odd parameter", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/lagerd?parseTime=maybe\"\n", "2:8", "database.dsn", "expected parameters after the ?"},
		{"DSN with a parameter that changes what is read", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/lagerd?sql_log_bin=0\"\n", "2:8", "database.dsn", "the parameter \"sql_log_bin\" is unknown, or could change what lagerd reads or stores"},
		{"DSN with a parameter that the driver panics at", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/lagerd?strict=true\"\n", "2:8", "database.dsn", "the driver no longer knows the parameter strict"},
		{"DSN as a number", "database:\n  dsn: 4711\n", "2:8", "database.dsn", "expected a text, got [redacted]"},
		{"DSN without key", "database:\n  dsn: \"user:hunter2@tcp(db:3306)/lagerd\"\n", "2:8", "key_file", "expected the master key's file"},
		{"secret for its file", "economic:\n  app_secret_token_file: hunter2/abc=\n", "2:26", "economic.app_secret_token_file", "expected the full path of a file"},
		{"DSN for its file", "database:\n  dsn_file: u:hunter2@tcp(db)/x\n", "2:13", "database.dsn_file", "expected the full path of a file"},
		{"directory for a secret's file", "key_file: /etc\n", "1:11", "key_file", "expected a file with the secret in it"},
		{"device for a secret's file", "key_file: /dev/zero\n", "1:11", "key_file", "expected a file with the secret in it"},
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

// TestOneProblemIsReportedOnce: a value that could not be read is not reported again
// because of the default in its place.
func TestOneProblemIsReportedOnce(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"lease:\n  beat: 5s\n  ttl: soon\n",
		"reconcile:\n  rereads: [soon]\n",
		"key_file: /no/such/file\n",
		"key_file: {a: b}\ndatabase:\n  dsn: u:p@tcp(db)/lagerd\n",
		"database: [\n",
	} {
		if list := problems(t, text); len(list) != 1 {
			t.Errorf("%q: expected 1 problem, got %q", text, list)
		}
	}
}

func TestWhatEditorsDoToAFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"byte order mark": "\ufeffdatabase:\n  max_connections: 8\n",
		"Windows lines":   "# x\r\ndatabase:\r\n  max_connections: 8\r\n",
		"no end of line":  "database:\n  max_connections: 8",
		"document marks":  "---\ndatabase:\n  max_connections: 8\n...\n",
	} {
		c, err := config.Load(write(t, "lagerd.yaml", text, 0o600), nil)
		if err != nil || c.Database.MaxConnections != 8 {
			t.Errorf("%s: got %d, %v", name, c.Database.MaxConnections, err)
		}
	}
	if _, err := config.Load("/no/such/lagerd.yaml", nil); err == nil || !strings.Contains(err.Error(), "/no/such/lagerd.yaml: cannot be read: no such file") {
		t.Errorf("no file: got %v", err)
	}
}

// TestPresentButEmpty: the contents of an empty key, section or file may have been lost (a
// full disk, a template without its values), and lagerd must not continue with defaults:
// another database, another key.
func TestPresentButEmpty(t *testing.T) {
	t.Parallel()
	const mysql = "database:\n  dsn: u:hunter2@tcp(db)/lagerd\n"
	for _, c := range []struct {
		name, yaml string
		env        string
		want       string
	}{
		{"a file of no bytes", "", "", ": the file is empty"},
		{"a file of blank lines", "\n \n", "", ": the file is empty"},
		{"a file of comments", "# nothing\n", "", ": the file is empty"},
		{"a byte order mark alone", "\ufeff", "", ": the file is empty"},
		{"document marks alone", "---\n", "", ": the file is empty"},
		{"null for everything", "null\n", "", ": the file is empty"},
		{"an empty mapping", "{}\n", "", ": the file is empty"},
		{"zeroes, as a crash leaves them", "\x00\x00\x00", "", ""},
		{"a database with nothing in it", "log: {level: info}\ndatabase:\n", "", "database: expected keys and values, got nothing: set a database, or comment the section out"},
		{"a database with every key commented out", "database:\n  #dsn: x\nlog: {level: info}\n", "", "database: expected keys and values, got nothing"},
		{"a database that is an empty mapping", "database: {}\n", "", "database: expected keys and values, got nothing"},
		{"another section with nothing in it", "log:\n  # level: info\npdf: {concurrency: 2}\n", "", "log: expected keys and values, got nothing"},
		{"a DSN", "database: {dsn: \"\"}\n", "", "database.dsn: expected a value, got none: set a database, or comment the key out to use the embedded one"},
		{"a DSN of blanks", "database: {dsn: \" \\t\"}\n", "", "database.dsn: expected a value, got none"},
		{"a DSN without a value", "database:\n  dsn:\n  max_connections: 8\n", "", "database.dsn: expected a value, got none"},
		{"a DSN in a block", "database:\n  dsn: |\n\nlog: {level: info}\n", "", "database.dsn: expected a value, got none"},
		{"a DSN's file", "database: {dsn_file: \"\"}\n", "", "database.dsn_file: expected a value, got none"},
		{"a path", "database: {path: \"\"}\n", "", "database.path: expected a value, got none"},
		{"a variable", "", "LAGERD_DATABASE_DSN=", "LAGERD_DATABASE_DSN: database.dsn: expected a value, got none: set a database, or unset the variable"},
		{"a variable over a DSN", mysql, "LAGERD_DATABASE_DSN=", "LAGERD_DATABASE_DSN: database.dsn: expected a value, got none"},
		{"a variable for the path", "", "LAGERD_DATABASE_PATH= ", "LAGERD_DATABASE_PATH: database.path: expected a value, got none"},
		{"a master key's file", "key_file: \"\"\n", "", "key_file: expected a value, got none"},
		{"the public token", "economic: {app_public_token: \"\"}\n", "", "economic.app_public_token: expected a value, got none: set your app's public token, or comment the key out if it has none yet"},
		{"the token's file", "economic: {app_secret_token_file: \"\"}\n", "", "economic.app_secret_token_file: expected a value, got none"},
		{"a contact", "rackbeat: {contact: \"\"}\n", "", "rackbeat.contact: expected a value, got none: set an e-mail address, or comment the key out until there is one"},
		{"Rackbeat's address", "rackbeat: {url: \"\"}\n", "", "rackbeat.url: expected a URL"},
		{"the public URL", "webhook: {public_url: \"\"}\n", "", "webhook.public_url: expected a value, got none"},
		{"e-conomic's address", "economic: {rest_url: \"\"}\n", "", "economic.rest_url: expected a URL"},
		{"a level", "log: {level: \"\"}\n", "", "log.level: expected"},
		{"a schedule", "reconcile: {schedule: \"\"}\n", "", "reconcile.schedule: expected"},
		{"a number", "webhook: {queue: }\n", "", "webhook.queue: expected a value, got none"},
		{"a number's variable", "", "LAGERD_WEBHOOK_QUEUE=", "webhook.queue: expected a whole number"},
		{"a duration's variable", "", "LAGERD_LEASE_TTL=", "lease.ttl: expected a duration"},
		{"a list", "reconcile: {rereads: []}\n", "", "reconcile.rereads: expected at least one value"},
		{"a list's variable", "", "LAGERD_RECONCILE_REREADS=,", "LAGERD_RECONCILE_REREADS: reconcile.rereads: expected at least one value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := ""
			if c.env == "" || c.yaml != "" {
				path = write(t, "lagerd.yaml", c.yaml, 0o600)
			}
			_, err := config.Load(path, []string{c.env, "STATE_DIRECTORY=" + t.TempDir()})
			var bad *config.Errors
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("expected …%s…, got %v", c.want, err)
			}
		})
	}
}

// TestEmptyBesideAnother: if another source provides an empty key's value, it is used, with
// only a warning.
func TestEmptyBesideAnother(t *testing.T) {
	t.Parallel()
	credentials, empty := t.TempDir(), t.TempDir()
	key := secret.Generate()
	for name, text := range map[string]string{config.CredentialKey: key, config.CredentialAppToken: "token", config.CredentialDSN: "u:p@tcp(127.0.0.1)/credential"} {
		for dir, text := range map[string]string{credentials: text + "\n", empty: "\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
		}
	}
	keyFile := write(t, "key", key, 0o600)
	for _, c := range []struct {
		name, yaml string
		env        []string
		dsn, path  string
		warned     []string
	}{
		{"a file beside a DSN", "database: {dsn: \"u:p@tcp(127.0.0.1)/x\", dsn_file: \"\"}\nkey_file: " + keyFile, nil, "u:p@tcp(127.0.0.1)/x", "", []string{"database.dsn_file"}},
		{"a path beside a DSN", "database: {dsn: \"u:p@tcp(127.0.0.1)/x\", path: }\nkey_file: " + keyFile, nil, "u:p@tcp(127.0.0.1)/x", "", []string{"database.path"}},
		{"a DSN beside a path", "database: {dsn: \"\", path: /x/y.db}\nkey_file: " + keyFile, nil, "", "/x/y.db", []string{"database.dsn"}},
		{"a variable beside a path", "database: {path: /x/y.db}\nkey_file: " + keyFile, []string{"LAGERD_DATABASE_DSN="}, "", "/x/y.db", []string{"database.dsn"}},
		{"a variable that names one over an empty key", "database: {dsn: \"\"}\nkey_file: " + keyFile, []string{"LAGERD_DATABASE_DSN=u:p@tcp(127.0.0.1)/x"}, "u:p@tcp(127.0.0.1)/x", "", nil},
		{"all beside credentials", "database: {dsn: \"\", dsn_file: \"\"}\nkey_file: \"\"\neconomic: {app_secret_token_file: \"\"}\n", []string{"CREDENTIALS_DIRECTORY=" + credentials},
			"u:p@tcp(127.0.0.1)/credential", "", []string{"database.dsn", "database.dsn_file", "economic.app_secret_token_file", "key_file"}},
		{"credentials that systemd sets empty", "log: {level: info}\n", []string{"CREDENTIALS_DIRECTORY=" + empty, "STATE_DIRECTORY=" + empty}, "", filepath.Join(empty, "lagerd.db"), nil},
	} {
		got, err := config.Load(write(t, "lagerd.yaml", c.yaml, 0o600), c.env)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var warned []string
		for _, w := range got.Warnings {
			warned = append(warned, w.Key)
		}
		if got.Database.DSN.Reveal() != c.dsn || c.path != "" && got.Database.Path != c.path || !slices.Equal(warned, c.warned) {
			t.Errorf("%s: got %v, warned of %q", c.name, got.Database, warned)
		}
	}
	// An empty value names no database, and an empty credential counts as absent.
	_, err := config.Load(write(t, "lagerd.yaml", "database: {dsn: \"\"}\n", 0o600), []string{"CREDENTIALS_DIRECTORY=" + empty, "STATE_DIRECTORY=" + empty})
	if err == nil || !strings.Contains(err.Error(), "database.dsn: expected a value, got none") {
		t.Errorf("an empty DSN beside an empty credential: %v", err)
	}
}

// TestUnreadableIsNotAbsent: a file that may not be read is not treated as absent, and
// nothing replaces it.
func TestUnreadableIsNotAbsent(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("NOT TESTED, files that may not be read: root may read everything (TestPermissionDenied in test/e2e covers them as root)")
	}
	const said = "permission denied: run `sudo -u lagerd lagerd …`"
	path := write(t, "lagerd.yaml", "log: {level: warn}\n", 0o600)
	for _, name := range []string{config.CredentialKey, config.CredentialAppToken, config.CredentialDSN} {
		file := filepath.Join(filepath.Dir(path), name)
		if err := os.WriteFile(file, []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), file+": "+said) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), path+": cannot be read: "+said) {
		t.Errorf("the file: %v", err)
	}
	if err := os.Chmod(filepath.Dir(path), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o700) })
	if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), said) {
		t.Errorf("its directory: %v", err)
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
		"LAGERD_DATABASE_DNS=x":          "LAGERD_DATABASE_DNS: no key has this",
		"LAGERD_WEBHOOK_LISTEN=here":     "LAGERD_WEBHOOK_LISTEN: webhook.listen: expected host:port",
		"LAGERD_RECONCILE_REREADS=1s,no": "LAGERD_RECONCILE_REREADS: reconcile.rereads[1]: expected a duration",
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
	if c.Key.Reveal() != key || c.Economic.AppSecretToken.Reveal() != "app-token" || c.Database.DSN.Reveal() != "u:hunter2@tcp(db)/lagerd" {
		t.Error("a credential was not read verbatim, without its newline")
	}
	inner := struct{ c config.Config }{c} // on which fmt calls no methods
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprint(c.Database, &c.Database), fmt.Sprintf("%v %+v %#v", inner, inner, &inner)} {
		if strings.Contains(text, "app-token") || strings.Contains(text, key) || strings.Contains(text, "hunter2") {
			t.Errorf("a printed configuration shows a secret: %s", text)
		}
	}
	if text := fmt.Sprint(c.Database.DSN); text != "[redacted]" {
		t.Errorf("the DSN prints as %q", text)
	}

	// A credential that exists and cannot be read is an error, not absent.
	broken := t.TempDir()
	if err := os.Mkdir(filepath.Join(broken, config.CredentialAppToken), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load("", []string{"CREDENTIALS_DIRECTORY=" + broken}); err == nil || !strings.Contains(err.Error(), "credential "+config.CredentialAppToken) {
		t.Errorf("an unreadable credential: got %v", err)
	}

	file := write(t, "token", "from-file", 0o600)
	c, err = config.Load("", []string{"CREDENTIALS_DIRECTORY=" + dir, "LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + file})
	if err != nil || c.Economic.AppSecretToken.Reveal() != "from-file" {
		t.Errorf("a file named by its key does not win over a credential: %v", err)
	}
	for mode, want := range map[os.FileMode]string{0o644: "chmod 640", 0o604: "can be read by everyone"} {
		open := write(t, "token", "x", mode)
		if err := os.Chmod(open, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load("", []string{"LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + open}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mode %o: got %v", mode, err)
		}
	}
	for name, text := range map[string]string{"two lines": "a\nb\n", "a space": "a b", "umlaut": "æ"} {
		file := write(t, "token", text, 0o600)
		_, err := config.Load("", []string{"LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + file})
		if err == nil || !strings.Contains(err.Error(), "expected the") {
			t.Errorf("%s in a token: got %v", name, err)
		}
	}
	raw := write(t, "key", "\x01"+strings.Repeat("k", 29)+"\r\n", 0o600) // 32 bytes, the last two of which look like a newline
	if c, err := config.Load("", []string{"LAGERD_KEY_FILE=" + raw}); err != nil || len(c.Key.Reveal()) != 32 {
		t.Errorf("a raw key: %v", err)
	}
	large := write(t, "key", strings.Repeat("k", 65<<10), 0o600)
	if _, err := config.Load("", []string{"LAGERD_KEY_FILE=" + large}); err == nil || !strings.Contains(err.Error(), "got 66560 bytes") {
		t.Errorf("a large file: got %v", err)
	}
	weak := write(t, "key", "0123", 0o600)
	if _, err := config.Load("", []string{"LAGERD_KEY_FILE=" + weak}); err == nil || strings.Contains(err.Error(), "0123") {
		t.Errorf("a weak key: got %v", err)
	}
	twice := write(t, "lagerd.yaml", "database:\n  dsn: \"u:p@tcp(db)/lagerd\"\n", 0o600)
	if _, err := config.Load(twice, []string{"CREDENTIALS_DIRECTORY=" + dir}); err == nil || !strings.Contains(err.Error(), "set twice") {
		t.Errorf("a DSN given twice: got %v", err)
	}
}

// TestKeyBesideTheEmbeddedDatabase: the first start creates the key; later it is read from
// there, unless everyone can read it.
func TestKeyBesideTheEmbeddedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := []string{"STATE_DIRECTORY=" + dir}
	c, err := config.Load("", env)
	file := filepath.Join(dir, "key")
	if err != nil || c.KeyFile != file || !c.Key.IsZero() || c.Database.Path != filepath.Join(dir, "lagerd.db") {
		t.Fatalf("at the first start: %+v, %v", c, err)
	}
	key := secret.Generate()
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = config.Load("", env); err != nil || c.Key.Reveal() != key {
		t.Errorf("the key is not read: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = config.Load("", env); err == nil || !strings.Contains(err.Error(), "chmod 640 "+file) {
		t.Errorf("a key that everyone can read: got %v", err)
	}
}

// TestEmptyCredential: lagerd.service passes an empty line if a file is missing.
func TestEmptyCredential(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	for _, name := range []string{config.CredentialKey, config.CredentialAppToken, config.CredentialDSN} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("\n"), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"CREDENTIALS_DIRECTORY=" + dir, "STATE_DIRECTORY=" + state}
	c, err := config.Load("", env)
	if err != nil || c.KeyFile != filepath.Join(state, "key") || !c.Economic.AppSecretToken.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = config.Load("", append(env, "LAGERD_DATABASE_DSN=u:p@tcp(db)/lagerd"))
	if err == nil || !strings.Contains(err.Error(), "key_file: expected the master key's file") {
		t.Errorf("MySQL without a key: got %v", err)
	}
}

// FuzzLoad feeds arbitrary text to the loader: it must never panic, and what it accepts
// must be valid.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example), "")
	f.Add("reconcile:\n  rereads: [2s]\n", "LAGERD_LEASE_TTL=1h")
	f.Add("a: &a [*a]\n", "LAGERD_=")
	f.Add("reconcile:\n  schedule: TZ=x\n", "LAGERD_RECONCILE_SCHEDULE=@every 1m")
	f.Add("database:\n  dsn: \"u:p@tcp(db)/x?tls=true\"\n", "LAGERD_DATABASE_DSN=u:p@unix(/x)/y")
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

// TestSecretsBesideTheConfiguration: a command run by a person has no credentials, and
// finds the files behind the service's credentials.
func TestSecretsBesideTheConfiguration(t *testing.T) {
	t.Parallel()
	path := write(t, "lagerd.yaml", "log: {level: warn}\n", 0o600)
	for name, text := range map[string]string{config.CredentialKey: secret.Generate(), config.CredentialAppToken: "beside"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text+"\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(path, nil)
	if err != nil || c.Economic.AppSecretToken.Reveal() != "beside" || c.Key.IsZero() {
		t.Errorf("got %v, %v", c.Economic.AppSecretToken.IsZero(), err)
	}
	// With credentials from the service manager, only those are used.
	c, err = config.Load(path, []string{"CREDENTIALS_DIRECTORY=" + t.TempDir()})
	if err != nil || !c.Economic.AppSecretToken.IsZero() {
		t.Errorf("a file beside the configuration stands in for a credential: %v", err)
	}
	if err := os.Chmod(filepath.Join(filepath.Dir(path), config.CredentialAppToken), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), "can be read by everyone") {
		t.Errorf("a token that everyone can read: %v", err)
	}
}

// TestAppTokenThatHasYetToCome: its file may be missing or empty, in every place where it may be,
// and what is to be done names that place.
func TestAppTokenThatHasYetToCome(t *testing.T) {
	t.Parallel()
	beside := func(t *testing.T, token string) (path, place string) {
		t.Helper()
		path = write(t, "lagerd.yaml", "log: {level: warn}\n", 0o600)
		place = filepath.Join(filepath.Dir(path), config.CredentialAppToken)
		if token != "none" {
			if err := os.WriteFile(place, []byte(token), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path, place
	}
	credential := func(t *testing.T, token string) string {
		t.Helper()
		return "CREDENTIALS_DIRECTORY=" + filepath.Dir(write(t, config.CredentialAppToken, token, 0o600))
	}
	for name, given := range map[string]func(t *testing.T) (path, env, place, token string){
		"the named file is missing": func(t *testing.T) (path, env, place, token string) {
			place = filepath.Join(t.TempDir(), "token")
			return "", "LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + place, place, ""
		},
		"the named file is empty": func(t *testing.T) (path, env, place, token string) {
			place = write(t, "token", "\ufeff\r\n", 0o600)
			return "", "LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + place, place, ""
		},
		"no file is named": func(*testing.T) (path, env, place, token string) {
			return "", "X=", "economic.app_secret_token_file", ""
		},
		"the file beside it is missing": func(t *testing.T) (path, env, place, token string) {
			path, place = beside(t, "none")
			return path, "X=", place, ""
		},
		"the file beside it is empty": func(t *testing.T) (path, env, place, token string) {
			path, place = beside(t, "\n")
			return path, "X=", place, ""
		},
		"the credential and it are empty": func(t *testing.T) (path, env, place, token string) {
			path, place = beside(t, "")
			return path, credential(t, "\n"), place, ""
		},
		"the file was filled since": func(t *testing.T) (path, env, place, token string) {
			path, place = beside(t, "new")
			return path, credential(t, "\n"), place, "new"
		},
		"the credential wins over that file": func(t *testing.T) (path, env, place, token string) {
			path, place = beside(t, "new")
			return path, credential(t, "old"), place, "old"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, env, place, token := given(t)
			c, err := config.Load(path, []string{env})
			if err != nil || c.Economic.AppSecretToken.Reveal() != token {
				t.Fatalf("got %q, %v", c.Economic.AppSecretToken.Reveal(), err)
			}
			do := c.Economic.TokenMissing()
			if (do == "") != (token != "") || token == "" && !strings.Contains(do, place) {
				t.Errorf("what to do: %q, expected it to name %s", do, place)
			}
		})
	}
}

// TestPastedSecrets: what editors and clipboards add around a secret is stripped; what
// cannot be e-conomic's token is refused, and not shown.
func TestPastedSecrets(t *testing.T) {
	t.Parallel()
	const token = "app-token_1234="
	for _, c := range []struct{ name, raw, want string }{
		{"byte order mark", "\ufeff" + token + "\r\n", ""}, {"blanks", " " + token + "\u00a0\n", ""}, {"header", "X-AppSecretToken: " + token + "\n", ""},
		{"UTF-16", "\xff\xfea\x00p\x00p\x00", ""},
		{"the grant token", "X-AgreementGrantToken: " + token, "another token"}, {"a blank within", "app token_1234", "character 4 is a blank"},
		{"two lines", token + "\n" + token, "one line"},
	} {
		path := write(t, "token", c.raw, 0o600)
		yaml := "economic: {app_secret_token_file: " + path + "}\n"
		if c.want == "" {
			cfg, err := config.Load(write(t, "lagerd.yaml", yaml, 0o600), nil)
			if got := cfg.Economic.AppSecretToken.Reveal(); err != nil || got != token && got != "app" {
				t.Errorf("%s: %q, %v", c.name, got, err)
			}
			continue
		}
		list := problems(t, yaml)
		if len(list) != 1 || list[0].Key != "economic.app_secret_token_file" || !strings.Contains(list[0].What, c.want) || strings.Contains(list[0].What, token) {
			t.Errorf("%s: %+v, want one with %q", c.name, list, c.want)
		}
	}
	path := write(t, "token", token+"\n", 0o600)
	if list := problems(t, "economic: {app_public_token: "+token+", app_secret_token_file: "+path+"}\n"); len(list) != 1 || list[0].Key != "economic.app_public_token" || !strings.Contains(list[0].What, "this is the app's secret token") || strings.Contains(list[0].What, token) {
		t.Errorf("the secret token for the public one: %+v", list)
	}
	if cfg, err := config.Load(write(t, "lagerd.yaml", "economic: {app_public_token: Sb7kPq2x, app_secret_token_file: "+path+"}\n", 0o600), nil); err != nil || cfg.Economic.AppPublicToken != "Sb7kPq2x" {
		t.Errorf("a public token: %q, %v", cfg.Economic.AppPublicToken, err)
	}
	cfg, err := config.Load(write(t, "lagerd.yaml", "database: {dsn_file: "+write(t, "dsn", "\ufeffu:p@tcp(db)/lagerd\r\n", 0o600)+"}\nkey_file: "+
		write(t, "key", "\ufeff"+strings.Repeat("0123456789abcdef", 4)+"\n", 0o600)+"\n", 0o600), nil)
	if err != nil || cfg.Database.DSN.Reveal() != "u:p@tcp(db)/lagerd" || cfg.Key.Reveal() != strings.Repeat("0123456789abcdef", 4) {
		t.Errorf("a DSN and a key with byte order marks: %q: %v", cfg.Database.DSN.Reveal(), err)
	}
}

// TestCheckNotifyURL: https, or this machine, and nothing that would be shown elsewhere.
func TestCheckNotifyURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://hooks.example.dk/lagerd/T0/x": "", "https://192.168.1.7:8443/": "", "http://127.0.0.1:8080/a": "", "http://localhost/a": "", "http://[::1]:1/": "",
		"http://hooks.example.dk/":         "expected https://",
		"http://192.168.1.7/":              "expected https://",
		"ftp://hooks.example.dk/":          "expected a URL",
		"hooks.example.dk":                 "expected a URL",
		"https://":                         "expected a URL",
		"":                                 "expected a URL",
		"https://u:p@hooks.example.dk/":    "without user and password",
		"https://hooks.example.dk/?code=x": "without parameters",
		"https://hooks.example.dk/a b":     "without blanks",
		"https://hooks.example.dk/" + strings.Repeat("x", 2048): "at most 2048 characters",
	} {
		err := config.CheckNotifyURL(address)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, expected %q", address, err, want)
		}
	}
}

// TestLoadOffline: a configuration that lies elsewhere has the service's secrets, and those that this
// user may not read are told apart from those that are missing.
func TestLoadOffline(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("NOT TESTED: a secret that one may not read: root may read everything")
	}
	token := write(t, "token", "app-token\n", 0o600)
	if err := os.Chmod(token, 0); err != nil {
		t.Fatal(err)
	}
	path := write(t, "lagerd.yaml", "economic: {app_secret_token_file: "+token+"}\n", 0o600)
	if _, err := config.Load(path, nil); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("the service: %v", err)
	}
	c, err := config.LoadOffline(path, nil)
	if err != nil || len(c.Unseen) != 1 || c.Unseen[0].Key != "economic.app_secret_token_file" || !c.Economic.AppSecretToken.IsZero() {
		t.Errorf("%+v, %v", c.Unseen, err)
	}
}

// TestCredentialsAreNamed: a reload can say which secrets it has not read again.
func TestCredentialsAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.CredentialAppToken), []byte("app-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("", []string{"CREDENTIALS_DIRECTORY=" + dir})
	if err != nil || !slices.Equal(c.Credentials, []string{config.CredentialAppToken}) {
		t.Errorf("%q, %v", c.Credentials, err)
	}
}

// TestKeyIsCredential checks that it is known where the master key comes from: only systemd rereads a
// credential, and only at a start. Variables that name the machine override no key.
func TestKeyIsCredential(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	dir := t.TempDir()
	for name, text := range map[string]string{"lagerd.yaml": "log: {level: info}\n", "named.yaml": "key_file: " + filepath.Join(dir, "lagerd-key") + "\n", "lagerd-key": key + "\n" + strings.Repeat("1", 64) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"STATE_DIRECTORY=" + dir, "LAGERD_MACHINE_ID=" + key[:32], "LAGERD_BOOT_ID=" + key[:32]}
	for _, c := range []struct {
		file string
		env  []string
		want bool
	}{
		{"lagerd.yaml", append(env, "CREDENTIALS_DIRECTORY="+dir), true},
		{"named.yaml", append(env, "CREDENTIALS_DIRECTORY="+dir), false},
		{"lagerd.yaml", env, false},
	} {
		got, err := config.Load(filepath.Join(dir, c.file), c.env)
		if err != nil || slices.Contains(got.Credentials, config.CredentialKey) != c.want || !strings.HasPrefix(got.Key.Reveal(), key+"\n") {
			t.Errorf("%s, %v: %q, %v", c.file, c.env, got.Credentials, err)
		}
	}
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"lagerd/secret"
)

// Problem is one error in the configuration.
type Problem struct {
	Where string // file:line:column, or the environment variable or credential; "" if none
	Key   string // path of the key: database.max_connections
	What  string // the value unless secret, and what was expected
}

func (p Problem) String() string {
	var parts []string
	for _, s := range []string{p.Where, p.Key, p.What} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Errors is all errors in the configuration.
type Errors struct{ Problems []Problem } //nolint:errname // a list, named like one

// Error returns one line per problem.
func (e *Errors) Error() string {
	lines := []string{"invalid configuration:"}
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// envPrefix is the prefix of environment variables that override keys.
const envPrefix = "LAGERD_"

// notKey reports whether a variable with the prefix overrides no key: it names the
// configuration file, or the machine (lagerd.service), or belongs to the project's own tests.
func notKey(name string) bool {
	return name == "LAGERD_CONFIG" || name == "LAGERD_MACHINE_ID" || name == "LAGERD_BOOT_ID" || strings.HasPrefix(name, "LAGERD_TEST_")
}

// Load reads the file (none if path is empty), overrides it with the environment (as
// returned by os.Environ), reads the secrets, and validates the result. An error in the
// configuration itself is an *Errors.
func Load(path string, env []string) (Config, error) { return load(path, env, false) }

// LoadOffline is Load for a person or program that looks at a configuration which the service is to
// have, wherever the file lies. The secrets are sought where the service has them; those that this
// user may not read are Unseen, and are no errors.
func LoadOffline(path string, env []string) (Config, error) { return load(path, env, true) }

func load(path string, env []string, offline bool) (Config, error) {
	environment := map[string]string{}
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok {
			environment[name] = value
		}
	}
	l := &loader{path: path, env: environment, offline: offline, where: map[string]string{}, unread: map[string]bool{}, empty: map[string]string{}, stands: map[string]bool{}}
	c := Default()
	readable := true
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			what := fmt.Sprintf("%v: restore it, or name another file with --config", reason(err))
			if errors.Is(err, fs.ErrPermission) {
				what = denied(path)
			}
			return c, &Errors{[]Problem{{Where: path, What: "cannot be read: " + what}}}
		}
		readable = l.file(text, &c)
	}
	l.environment(&c)
	if c.Database.Path == "" {
		like := path // a path of the service's
		if offline {
			like = installedConfig
		}
		c.Database.Path = filepath.Join(stateDir(like, environment), "lagerd.db")
	}
	if readable { // else the file's contents are unknown and may be what seems missing
		l.secrets(&c)
		l.empties(&c)
		l.validate(&c)
	}
	c.Credentials, c.Unseen, c.Warnings = l.credentials, l.unseen, l.warnings
	if len(l.problems) > 0 {
		return c, &Errors{l.problems}
	}
	return c, nil
}

// Where a package installs the configuration and the unit keeps the state
// (lagerd.service, ConfigurationDirectory= and StateDirectory=).
const (
	installedConfig = "/etc/lagerd/"
	installedState  = "/var/lib/lagerd"
)

// stateDir returns the default directory of the embedded database. A command run by a
// person on an installed lagerd must find the service's.
func stateDir(path string, env map[string]string) string {
	if dir, _, _ := strings.Cut(env["STATE_DIRECTORY"], ":"); dir != "" {
		return dir
	}
	if strings.HasPrefix(path, installedConfig) {
		return installedState
	}
	return "lagerd-data"
}

type loader struct {
	path     string
	env      map[string]string
	offline  bool
	where    map[string]string // key → location of its value; not for defaults
	unread   map[string]bool   // keys whose value could not be read: their default is not validated instead
	empty    map[string]string // keys of mayBeEmpty that are present but empty → location
	stands   map[string]bool   // keys whose value comes from a credential, or from a file beside the configuration
	embedded string            // the embedded database's file; "": it is not used
	dsnApart bool              // the DSN comes from a file of its own, or a credential
	problems []Problem
	warnings []Problem
	unseen   []Problem // with offline

	credentials []string // the secrets that systemd passes
}

func (l *loader) bad(where, key, format string, args ...any) {
	l.problems = append(l.problems, Problem{Where: where, Key: key, What: fmt.Sprintf(format, args...)})
}

// badKey reports a problem at the location of the key's value.
func (l *loader) badKey(key, format string, args ...any) { l.badPair(key, "", format, args...) }

// badPair is badKey for two values that conflict: if key's is a default, it reports the
// problem at the location of other's.
func (l *loader) badPair(key, other, format string, args ...any) {
	if l.unread[key] || l.unread[other] {
		return
	}
	where, ok := l.where[key]
	if !ok {
		where = l.where[other]
	}
	l.bad(where, key, format, args...)
}

// badValue reports a value that could not be read.
func (l *loader) badValue(where, key, format string, args ...any) {
	l.unread[key] = true
	l.bad(where, key, format, args...)
}

func (l *loader) at(n ast.Node) string {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return fmt.Sprintf("%s:%d:%d", l.path, t.Position.Line, t.Position.Column)
	}
	return l.path
}

// file reads YAML into c, strictly. It returns false if the text is not YAML, or not a
// single document.
func (l *loader) file(text []byte, c *Config) bool {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors write a byte order mark
	// Duplicate keys are reported by mapping, with their path.
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		// The error itself quotes the surrounding lines, which may hold secrets.
		where, what := l.path, "not YAML"
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			what += ": " + syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				where = fmt.Sprintf("%s:%d:%d", l.path, t.Position.Line, t.Position.Column)
			}
		}
		l.bad(where, "", "%s", what)
		return false
	}
	for i, doc := range f.Docs {
		if i > 0 && doc.Body != nil {
			l.bad(l.at(doc.Body), "", "expected one YAML document, got another")
			return false
		}
		if doc.Body != nil {
			l.mapping(doc.Body, "", reflect.ValueOf(c).Elem())
		}
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil {
		l.nothing(l.path, "")
	}
	return true
}

// nothing reports a section, or the whole file (""), without keys: its contents may have
// been lost, and then the defaults are wrong.
func (l *loader) nothing(where, section string) {
	switch section {
	case "":
		l.bad(where, "", "the file is empty or contains only comments: restore its contents; to use only defaults, write one of them, such as log: {level: info}")
	case "database":
		l.bad(where, section, "expected keys and values, got nothing: set a database, or comment the section out too to use the embedded one")
	default:
		l.bad(where, section, "expected keys and values, got nothing: restore them, or comment the section out too to use its defaults")
	}
}

// mapping reads a YAML mapping into a struct.
func (l *loader) mapping(n ast.Node, prefix string, into reflect.Value) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	case *ast.NullNode, *ast.CommentGroupNode: // it may have had keys, all commented out
	default:
		l.bad(l.at(n), strings.TrimSuffix(prefix, "."), "expected keys and values, got %s", kindOf(n))
		return
	}
	if len(pairs) == 0 {
		l.nothing(l.at(n), strings.TrimSuffix(prefix, "."))
	}
	seen := map[string]bool{}
	for _, pair := range pairs {
		name := pair.Key.GetToken().Value
		key := prefix + shown("", name)
		if seen[name] {
			l.bad(l.at(pair.Key), key, "duplicate key: remove one")
			continue
		}
		seen[name] = true
		field, ok := fieldOf(into, name)
		if !ok {
			l.bad(l.at(pair.Key), key, "unknown key: expected one of %s", strings.Join(keysOf(into.Type()), ", "))
			continue
		}
		l.where[key] = l.at(pair.Value)
		if isSection(field) {
			l.mapping(pair.Value, key+".", field)
			continue
		}
		l.value(pair.Value, key, field)
	}
}

// value reads a scalar, or a list of them, into a field.
func (l *loader) value(n ast.Node, key string, field reflect.Value) {
	if field.Kind() == reflect.Slice {
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			l.badValue(l.at(n), key, "expected a list such as [2s, 10s], got %s", kindOf(n))
			return
		}
		field.SetLen(0)
		if len(list.Values) == 0 {
			l.badValue(l.at(n), key, "expected at least one value, got none: comment the key out to use its default")
		}
		for i, item := range list.Values {
			one := reflect.New(field.Type().Elem()).Elem()
			itemKey := fmt.Sprintf("%s[%d]", key, i)
			l.where[itemKey] = l.at(item)
			l.value(item, itemKey, one)
			field.Set(reflect.Append(field, one))
		}
		return
	}
	var text string
	switch s := n.(type) {
	case *ast.StringNode:
		if field.Kind() == reflect.Int {
			l.badValue(l.at(n), key, "expected a whole number, got the text %q", shown(key, s.Value))
			return
		}
		text = s.Value
	case *ast.LiteralNode:
		text = s.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		text = n.GetToken().Value
		if field.Kind() == reflect.String || field.Type() == secretText {
			l.badValue(l.at(n), key, "expected a text, got %s: put it in quotes", shown(key, text))
			return
		}
	case *ast.NullNode:
		if _, ok := mayBeEmpty[key]; !ok {
			l.badValue(l.at(n), key, "expected a value, got none: comment the key out to use its default")
			return
		}
	default:
		l.badValue(l.at(n), key, "expected one value, got %s", kindOf(n))
		return
	}
	if what := set(field, key, l.orEmpty(l.at(n), key, text)); what != "" {
		l.badValue(l.at(n), key, "%s", what)
	}
}

// set parses a text into a field and returns what is wrong with the text, or "".
func set(field reflect.Value, key, text string) string {
	switch {
	case field.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Sprintf("expected a duration such as 90s, 5m or 24h, got %q", shown(key, text))
		}
		field.SetInt(int64(d))
	case field.Type() == secretText:
		field.Set(reflect.ValueOf(secret.NewText(text)))
	case field.Kind() == reflect.Int:
		i, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 63)
		if err != nil {
			return fmt.Sprintf("expected a whole number, got %q", shown(key, text))
		}
		field.SetInt(i)
	case field.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Sprintf("expected true or false, got %q", shown(key, text))
		}
		field.SetBool(text == "true")
	default:
		field.SetString(text)
	}
	return ""
}

// environment reads the variables that override keys.
func (l *loader) environment(c *Config) {
	keys := map[string]leaf{}
	for _, f := range leaves(reflect.ValueOf(c).Elem(), "") {
		keys[envPrefix+strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))] = f
	}
	var names []string
	for name := range l.env {
		if strings.HasPrefix(name, envPrefix) && !notKey(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f, ok := keys[name]
		if !ok {
			l.bad(name, "", "no key has this environment variable: config.example.yaml lists every key; unset it if it belongs to another program")
			continue
		}
		l.where[f.key] = name
		if f.value.Kind() != reflect.Slice {
			if what := set(f.value, f.key, l.orEmpty(name, f.key, l.env[name])); what != "" {
				l.badValue(name, f.key, "%s", what)
			}
			continue
		}
		f.value.SetLen(0)
		for part := range strings.SplitSeq(l.env[name], ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			one := reflect.New(f.value.Type().Elem()).Elem()
			itemKey := fmt.Sprintf("%s[%d]", f.key, f.value.Len())
			l.where[itemKey] = name
			if what := set(one, itemKey, part); what != "" {
				l.badValue(name, itemKey, "%s", what)
			}
			f.value.Set(reflect.Append(f.value, one))
		}
		if f.value.Len() == 0 {
			l.badValue(name, f.key, "expected at least one value, got none: unset the variable to use the key's default")
		}
	}
}

// leaf is a key with a value, not a section.
type leaf struct {
	key   string
	value reflect.Value
}

func leaves(v reflect.Value, prefix string) []leaf {
	var list []leaf
	for _, f := range fields(v.Type()) {
		key, field := prefix+f.Tag.Get("yaml"), v.FieldByIndex(f.Index)
		if isSection(field) {
			list = append(list, leaves(field, key+".")...)
			continue
		}
		list = append(list, leaf{key, field})
	}
	return list
}

// fields returns a section's fields that are keys, including those of an embedded
// struct.
func fields(section reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(section), func(f reflect.StructField) bool {
		return f.Anonymous || f.Tag.Get("yaml") == "-"
	})
}

var secretText = reflect.TypeFor[secret.Text]()

// isSection reports whether a key has keys below it instead of a value.
func isSection(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && v.Type() != secretText
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for _, f := range fields(v.Type()) {
		if f.Tag.Get("yaml") == name {
			return v.FieldByIndex(f.Index), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(section reflect.Type) []string {
	var keys []string
	for _, f := range fields(section) {
		keys = append(keys, f.Tag.Get("yaml"))
	}
	return keys
}

// shown returns a value as errors may show it: redacted, and shortened.
func shown(key, value string) string {
	if key == "database.dsn" {
		return "[redacted]"
	}
	if r := []rune(value); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return value
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	}
	return "an anchor, alias or tag, which this file cannot have"
}

package systemd_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/config"
)

// directives returns a unit's directives with their values.
func directives(t *testing.T, unit string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			all[name] = append(all[name], value)
		}
	}
	return all
}

// TestUnitsFitTheProgram: the units and the program agree.
func TestUnitsFitTheProgram(t *testing.T) {
	t.Parallel()
	service, socket, defaults := directives(t, "lagerd.service"), directives(t, "lagerd.socket"), config.Default()
	for _, c := range []struct {
		unit       map[string][]string
		name, want string
	}{
		{service, "Type", "notify"},
		{service, "NotifyAccess", "main"},
		{service, "ExecStart", "/usr/bin/lagerd run --config /etc/lagerd/lagerd.yaml"},
		{service, "ExecStartPre", "/usr/bin/lagerd check --offline --quiet --config /etc/lagerd/lagerd.yaml"},
		{service, "ExecReload", "/usr/bin/lagerd reload"},
		{service, "WatchdogSec", "30"},
		{service, "Restart", "on-failure"},
		{service, "RestartSec", "2"},
		{service, "StartLimitIntervalSec", "0"},
		{service, "User", "lagerd"},
		{service, "StateDirectory", "lagerd"},
		{service, "ConfigurationDirectory", "lagerd"},
		{service, "ConfigurationDirectoryMode", "0750"}, // as the package makes it
		{socket, "ListenStream", defaults.Webhook.Listen},
		{socket, "FileDescriptorName", "webhook"},
	} {
		if got := c.unit[c.name]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s=%q, expected %q", c.name, got, c.want)
		}
	}
	if prevented := service["RestartPreventExitStatus"]; prevented != nil {
		t.Errorf("after exit code %s the service is not restarted, and a call that waits in the socket starts it until the socket fails", prevented)
	}
	stop, err := time.ParseDuration(service["TimeoutStopSec"][0] + "s")
	if err != nil || stop <= defaults.ShutdownTimeout {
		t.Errorf("TimeoutStopSec=%s does not let lagerd shut down within %s: %v", stop, defaults.ShutdownTimeout, err)
	}
	loaded, set := map[string]bool{}, map[string]bool{}
	for _, v := range service["LoadCredential"] {
		name, _, _ := strings.Cut(v, ":")
		loaded[name] = true
	}
	for _, v := range service["SetCredential"] {
		name, value, _ := strings.Cut(v, ":")
		set[name] = value == `\n` // what config takes for no secret; systemd 252 refuses to have none
	}
	want := []string{config.CredentialAppToken, config.CredentialKey}
	if got := slices.Sorted(maps.Keys(loaded)); !slices.Equal(got, want) {
		t.Errorf("the service loads the credentials %q, expected %q", got, want)
	}
	if !maps.Equal(loaded, set) {
		t.Errorf("a missing file of one of %q would end the start without saying which: set are %v", want, set)
	}
	if text, err := os.ReadFile("lagerd.service"); err != nil || !strings.Contains(string(text), "#LoadCredential="+config.CredentialDSN+":") {
		t.Errorf("the service does not show how to load %s: %v", config.CredentialDSN, err)
	}
}

// TestUserIsMade runs systemd-sysusers on the file, in a separate root.
func TestUserIsMade(t *testing.T) {
	t.Parallel()
	program := tool(t, "systemd-sysusers")
	text, err := os.ReadFile("lagerd.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "--root="+root, "--dry-run", "-")
	cmd.Stdin = strings.NewReader(string(text))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "user 'lagerd'") || !strings.Contains(string(out), "group 'lagerd'") {
		t.Errorf("systemd-sysusers: %v:\n%s", err, out)
	}
}

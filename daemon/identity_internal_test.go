package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"
)

func open(t *testing.T, dir string) *identity {
	t.Helper()
	i, err := openIdentity(dir)
	must(t, err)
	t.Cleanup(i.release)
	return i
}

// TestIdentity checks that the name of a state directory stays, that only one process holds it, and
// that a copy, however it was made, is never taken for the original.
func TestIdentity(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "identity")
	first := open(t, dir)
	if len(first.name) < 30 {
		t.Errorf("the name is %q", first.name)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if _, err := openIdentity(dir); !errors.Is(err, errTaken) {
		t.Errorf("locked twice: %v", err)
	}
	text, err := os.ReadFile(file)
	must(t, err)

	copied := t.TempDir()
	must(t, os.WriteFile(filepath.Join(copied, "identity"), text, 0o600))
	if other := open(t, copied); other.name == first.name || strings.Fields(other.name)[0] == strings.Fields(first.name)[0] {
		t.Errorf("the copy beside its living original has its name: %q", other.name)
	}
	linked := t.TempDir()
	must(t, os.Link(file, filepath.Join(linked, "identity")))
	if _, err := openIdentity(linked); !errors.Is(err, errTaken) {
		t.Errorf("locked under another name: %v", err)
	}
	pointing := t.TempDir()
	must(t, os.Symlink(file, filepath.Join(pointing, "identity")))
	if _, err := openIdentity(pointing); err == nil || errors.Is(err, errTaken) {
		t.Errorf("opened through a symbolic link: %v", err)
	}

	first.release()
	again := open(t, dir)
	if again.name != first.name {
		t.Errorf("the name became %q, from %q", again.name, first.name)
	}
	again.release()
	for _, odd := range []string{"", "x", "\n", strings.Repeat("x", 5000), strings.Fields(first.name)[0], strings.Fields(first.name)[0] + " 1:1\n", " " + strings.Fields(first.name)[1]} {
		must(t, os.WriteFile(file, []byte(odd), 0o600))
		got := open(t, dir)
		if got.name == first.name || len(strings.Fields(got.name)) != 2 {
			t.Errorf("after %.40q its name is %q", odd, got.name)
		}
		got.release()
		if same := open(t, dir); same.name != got.name {
			t.Errorf("after %.40q its name is %q, and then %q", odd, got.name, same.name)
		} else {
			same.release()
		}
	}
}

// TestIdentityReplaced checks that a file that is put in the place of the locked one is another one.
func TestIdentityReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "identity")
	first := open(t, dir)
	text, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file+".restored", text, 0o600))
	must(t, os.Rename(file+".restored", file))
	if second := open(t, dir); second.name == first.name {
		t.Error("a restored file has the name of the living original")
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	const machine, boot = "0123456789abcdef0123456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210"
	files := map[string]string{"/etc/machine-id": machine + "\n", "/proc/sys/kernel/random/boot_id": boot + "\n"}
	read := func(name string) ([]byte, error) {
		text, known := files[name]
		if !known {
			return nil, fs.ErrPermission
		}
		return []byte(text), nil
	}
	place := func(variables map[string]string) Place {
		return PlaceOf(func(name string) string { return variables[name] }, read)
	}
	plain := place(nil)
	if len(plain.Machine) != 32 || len(plain.Boot) != 32 || plain.Machine == machine || plain.Machine == plain.Boot || plain.StateDirectory != "" {
		t.Errorf("from the files: %+v", plain)
	}
	unit := place(map[string]string{"STATE_DIRECTORY": "/var/lib/lagerd:/other", "LAGERD_MACHINE_ID": machine, "LAGERD_BOOT_ID": strings.ReplaceAll(boot, "-", "")})
	if want := (Place{"/var/lib/lagerd", plain.Machine, plain.Boot}); unit != want {
		t.Errorf("from systemd: %+v, expected %+v", unit, want)
	}
	if other := place(map[string]string{"LAGERD_MACHINE_ID": strings.Repeat("0", 32), "LAGERD_BOOT_ID": "%b"}); other.Machine == plain.Machine || other.Boot != "" {
		t.Errorf("another machine, and no boot id: %+v", other)
	}
	files = nil
	if none := place(nil); none != (Place{}) {
		t.Errorf("where nothing can be read: %+v", none)
	}
}

// TestIdentify checks that a state directory that cannot be locked is no reason not to start.
func TestIdentify(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	at := func(dir string) Options {
		return Options{Log: log, Place: Place{StateDirectory: dir, Machine: "m", Boot: "b"}}
	}
	if i := at("").identify(); i != nil || len(hook.Entries) != 0 {
		t.Errorf("no directory: %v, %d messages", i, len(hook.Entries))
	}
	dir := t.TempDir()
	mine := at(dir).identify()
	if mine == nil || len(hook.Entries) != 0 {
		t.Fatalf("its own: %v, %d messages", mine, len(hook.Entries))
	}
	defer mine.release()
	if i := at(dir).identify(); i != nil || !strings.Contains(hook.LastEntry().Message, "is not this lagerd's own: if this lagerd dies, its shops wait for lease.ttl") {
		t.Errorf("another's: %v", i)
	}
	hook.Reset()
	if i := at(filepath.Join(dir, "none")).identify(); i != nil || hook.LastEntry() == nil {
		t.Errorf("a directory that does not exist: %v", i)
	}
	hook.Reset()
	o := at(t.TempDir())
	o.Place.Boot = ""
	i := o.identify()
	if i == nil || hook.LastEntry() == nil || !strings.Contains(hook.LastEntry().Message, "boot id") {
		t.Errorf("without a boot id: %v", i)
	}
	i.release()
}

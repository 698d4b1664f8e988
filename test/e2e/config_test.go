package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// TestConfigurationLosesItsContents checks that a running lagerd keeps its configuration, and
// that none starts on another database than intended.
func TestConfigurationLosesItsContents(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	i.start()
	code := i.addShop(s, "shop1234", first)
	works := func() bool {
		status, _ := i.call("shop1234", code, "stockUpdate", "1")
		return status == http.StatusOK
	}
	lagerdtest.Eventually(t, 5*time.Second, "the shop's webhooks are taken", works)
	good, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	i.write("lagerd.yaml", "")
	i.daemon.signal(syscall.SIGHUP)
	lagerdtest.Eventually(t, 5*time.Second, "the empty file is refused", func() bool {
		return strings.Contains(i.daemon.out.String(), "the file is empty") && strings.Contains(i.daemon.out.String(), "the old configuration stays in force")
	})
	if !works() {
		t.Error("its webhooks are refused afterwards")
	}
	i.says(78, []string{"status"}, "the file is empty")
	i.says(78, []string{"run"}, "the file is empty")

	i.write("lagerd.yaml", strings.Replace(string(good), "  path: ", "  #path: ", 1))
	i.says(78, []string{"run"}, "database: expected keys and values, got nothing", "comment the section out")
	i.write("lagerd.yaml", string(good))
	i.Env = append(i.Env, "LAGERD_DATABASE_DSN=")
	i.says(0, []string{"check"}, "LAGERD_DATABASE_DSN", "unset the variable")
	i.Env = append(i.Env, "LAGERD_DATABASE_PATH=")
	i.says(78, []string{"run"}, "LAGERD_DATABASE_PATH: database.path: expected a value, got none")
	if _, err := os.Stat(filepath.Join(i.dir, "lagerd-data")); !os.IsNotExist(err) {
		t.Errorf("another database was created: %v", err)
	}
}

// TestEmbeddedDatabaseIsMadeAloud checks that only `run` and a first `shops add` create an
// embedded database, and that they report it.
func TestEmbeddedDatabaseIsMadeAloud(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	file := filepath.Join(i.dir, "lagerd.db")
	for _, command := range []string{"status", "check", "migrate", "shops list", "shops show x", "shops set x", "shops pause x", "shops resume x", "shops remove x --yes",
		"shops rotate-code x", "shops instructions x", "shops instructions x --new-code", "why x 1", "invoice x 1", "export shop x", "approve x", "reconcile", "keygen --replace-lost"} {
		i.says(1, strings.Fields(command), "there is no embedded database yet", file)
	}
	i.says(2, []string{"diff", "x"}, "there is no embedded database yet", file)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Fatalf("a command created the database: %v", err)
	}
	i.write("grant", grant(first))
	i.says(0, []string{"shops", "add", "shop1234", "--grant-token-file", filepath.Join(i.dir, "grant")},
		"the embedded database "+file+" did not exist and has been created", "e-conomic cannot reach http://"+i.Webhook)
	if out := i.command("shops", "list"); strings.Contains(out, "created") {
		t.Errorf("said again: %s", out)
	}
	i.start()
	if strings.Contains(i.daemon.out.String(), "has been created") {
		t.Error("run reports creating a database that existed")
	}

	j := install(t, s, "", pace)
	j.start()
	if !strings.Contains(j.daemon.out.String(), "the embedded database did not exist and has been created") {
		t.Error("run does not report creating the database")
	}
}

// TestWrongMasterKey checks that a key unknown to the database is refused before any webhook is
// answered, and that a lost key can be replaced after confirmation.
func TestWrongMasterKey(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=2", "--products=10")
		i := install(t, s, dsn, pace)
		i.start()
		i.addShop(s, "shop1234", first)
		i.equal(s, "shop1234", first, 20*time.Second)
		i.daemon.signal(syscall.SIGTERM)
		i.daemon.wait(10 * time.Second)
		key, err := os.ReadFile(filepath.Join(i.dir, "key"))
		if err != nil {
			t.Fatal(err)
		}

		const refused = "this master key is not the one"
		i.write("key", strings.Repeat("fedcba9876543210", 4))
		i.write("grant2", grant(first+1))
		grant2 := filepath.Join(i.dir, "grant2")
		i.says(78, []string{"run"}, refused, "lagerd keygen --replace-lost")
		i.says(78, []string{"shops", "add", "other", "--grant-token-file", grant2}, refused)
		i.says(78, []string{"shops", "set", "shop1234", "--grant-token-file", grant2}, refused)
		i.says(78, []string{"shops", "rotate-code", "shop1234"}, refused)
		i.says(78, []string{"shops", "instructions", "shop1234", "--new-code"}, refused)
		i.says(1, []string{"check"}, "FAILED  master key: key_file: "+refused)
		i.says(1, []string{"keygen", "--replace-lost"}, "nothing was changed")
		i.says(78, []string{"run"}, refused)

		i.write("key", string(key))
		i.says(1, []string{"keygen", "--replace-lost", "--yes"}, "nothing is lost")
		i.start()
		i.daemon.kill()

		i.write("key", strings.Repeat("fedcba9876543210", 4))
		i.says(0, []string{"keygen", "--replace-lost", "--yes"}, "lagerd shops set shop1234 --grant-token-file", "lagerd shops rotate-code shop1234")
		i.start()
		lagerdtest.Eventually(t, 10*time.Second, "the shop is held", func() bool { return i.status("shop1234").Held == "token_unreadable" })
		i.says(0, []string{"shops", "set", "shop1234", "--grant-token-file", filepath.Join(i.dir, "shop1234.grant")})
		i.says(0, []string{"shops", "rotate-code", "shop1234"})
		lagerdtest.Eventually(t, 10*time.Second, "the shop goes on", func() bool { return i.status("shop1234").Held == "" })
		i.daemon.signal(syscall.SIGTERM)
		i.daemon.wait(10 * time.Second)
		i.write("key", string(key))
		i.says(78, []string{"run"}, refused)
	})
}

// TestMissingMasterKey checks that beside an embedded database with tokens a missing key is not
// replaced by a new one.
func TestMissingMasterKey(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	text, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	i.write("lagerd.yaml", strings.Replace(string(text), "key_file:", "#key_file:", 1))
	if err := os.Remove(filepath.Join(i.dir, "key")); err != nil {
		t.Fatal(err)
	}
	i.addShop(s, "shop1234", first)
	if err := os.Rename(filepath.Join(i.dir, "key"), filepath.Join(i.dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	const missing = "the master key is missing"
	i.says(78, []string{"run"}, missing, filepath.Join(i.dir, "key"))
	i.says(1, []string{"check"}, "FAILED  master key: key_file: ", missing)
	if _, err := os.Stat(filepath.Join(i.dir, "key")); !os.IsNotExist(err) {
		t.Fatalf("another key was created: %v", err)
	}
	i.says(0, []string{"keygen", "--replace-lost", "--yes"}, "Created a new master key in "+filepath.Join(i.dir, "key"))
	i.start()
	i.daemon.kill()

	// Even without the shop the key is known.
	i.says(0, []string{"shops", "set", "shop1234", "--grant-token-file", filepath.Join(i.dir, "shop1234.grant")})
	i.says(0, []string{"shops", "remove", "shop1234", "--yes"})
	if err := os.Remove(filepath.Join(i.dir, "key")); err != nil {
		t.Fatal(err)
	}
	i.says(78, []string{"run"}, missing)
	i.says(0, []string{"keygen", "--replace-lost", "--yes"}, "There are no shops")
	i.start()
}

// TestPermissionDenied checks that a file the caller may not read does not count as missing: no
// other database, no other key.
func TestPermissionDenied(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: files that another user may not read: only root can become another user (TestUnreadableIsNotAbsent in config covers this otherwise)")
	}
	const said = "permission denied: run `sudo -u lagerd lagerd …`"
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	i.addShop(s, "shop1234", first)
	public := t.TempDir()
	for dir := public; dir != "/"; dir = filepath.Dir(dir) { // down to the test's own directories
		if err := os.Chmod(dir, 0o755); err != nil || dir == os.TempDir() {
			break
		}
	}
	program := filepath.Join(public, "lagerd")
	if out, err := exec.Command("cp", string(binary), program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	asNobody := func(args ...string) (string, int) {
		cmd := exec.Command(program, args...)
		cmd.Dir = os.TempDir()
		cmd.Env = lagerdtest.Environment(i.Env...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	open := func(name string, mode os.FileMode) {
		if err := os.Chmod(filepath.Join(i.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := asNobody("status"); code != 78 || !strings.Contains(out, said) {
		t.Errorf("the configuration's directory: %d %s", code, out)
	}
	for dir := i.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lagerd.yaml", "app-token", "key", "lagerd.db"} {
		open(name, 0o600)
		out, code := asNobody("status")
		want := 78
		if name == "lagerd.db" {
			want = 1
		}
		if code != want || !strings.Contains(out, said) {
			t.Errorf("%s: %d %s", name, code, out)
		}
		if name == "lagerd.yaml" {
			open(name, 0o644)
			continue
		}
		if err := os.Chown(filepath.Join(i.dir, name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	beside, err := filepath.Glob(filepath.Join(i.dir, "lagerd.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(beside, i.dir) { // SQLite creates more files there
		if err := os.Chown(file, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if out, code := asNobody("shops", "list"); code != 0 {
		t.Errorf("what may be read: %d %s", code, out)
	}
}

// TestSignalsBeforeItRuns checks that request signals do not end a lagerd that is still
// starting, and that it acts on them once it runs.
func TestSignalsBeforeItRuns(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	text, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(i.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// give passes the configuration to whoever reads it.
	give := func(text []byte) (taken bool) {
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		_, err = f.Write(text)
		return f.Close() == nil && err == nil
	}
	i.daemon = start(t, []string{"LAGERD_CONFIG=" + fifo}, "run")
	var held *os.File
	lagerdtest.Eventually(t, 10*time.Second, "it reads its configuration", func() bool {
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		held = f
		return err == nil
	})
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		i.daemon.signal(sig)
	}
	time.Sleep(200 * time.Millisecond)
	select {
	case <-i.daemon.Exited:
		t.Fatalf("it died: %s", i.daemon.Cmd.ProcessState)
	default:
	}
	if _, err := held.Write(text); err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
	lagerdtest.Eventually(t, 20*time.Second, "it is ready", func() bool { return strings.Contains(i.daemon.out.String(), "lagerd is ready") })
	lagerdtest.Eventually(t, 20*time.Second, "it reloads", func() bool { return give(text) })
	for _, done := range []string{"configuration reloaded", "reconciling every shop now", "sweeping every shop now"} {
		lagerdtest.Eventually(t, 10*time.Second, done, func() bool { return strings.Contains(i.daemon.out.String(), done) })
	}
	i.daemon.signal(syscall.SIGTERM)
	if code := i.daemon.wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}

	early := start(t, []string{"LAGERD_CONFIG=" + fifo}, "run")
	lagerdtest.Eventually(t, 10*time.Second, "it reads its configuration", func() bool {
		f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			t.Cleanup(func() { _ = f.Close() })
		}
		return err == nil
	})
	early.signal(syscall.SIGTERM)
	if code := early.wait(5 * time.Second); code != 0 {
		t.Errorf("SIGTERM before it runs: exit code %d", code)
	}
}

// TestLogWithoutReader checks that lagerd keeps running when nobody reads its log any more.
func TestLogWithoutReader(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=10")
	i := install(t, s, "", pace)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(string(binary), "run")
	cmd.Env = lagerdtest.Environment(i.Env...)
	cmd.Stdout, cmd.Stderr = write, write
	p := startCommand(t, cmd)
	_ = write.Close()
	if _, err := io.ReadFull(read, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	ready := func() bool {
		res, err := http.Get("http://" + i.Admin + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}
	lagerdtest.Eventually(t, 20*time.Second, "lagerd is ready", ready)
	for n := range 3 { // each logs something
		p.signal(syscall.SIGUSR1)
		time.Sleep(100 * time.Millisecond)
		if !ready() {
			t.Fatal(fmt.Sprint("it is gone after line ", n))
		}
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// holder returns who holds a shop, its fencing token, and the holder's process and identity.
func (i *installation) holder(shop string) (name string, token int64, pid int, identity string) {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	err := db.QueryRow("SELECT l.holder, l.token, COALESCE(n.pid, 0), COALESCE(n.identity, '') FROM leases l LEFT JOIN instances n ON n.instance = l.holder WHERE l.shop = ?", shop).
		Scan(&name, &token, &pid, &identity)
	if err != nil {
		i.t.Fatal(err)
	}
	return name, token, pid, identity
}

// heldBy waits until the running lagerd holds a shop, and returns how long that took since a time.
func (i *installation) heldBy(shop string, since time.Time) time.Duration {
	i.t.Helper()
	lagerdtest.Eventually(i.t, 30*time.Second, shop+" is held", func() bool {
		_, _, pid, _ := i.holder(shop)
		return pid == i.daemon.Cmd.Process.Pid
	})
	return time.Since(since)
}

// TestRestartTakesShopsBackAtOnce measures, with the lease's usual beat and ttl, how long shops are
// held by nobody after kill -9 and a start: with a state directory, without one, and with a copy of
// one beside its living original, which takes nothing.
func TestRestartTakesShopsBackAtOnce(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=2", "--products=20")
	const machine = "LAGERD_MACHINE_ID=00112233445566778899aabbccddeeff"
	dsn := mariadbtest.New(t)
	i := install(t, s, dsn, pace)
	i.Env = append(i.Env, machine)
	plain := i.Env
	state := t.TempDir()
	i.Env = slices.Concat(plain, []string{"STATE_DIRECTORY=" + state})
	i.start()
	i.addShop(s, "shop1234", first)
	i.equal(s, "shop1234", first, 30*time.Second)
	_, before, _, identity := i.holder("shop1234")
	if identity == "" {
		t.Fatal("the instance has no identity")
	}

	began := time.Now()
	i.daemon.kill()
	i.start()
	took := i.heldBy("shop1234", began)
	t.Logf("with a state directory the shop is held %s after kill -9", took.Round(time.Millisecond))
	_, after, _, same := i.holder("shop1234")
	if took > 5*lagerdtest.Slack*time.Second || after <= before || same != identity {
		t.Errorf("it took %s, the token went from %d to %d, the identity from %q to %q", took, before, after, identity, same)
	}
	if log := i.daemon.out.String(); !strings.Contains(log, "the lagerd that had this state directory has died: its shops are free at once") {
		t.Errorf("the log does not say how it knew:\n%s", i.daemon.out.Tail(20))
	}
	var instances int
	db := i.database()
	defer db.Close()
	if err := db.QueryRow("SELECT COUNT(*) FROM instances").Scan(&instances); err != nil || instances != 1 {
		t.Errorf("%d instances are listed, %v", instances, err)
	}

	// A copy of the state directory, beside its living original.
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-a", state, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	j := install(t, s, dsn, pace)
	j.Env = append(j.Env, machine, "STATE_DIRECTORY="+copied)
	holder, token, _, _ := i.holder("shop1234")
	j.start()
	time.Sleep(3 * time.Second)
	if is, now, _, _ := i.holder("shop1234"); is != holder || now != token {
		t.Errorf("the copy has taken the shop: held by %s with token %d, before by %s with %d", is, now, holder, token)
	}
	var identities int
	if err := db.QueryRow("SELECT COUNT(DISTINCT identity) FROM instances").Scan(&identities); err != nil || identities != 2 {
		t.Errorf("the original and its copy have %d identities, %v", identities, err)
	}
	// Nor does a second lagerd in the original itself.
	k := install(t, s, dsn, pace)
	k.Env = append(k.Env, machine, "STATE_DIRECTORY="+state)
	k.start()
	if !strings.Contains(k.daemon.out.String(), "another lagerd is running with this state directory") {
		t.Errorf("the log does not say whose the state directory is:\n%s", k.daemon.out.Tail(20))
	}
	time.Sleep(time.Second)
	if is, now, _, _ := i.holder("shop1234"); is != holder || now != token {
		t.Errorf("the second one has taken the shop: held by %s with token %d, before by %s with %d", is, now, holder, token)
	}
	j.daemon.kill()
	k.daemon.kill()

	// Another boot, and another machine: the ttl, with the reason.
	i.daemon.kill()
	if _, err := db.Exec("DELETE FROM instances WHERE instance <> ?", holder); err != nil {
		t.Fatal(err)
	}
	i.Env = append(i.Env, "LAGERD_BOOT_ID=0123456789abcdef0123456789abcdef")
	began = time.Now()
	i.start()
	took = i.heldBy("shop1234", began)
	t.Logf("after another boot the shop is held after %s", took.Round(time.Millisecond))
	if log := i.daemon.out.String(); took < 5*time.Second || !strings.Contains(log, `because="its machine has been started anew since"`) || strings.Contains(log, "has died: its shops") {
		t.Errorf("it took %s:\n%s", took, i.daemon.out.Tail(20))
	}

	// As it was before, without a state directory.
	i.daemon.kill()
	i.Env = plain
	i.start()
	i.heldBy("shop1234", time.Now())
	began = time.Now()
	i.daemon.kill()
	i.start()
	took = i.heldBy("shop1234", began)
	t.Logf("without a state directory the shop is held %s after kill -9", took.Round(time.Millisecond))
	if took < 5*time.Second {
		t.Errorf("it did not wait for the ttl: %s", took)
	}
	if _, err := os.Stat(filepath.Join(state, "identity")); err != nil {
		t.Error(err)
	}
}

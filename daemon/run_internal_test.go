package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

// manager is a service manager that writes down what it is told.
type manager struct {
	mu   sync.Mutex
	told []string
	fail bool
}

func (m *manager) tell(format string, args ...any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, fmt.Sprintf(format, args...))
	if m.fail {
		return errors.New("no such socket")
	}
	return nil
}

func (m *manager) Ready(status string) error     { return m.tell("ready: %s", status) }
func (m *manager) Status(status string) error    { return m.tell("status: %s", status) }
func (m *manager) Reloading() error              { return m.tell("reloading") }
func (m *manager) Stopping(string) error         { return m.tell("stopping") }
func (m *manager) Extend(by time.Duration) error { return m.tell("extend: %s", by) }
func (m *manager) Watchdog(ctx context.Context, alive func() bool) {
	_ = m.tell("alive: %t", alive())
	<-ctx.Done()
	_ = m.tell("no more keep-alives")
}

// TestRun: what the service manager, the log, the metrics and the database are told of a start,
// of signals, of a bad and a good reload, and of the stop.
func TestRun(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	c := config.Default()
	c.Database.Path = filepath.Join(t.TempDir(), "lagerd.db")
	c.Webhook.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Economic.AppSecretToken = secret.NewText("first-token")
	keys, err := secret.Load([]byte(secret.Generate()))
	must(t, err)
	systemd := &manager{fail: true}
	reconcileAll, sweepAll, reload := make(chan struct{}), make(chan struct{}), make(chan struct{})
	next := make(chan config.Config, 1)
	var db *store.Store
	var ahead atomic.Int64 // how much its clock is fast
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Config: c, Log: log, Version: "1.2.3", Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, Notifier: systemd,
			Signals: Signals{ReconcileAll: reconcileAll, SweepAll: sweepAll, Reload: reload},
			Keys: func(_ context.Context, _ config.Config, s *store.Store) (*secret.Keys, error) {
				db = s
				return keys, nil
			},
			Reload: func() (config.Config, error) {
				select {
				case c := <-next:
					return c, nil
				default:
					return config.Config{}, errors.New("line 3: nonsense")
				}
			},
		})
	}()
	// said waits for a message and returns its entry.
	said := func(message string) *logrus.Entry {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			select {
			case err := <-ended:
				t.Fatalf("before it says %q it ends: %v", message, err)
			default:
			}
			for _, e := range hook.AllEntries() {
				if e.Message == message {
					hook.Reset()
					return e
				}
			}
		}
		t.Fatalf("it does not say %q", message)
		return nil
	}
	ready := said("lagerd is ready")
	if ready.Data["version"] != "1.2.3" || ready.Data["embedded"] != true || ready.Data["webhook"] == ready.Data["admin"] {
		t.Errorf("it is ready: %v", ready.Data)
	}
	admin, _ := ready.Data["admin"].(string)
	// metric returns a metric's value.
	metric := func(name string) (value float64) {
		t.Helper()
		res, err := http.Get("http://" + admin + "/metrics")
		must(t, err)
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		must(t, err)
		for line := range strings.Lines(string(page)) {
			if _, err := fmt.Sscanf(line, name+" %g\n", &value); err == nil {
				return value
			}
		}
		t.Errorf("there is no metric %s", name)
		return 0
	}
	const lastOK, lastAt = "lagerd_config_last_reload_successful", "lagerd_config_last_reload_success_timestamp_seconds"
	started := metric(lastAt)
	if age := time.Since(time.Unix(int64(started), 0)); metric(lastOK) != 1 || age < 0 || age > time.Minute {
		t.Errorf("the configuration was read %s ago, successfully: %v", age, metric(lastOK))
	}
	fingerprint := func(token string) {
		t.Helper()
		tokens, err := db.AppTokens(t.Context())
		must(t, err)
		if len(tokens) != 1 {
			t.Fatalf("%d instances are known", len(tokens))
		}
		for _, got := range tokens {
			if got != keys.Fingerprint(token) {
				t.Errorf("the fingerprint is not that of %s", token)
			}
		}
	}
	fingerprint("first-token")

	reconcileAll <- struct{}{}
	said("reconciling every shop now")
	sweepAll <- struct{}{}
	said("sweeping every shop now")
	reload <- struct{}{}
	if e := said("reload failed: the old configuration stays in force"); e.Level != logrus.ErrorLevel || fmt.Sprint(e.Data["error"]) != "line 3: nonsense" {
		t.Errorf("a bad reload is logged as %s %v", e.Level, e.Data)
	}
	if metric(lastOK) != 0 || metric(lastAt) != started {
		t.Errorf("after a bad reload: successful %v, at %v", metric(lastOK), metric(lastAt))
	}
	bad := c
	bad.Log.Level = "loud"
	next <- bad
	reload <- struct{}{}
	said("reload failed: the old configuration stays in force")
	bad = c
	bad.Reconcile.Schedule = "sometimes"
	next <- bad
	reload <- struct{}{}
	said("reload failed: the old configuration stays in force")
	fingerprint("first-token")

	ahead.Store(int64(2 * time.Second)) // so that the times of both reloads differ
	good := c
	good.Log.Level = "debug"
	good.Economic.AppSecretToken = secret.NewText("second-token")
	good.Webhook.Queue++
	next <- good
	reload <- struct{}{}
	said("configuration reloaded")
	if metric(lastOK) != 1 || metric(lastAt) <= started || log.GetLevel() != logrus.DebugLevel {
		t.Errorf("after a good reload: successful %v, at %v, level %s", metric(lastOK), metric(lastAt), log.GetLevel())
	}
	fingerprint("second-token")

	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	said("lagerd has stopped")
	const summary = "ready: reconciling 0 shops"
	const refused = summary + "; the reload at hh:mm:ss failed, and the configuration from before it is in force: "
	for n, told := range systemd.told {
		systemd.told[n] = regexp.MustCompile(`\d\d:\d\d:\d\d`).ReplaceAllString(told, "hh:mm:ss")
	}
	systemd.told = slices.DeleteFunc(systemd.told, func(s string) bool { return strings.HasPrefix(s, "status: ") })
	alive := slices.Index(systemd.told, "alive: true")
	if alive < 0 {
		t.Errorf("the watchdog: %q", systemd.told)
	} else {
		systemd.told = slices.Delete(systemd.told, alive, alive+1)
	}
	want := []string{summary, "reloading", refused + "line 3: nonsense", "reloading", refused + `log.level: not a valid logrus Level: "loud"`,
		"reloading", refused + `the tick's schedule "sometimes": expected exactly 5 fields, found 1: [sometimes]`, "reloading", summary, "stopping", "extend: " + (c.ShutdownTimeout + time.Second).String(), "no more keep-alives"}
	if !slices.Equal(systemd.told, want) {
		t.Errorf("the service manager was told %q,\nexpected %q", systemd.told, want)
	}
}

// TestHeeds: the main loop counts as stuck when it has not run for four of its rounds.
func TestHeeds(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000, 0)
	d := &daemon{now: func() time.Time { return now }}
	for ago, want := range map[int64]bool{0: true, 19: true, 20: false, 3600: false} {
		d.lastLoop.Store(now.Unix() - ago)
		if d.heeds() != want {
			t.Errorf("it ran %d s ago: alive %t", ago, !want)
		}
	}
}

// TestInstance: an instance names its process, and is another one at each start.
func TestInstance(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	must(t, err)
	at := time.Unix(1_000, 0)
	keys, err := secret.Load([]byte(secret.Generate() + "\n" + secret.Generate()))
	must(t, err)
	d := &daemon{Options: Options{Version: "1.2.3", Place: Place{Machine: "machine", Boot: "boot"}}, identity: &identity{name: "name"}}
	a, b := d.newInstance(at, keys), d.newInstance(at, keys)
	if a.Instance == b.Instance || len(a.Instance) < 20 {
		t.Errorf("the instances are %q and %q", a.Instance, b.Instance)
	}
	want := store.Instance{Instance: a.Instance, Host: host, PID: os.Getpid(), Version: "1.2.3", StartedAt: store.At(at), Identity: "name", Machine: "machine", Boot: "boot", MasterKeys: slices.Concat(keys.Checks()...)}
	if !reflect.DeepEqual(a, want) || len(a.MasterKeys) != 64 || !a.Knows(keys.Checks()[1]) || a.Knows(make([]byte, 32)) {
		t.Errorf("got %+v, expected %+v", a, want)
	}
}

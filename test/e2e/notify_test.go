package e2e_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mailtest"
	"lagerd/test/mariadbtest"
)

// TestToldAcrossKill: a lagerd is killed when the mail server has taken its mail and has not said so
// yet. Another, on the same database, sends it for the second time, with the same number; neither
// of two sends it once more, and that it is over is told once.
func TestToldAcrossKill(t *testing.T) {
	t.Parallel()
	server, _ := mailtest.New(t, false)
	var doomed atomic.Pointer[process]
	taken := make(chan struct{}, 1)
	server.Taken = func(mailtest.Mail) {
		if p := doomed.Swap(nil); p != nil {
			p.kill()
			taken <- struct{}{}
		}
	}
	s := startSandbox(t, "--agreements=1", "--products=5")
	i := install(t, s, mariadbtest.New(t), pace+fmt.Sprintf("lease: {beat: 200ms, ttl: 1s}\nnotify: {smtp_host: 127.0.0.1, smtp_port: %d, smtp_tls: none, from: lagerd@example.dk, to: [drift@example.dk], after: 1s, every: 1s}\n", server.Port()))
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	doomed.Store(i.daemon)
	s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": true})
	select {
	case <-taken:
	case <-time.After(2 * time.Minute):
		t.Fatal("no mail after two minutes")
	}
	for range 2 {
		start(t, append(i.Env, "LAGERD_WEBHOOK_LISTEN="+lagerdtest.FreeAddress(t), "LAGERD_ADMIN_LISTEN="), "run")
	}
	// The claim of the killed lagerd ends after ten minutes, which the mail server may take.
	if _, err := i.database().Exec("UPDATE messages SET claimed_until = '2000-01-01', due_at = '2000-01-01' WHERE state = 'waiting'"); err != nil {
		t.Fatal(err)
	}
	held := func() (ids []string) {
		for _, m := range server.Mails() {
			if strings.Contains(m.Subject, "shop1234: held: the token is refused") && !strings.Contains(m.Subject, "over: ") {
				ids = append(ids, m.ID)
			}
		}
		return ids
	}
	lagerdtest.Eventually(t, 3*time.Minute, "another lagerd sends it again", func() bool { return len(held()) > 1 })
	s.post(first, "tokens", map[string]any{"grant": grant(first), "refuse": false})
	over := func() (n int) {
		for _, m := range server.Mails() {
			n += strings.Count(m.Body, "WHAT IS OVER")
		}
		return n
	}
	lagerdtest.Eventually(t, 3*time.Minute, "that it is over is told", func() bool { return over() > 0 })
	if ids := held(); len(ids) != 2 || ids[0] != ids[1] || over() != 1 {
		t.Errorf("mails: %+v", server.Mails())
	}
	out, code := i.Lagerd(i.Env, "", "notify")
	if code != 0 || strings.Count(out, "sent") < 2 || !strings.Contains(out, "drift@example.dk") {
		t.Errorf("lagerd notify: %d:\n%s", code, out)
	}
	t.Log(out)
	for _, m := range server.Mails() {
		t.Logf("%s\n%s", m.Subject, m.Body)
	}
}

package notify_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	_ "modernc.org/sqlite" // storetest's databases

	"lagerd/lang"
	"lagerd/notify"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/mailtest"
	"lagerd/test/storetest"
)

// stage is a database with two lagerd that notify, whose shared clock the test moves.
type stage struct {
	t     *testing.T
	store *store.Store
	mail  *mailtest.Server
	path  string
	now   atomic.Int64
	nodes []*notify.Notifier
	hooks []*hook
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, path: storetest.New(t)}
	s.now.Store(noon.UnixNano())
	var err error
	s.store, err = store.Open(t.Context(), store.Options{Path: s.path})
	s.must(err)
	t.Cleanup(func() { s.must(s.store.Close()) })
	mail, trusting := mailtest.New(t, true)
	s.mail = mail
	log := logrus.New()
	log.SetOutput(io.Discard)
	for _, name := range []string{"a", "b"} {
		s.must(s.store.Beat(t.Context(), store.Instance{Instance: name, Host: name, BeatAt: store.At(noon), StartedAt: store.At(noon)}))
		s.nodes = append(s.nodes, notify.New(notify.Options{
			Store: s.store, Instance: name, Living: func() map[string]bool { return map[string]bool{"a": true, "b": true} },
			Look:     status.Look{Pace: status.Pace{NextTick: func(t time.Time) time.Time { return t.Add(24 * time.Hour) }, SweepEvery: 24 * time.Hour}, Limits: status.CallLimits{EconomicDaily: 50_000, RackbeatDaily: 50_000, RackbeatPerMinute: 60}},
			Settings: notify.Settings{Operator: []notify.Address{{Channel: store.ChannelMail, Mail: "drift@example.dk"}}, Mail: true, After: 5 * time.Minute, OwnersAfter: time.Hour, Every: 15 * time.Minute},
			Out:      notify.Out{Mailer: mailer(t, mail, notify.TLSStart, trusting), Caller: notify.NewCaller(notify.CallerOptions{Timeout: time.Second, Answer: time.Second, Transport: s}), OpenHook: opened},
			NewID:    newIDs(name), Now: s.clock, Log: log, Observe: func(string, notify.Result) {}, Waiting: func(int) {},
		}))
	}
	return s
}

// opened returns a secret, which these tests store in the clear.
func opened(_ string, sealed []byte) (string, error) { return string(sealed), nil }

func newIDs(of string) func() string {
	n := 0
	return func() string { n++; return fmt.Sprintf("%s-%d", of, n) }
}

func (s *stage) clock() time.Time { return time.Unix(0, s.now.Load()).UTC() }

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// starts stores, as a lagerd that dies soon does, that the text of a message is being sent.
func (s *stage) starts(m store.Message) func() error {
	return func() error {
		ours, err := s.store.StartMessage(s.t.Context(), m, s.clock().Add(11*time.Minute))
		if err == nil && !ours {
			err = errors.New("another has the message")
		}
		return err
	}
}

// run lets the given lagerd take their rounds for a time.
func (s *stage) run(d time.Duration, nodes ...*notify.Notifier) {
	s.t.Helper()
	for end := s.now.Load() + int64(d); s.now.Load() < end; s.now.Add(int64(30 * time.Second)) {
		for _, n := range nodes {
			s.must(n.Round(s.t.Context()))
		}
	}
}

// addHeld adds a shop that is held: its agreement's token is refused.
func (s *stage) addHeld(name string) {
	s.t.Helper()
	shop := store.Shop{Shop: name, GrantToken: []byte("sealed"), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic, InvoicesFrom: "2026-11-01", Email: name + "@example.dk"}
	s.must(s.store.AddShop(s.t.Context(), shop, []byte("0123456789012345678901234567"+name), noon))
	s.must(s.store.TakeLeases(s.t.Context(), []string{name}, "", "a", noon))
	s.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES (?, 'shop', 'token_refused', 'e-conomic answers 401', ?)", name, store.At(noon))
}

func (s *stage) exec(statement string, args ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path)
	s.must(err)
	_, err = db.ExecContext(s.t.Context(), statement, args...)
	s.must(errors.Join(err, db.Close()))
}

// got lists the mails: to whom, and about what.
func (s *stage) got() string {
	var list []string
	for _, m := range s.mail.Mails() {
		list = append(list, m.To+" "+m.Subject)
	}
	return strings.Join(list, "\n")
}

const (
	toOperator = "drift@example.dk lagerd: shop1: held: the token is refused"
	toOwner    = "shop1@example.dk shop1: e-conomic afviser adgangen"
)

// TestTwoLagerdTellOnce: whoever is asked first.
func TestTwoLagerdTellOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	s.run(40*time.Minute, s.nodes...)
	s.run(40*time.Minute, s.nodes[1], s.nodes[0])
	if got := s.got(); got != toOperator+"\n"+toOwner {
		t.Errorf("got:\n%s", got)
	}
}

// TestServerAway: for an hour. What happened meanwhile arrives once it is back, once.
func TestServerAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.addHeld("shop1")
	s.mail.Stop()
	s.run(65*time.Minute, s.nodes...)
	if got := s.got(); got != "" {
		t.Fatalf("got while away:\n%s", got)
	}
	list, err := s.store.Messages(t.Context(), "", 10)
	s.must(err)
	if len(list) != 2 || list[0].State != store.MessageWaiting || !strings.Contains(list[1].Error, "connect") || list[1].Claims < 5 || list[1].Claims > 20 {
		t.Errorf("waiting: %+v", list)
	}
	s.mail.Start()
	s.run(time.Hour, s.nodes...)
	if got := s.got(); got != toOperator+"\n"+toOwner && got != toOwner+"\n"+toOperator {
		t.Errorf("got:\n%s", got)
	}
}

// TestKilledWhileSending: a lagerd that dies between claiming and sending, and one that dies between
// sending and marking. Another sends, in the latter case for the second time and with the same id.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent bool
		want int
	}{"before": {false, 1}, "after": {true, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.addHeld("shop1")
			s.mail.Stop()
			s.run(6*time.Minute, s.nodes[0]) // it decides
			s.mail.Start()
			list, err := s.store.Messages(t.Context(), "", 10)
			s.must(err)
			if len(list) != 1 {
				t.Fatalf("%d messages", len(list))
			}
			claimed, err := s.store.ClaimMessage(t.Context(), list[0], s.clock().Add(time.Minute))
			s.must(err)
			if !claimed {
				t.Fatal("not claimed")
			}
			if c.sent {
				s.must(s.nodes[0].Out.Send(t.Context(), list[0], store.Shop{Lang: lang.Danish}, s.clock(), s.starts(list[0])))
			}
			s.run(30*time.Minute, s.nodes[1]) // the other never does anything again
			mails := s.mail.Mails()
			if len(mails) != c.want {
				t.Fatalf("%d mails, expected %d", len(mails), c.want)
			}
			for _, m := range mails {
				if m.ID != mails[0].ID {
					t.Errorf("ids %s and %s", mails[0].ID, m.ID)
				}
			}
		})
	}
}

// TestRefusedRecipient: a mail to an address that does not exist is dropped after three days, and
// does not delay others.
func TestRefusedRecipient(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mail.Refuse = func(to string) string {
		if to == "drift@example.dk" {
			return "550 no such user"
		}
		return ""
	}
	s.addHeld("shop1")
	s.run(2*time.Hour, s.nodes...)
	if got := s.got(); got != toOwner {
		t.Errorf("got:\n%s", got)
	}
	s.now.Add(int64(72 * time.Hour))
	s.run(time.Minute, s.nodes...)
	list, err := s.store.Messages(t.Context(), "", 10)
	s.must(err)
	if last := list[len(list)-1]; last.State != store.MessageDropped || !strings.Contains(last.Error, "no such user") {
		t.Errorf("%+v", last)
	}
}

package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/notify"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/storetest"
)

// post is an operator's server, and a lagerd alone that tells it, whose clock the test moves.
type post struct {
	t        *testing.T
	store    *store.Store
	now      time.Time
	takes    time.Duration // how long each call takes
	fails    error         // what each call fails with
	answers  int           // with which status
	calls    []string      // paths
	waiting  int           // messages, as it was last told
	results  []string
	log      *test.Hook
	living   map[string]bool
	notifier *notify.Notifier
}

func (p *post) RoundTrip(r *http.Request) (*http.Response, error) {
	p.calls = append(p.calls, r.URL.Path)
	p.now = p.now.Add(p.takes)
	if p.fails != nil {
		return nil, p.fails
	}
	return &http.Response{StatusCode: p.answers, Body: http.NoBody}, nil
}

func newPost(t *testing.T) *post {
	t.Helper()
	log, hook := test.NewNullLogger()
	p := &post{t: t, store: storetest.Open(t), now: noon, answers: http.StatusOK, log: hook, living: map[string]bool{"a": true}}
	p.notifier = notify.New(notify.Options{
		Store: p.store, Instance: "a", Living: func() map[string]bool { return p.living },
		Look:     status.Look{Pace: status.Pace{NextTick: func(t time.Time) time.Time { return t.Add(time.Hour) }, SweepEvery: time.Hour}},
		Settings: notify.Settings{Operator: []notify.Address{{Channel: store.ChannelWebhook}}, After: time.Minute, Every: time.Minute},
		Out:      notify.Out{Caller: notify.NewCaller(notify.CallerOptions{WebhookURL: "http://op.test/hook", WebhookSecret: secret.NewText("a secret of sixteen"), HeartbeatURL: "http://op.test/beat", Transport: p})},
		NewID:    newIDs("a"), Now: func() time.Time { return p.now }, Log: log,
		Observe: func(channel string, result notify.Result) { p.results = append(p.results, channel+" "+string(result)) }, Waiting: func(n int) { p.waiting = n },
	})
	return p
}

func (p *post) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// round takes a round some time after the last, and returns what was called and logged.
func (p *post) round(after time.Duration) (calls, logged string) {
	p.t.Helper()
	p.now = p.now.Add(after)
	p.calls = nil
	p.log.Reset()
	p.must(p.notifier.Round(p.t.Context()))
	var said []string
	for _, e := range p.log.AllEntries() {
		said = append(said, fmt.Sprintf("%s %s", e.Level, strings.TrimPrefix(e.Message, "notifications: ")))
	}
	return strings.Join(p.calls, " "), strings.Join(slices.Compact(said), ", ")
}

// put stores messages to be sent on a channel.
func (p *post) put(shop string, channel store.Channel, ids ...string) {
	p.t.Helper()
	audience := store.AudienceOperator
	if shop != "" {
		audience = store.AudienceOwner
	}
	content, err := json.Marshal(notify.Content{Audience: audience, Shop: shop, At: p.now, Test: true})
	p.must(err)
	_, err = p.store.TakeNotifying(p.t.Context(), "a", p.now, p.now.Add(time.Minute))
	p.must(err)
	var told store.Told
	for _, id := range ids {
		told.Messages = append(told.Messages, store.Message{ID: id, Audience: audience, Shop: shop, Channel: channel, Content: content, DecidedAt: p.now, DueAt: p.now})
	}
	p.must(p.store.Tell(p.t.Context(), "a", told))
}

// messages tells of each message: its state, the tries, when it is due again, and the error.
func (p *post) messages() string {
	p.t.Helper()
	list, err := p.store.Messages(p.t.Context(), "", 1000)
	p.must(err)
	texts := make([]string, len(list))
	for n, m := range list {
		texts[n] = fmt.Sprintf("%s %s %d +%s %s", m.ID, m.State, m.Claims, m.DueAt.Sub(p.now), m.Error)
	}
	slices.Sort(texts)
	return strings.Join(texts, "|")
}

// TestHeartbeats: each minute, whatever came of the last; the first of several failures is logged, and
// the first success after them.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for n, step := range []struct {
		after  time.Duration
		fails  bool
		calls  string
		logged string
	}{
		{0, false, "/beat", ""}, {time.Minute - 1, false, "", ""}, {1, false, "/beat", ""},
		{time.Minute, true, "/beat", "warning heartbeat failed: it is called again each minute"}, {30 * time.Second, true, "", ""}, {30 * time.Second, true, "/beat", ""},
		{time.Minute, false, "/beat", "info heartbeats arrive again"}, {time.Minute, false, "/beat", ""},
		{time.Minute, true, "/beat", "warning heartbeat failed: it is called again each minute"}, {time.Hour, false, "/beat", "info heartbeats arrive again"},
	} {
		p.answers = http.StatusOK
		if step.fails {
			p.answers = http.StatusInternalServerError
		}
		if calls, logged := p.round(step.after); calls != step.calls || logged != step.logged {
			t.Errorf("step %d: called %q and logged %q, expected %q and %q", n+1, calls, logged, step.calls, step.logged)
		}
	}
	sent, failed := 0, 0
	for _, r := range p.results {
		switch r {
		case "heartbeat sent":
			sent++
		case "heartbeat failed":
			failed++
		default:
			t.Errorf("observed %s", r)
		}
	}
	if sent != 5 || failed != 3 {
		t.Errorf("observed %d that arrived and %d that failed", sent, failed)
	}
}

// TestSendsForAWhile: a round sends on a channel for a quarter of a minute, not until nothing is left:
// the notifications must not be another lagerd's by then.
func TestSendsForAWhile(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.round(0)
	var ids []string
	for n := range 80 {
		ids = append(ids, fmt.Sprintf("m%02d", n))
	}
	p.put("", store.ChannelWebhook, ids...)
	p.takes = 500 * time.Millisecond
	for round, want := range []int{31, 31, 18, 0} {
		calls, _ := p.round(10 * time.Second)
		if got := strings.Count(calls, "/hook"); got != want {
			t.Errorf("round %d: %d calls, expected %d", round+1, got, want)
		}
	}
	if p.waiting != 0 {
		t.Errorf("%d messages wait", p.waiting)
	}
}

// TestAway: a server that cannot be reached is tried with one message each round; one that refuses a
// message gets the next. What failed is tried again ever later.
func TestAway(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.round(0)
	p.put("", store.ChannelWebhook, "m1", "m2")
	p.fails = errors.New("connection refused")
	calls, logged := p.round(time.Second)
	if got := p.messages(); calls != "/hook" || logged != "warning message not sent: it is tried again" || !strings.HasPrefix(got, "m1 waiting 1 +30s notify.webhook_url") || !strings.HasSuffix(got, "|m2 waiting 0 +-1s ") || p.waiting != 2 {
		t.Errorf("away: called %q, logged %q, %s, %d wait", calls, logged, got, p.waiting)
	}
	p.fails, p.answers = nil, http.StatusInternalServerError
	calls, _ = p.round(30 * time.Second)
	if got := p.messages(); calls != "/hook /hook" || got != "m1 waiting 2 +1m0s notify.webhook_url answered 500: expected 200 to 299|m2 waiting 1 +30s notify.webhook_url answered 500: expected 200 to 299" {
		t.Errorf("refused: called %q, %s", calls, got)
	}
	p.answers = http.StatusOK
	calls, logged = p.round(30 * time.Second)
	if got := p.messages(); calls != "/beat /hook" || logged != "info message sent" || !strings.HasPrefix(got, "m1 waiting 2 ") || !strings.Contains(got, "|m2 sent 2 ") || p.waiting != 1 {
		t.Errorf("back: called %q, logged %q, %s, %d wait", calls, logged, got, p.waiting)
	}
	if want := []string{"heartbeat sent", "webhook failed", "webhook failed", "webhook failed", "heartbeat sent", "webhook sent"}; !slices.Equal(p.results, want) {
		t.Errorf("observed %q, expected %q", p.results, want)
	}
}

// TestDropped: a message is given up after three days, one to the owner of a removed shop at once, and
// one on a channel that the configuration no longer has is kept until then. What has ended is deleted
// after a month.
func TestDropped(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.round(0)
	p.put("", store.ChannelWebhook, "m1")
	p.put("removed", store.ChannelMail, "m2")
	p.put("", store.ChannelMail, "m3")
	p.answers = http.StatusInternalServerError
	p.round(72*time.Hour - time.Second)
	if got := p.messages(); !strings.HasPrefix(got, "m1 waiting 1 +30s ") || !strings.Contains(got, "|m2 dropped 0 ") || !strings.Contains(got, "the shop was removed|m3 waiting 1 +30s the configuration no longer has this channel") {
		t.Errorf("before three days: %s", got)
	}
	p.round(30 * time.Second)
	if got := p.messages(); !strings.Contains(got, "m1 dropped 2 ") || !strings.Contains(got, "|m3 dropped 2 ") || p.waiting != 0 {
		t.Errorf("after three days: %s, %d wait", got, p.waiting)
	}
	if got := p.log.LastEntry(); got.Level != logrus.ErrorLevel {
		t.Errorf("logged as %s: %s", got.Level, got.Message)
	}
	p.round(30*24*time.Hour - time.Minute)
	if got := p.messages(); !strings.Contains(got, "m1 ") || !strings.Contains(got, "m3 ") {
		t.Errorf("within a month: %s", got)
	}
	p.round(2 * time.Hour)
	if got := p.messages(); got != "" {
		t.Errorf("after a month: %s", got)
	}
}

// TestAnotherNotifies: while another lagerd sends the notifications, this one neither calls nor counts;
// it takes over when the other has not been heard of for a while.
func TestAnotherNotifies(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.round(0)
	p.put("", store.ChannelWebhook, "m1")
	if taken, err := p.store.TakeNotifying(t.Context(), "b", p.now.Add(time.Hour), p.now.Add(time.Hour+time.Minute)); err != nil || !taken {
		t.Fatal(taken, err)
	}
	p.waiting = 7
	if calls, _ := p.round(time.Hour); calls != "" || p.waiting != 0 {
		t.Errorf("it called %q, and counts %d that wait", calls, p.waiting)
	}
	if calls, _ := p.round(time.Minute); calls != "/beat /hook" {
		t.Errorf("once the other is gone it called %q", calls)
	}
}

// TestDecidesOnlyWhatItKnows: nothing is decided before it is known who lives.
func TestDecidesOnlyWhatItKnows(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.must(p.store.AddShop(t.Context(), store.Shop{Shop: "shop1", GrantToken: []byte("sealed"), StockOn: true, StockSource: store.SourceEconomic}, []byte("01234567890123456789012345678901"), noon))
	incidents := func() int {
		list, err := p.store.Incidents(t.Context())
		p.must(err)
		return len(list)
	}
	p.living = nil
	for range 5 {
		p.round(time.Minute)
	}
	if n := incidents(); n != 0 {
		t.Errorf("%d incidents before it is known who lives", n)
	}
	p.living = map[string]bool{}
	p.round(time.Second)
	if n := incidents(); n != 1 {
		t.Errorf("%d incidents when no lagerd lives, expected 1", n)
	}
	p.round(29 * time.Second)
	if calls, _ := p.round(31 * time.Second); calls != "/beat /hook" {
		t.Errorf("after a minute it called %q", calls)
	}
}

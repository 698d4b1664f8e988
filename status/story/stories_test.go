package story_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/engine"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/sandbox"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/status/story"
	"lagerd/store"
	"lagerd/test/enginetest"
	"lagerd/test/lagerdtest"
	"lagerd/webhook"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	shop  = "shop1234"
	first = lagerdtest.FirstAgreement
	code  = "hvk4mq2x7wzt9b3c"
)

// begin is Monday 23 November 2026, 13:00 in Denmark.
var begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// scene is an engine whose webhooks come through the real endpoint.
type scene struct {
	*enginetest.World
	endpoint http.Handler
	slot     int
}

// Authenticate implements webhook.Authenticator.
func (*scene) Authenticate(name, password string, _ bool) (webhook.Shop, bool) {
	return webhook.Shop{Lang: lang.Danish}, name == shop && password == code
}

// AuthenticateHeader implements webhook.Authenticator: no webhook was set up by lagerd.
func (*scene) AuthenticateHeader(string, string) (of webhook.Shop, ok bool) {
	return webhook.Shop{}, false
}

// AuthenticateToken implements webhook.Authenticator.
func (*scene) AuthenticateToken(string, string) bool { return true }

// Add implements webhook.Journal: it records the call as the daemon does.
func (x *scene) Add(c webhook.Call) {
	if c.Claims != "" {
		x.must(x.Store.AddRefusedCalls(x.T.Context(), []store.RefusedCalls{{Shop: c.Claims, Day: c.At.UTC().Format(time.DateOnly), Calls: 1, LastAt: store.At(c.At), LastRemote: c.Remote}}))
		return
	}
	x.slot++
	x.must(x.Store.PutWebhookCalls(x.T.Context(), []store.WebhookCall{{Shop: c.Shop, Slot: x.slot, CalledAt: store.At(c.At), Method: c.Method, Remote: c.Remote,
		Kind: plan.Kind(c.Kind), Number: c.Number, Status: c.Status, Outcome: c.Outcome}}))
}

func (x *scene) must(err error) {
	x.T.Helper()
	if err != nil {
		x.T.Fatal(err)
	}
}

// call calls the endpoint as e-conomic does.
func (x *scene) call(typ, number, password string) {
	q := url.Values{"type": {typ}, "username": {shop}, "password": {password}, "number": {number}}
	r := httptest.NewRequest(http.MethodPost, webhook.Path+"?"+q.Encode(), nil)
	r.RemoteAddr = "203.0.113.7:1"
	x.endpoint.ServeHTTP(httptest.NewRecorder(), r)
}

func (x *scene) stockWebhook(number string) { x.call("stockUpdate", number, code) }

// by returns the context of a command that a person runs.
func (x *scene) by(account, command string) context.Context {
	return store.By(x.T.Context(), store.Actor{Account: account, Command: command})
}

// sets changes the shop's settings as a person's command does.
func (x *scene) sets(account, command string, change func(*store.Shop)) {
	x.must(x.Store.SetShop(x.by(account, command), shop, time.Now(), func(s *store.Shop) error {
		change(s)
		return nil
	}))
}

// stock changes an item's stock at e-conomic.
func (x *scene) stock(number string, figure int) {
	x.Does("adjust", map[string]any{"number": number, "inStock": figure})
}

func wait(d time.Duration) { time.Sleep(d) }

// asks asks e-conomic as `lagerd why` does.
func (x *scene) asks(about story.Subject) story.Answer {
	a := story.Ask(about.Kind, about.Status.Shop, time.Now())
	client, err := engine.NewClient(x.Config, economic.Options{Transport: x.Transport})
	x.must(err)
	agreement := client.Agreement(lagerdtest.Grant(first), budget.New(budget.Options{DailyCalls: 1000, Now: time.Now}))
	d := reconcile.Diff{Store: x.Store, Account: economicsource.Account{Client: client, Agreement: agreement}, Shop: about.Status.Shop, Progress: about.Status.Progress}
	if about.Kind == plan.KindStock {
		obs, err := d.AskItem(x.T.Context(), about.Number)
		return a.Item(obs, err)
	}
	number, err := strconv.ParseInt(about.Number, 10, 64)
	x.must(err)
	inv, order, err := d.AskInvoice(x.T.Context(), number)
	return a.Invoice(inv, order, err)
}

// tells tells a number's story as it stands.
func (x *scene) tells(kind plan.Kind, number string) story.Story {
	x.T.Helper()
	list, err := x.Store.Status(x.T.Context(), shop)
	x.must(err)
	instances, err := x.Store.Instances(x.T.Context())
	x.must(err)
	living := map[string]store.Instance{}
	for _, i := range instances {
		living[i.Instance] = i
	}
	shops := []status.Shop{status.Of(list[0])}
	status.Attend(shops, living)
	about := story.Subject{Shop: shops[0], Status: list[0], Living: len(living), Kind: kind, Number: number, Since: time.Now().Add(-30 * 24 * time.Hour)}
	answer := x.asks(about)
	about.Now = time.Now()
	schedule, err := cron.ParseStandard(x.Config.Reconcile.Schedule)
	x.must(err)
	facts, err := story.Read(x.T.Context(), x.Store, about, answer, status.Pace{NextTick: schedule.Next, SweepEvery: x.Config.Reconcile.SweepEvery})
	x.must(err)
	return story.Tell(facts)
}

// prepared is a prepared story.
type prepared struct {
	name   string // of its golden files
	config func(c *config.Config)
	kind   plan.Kind // default: stock
	number string    // default: 00001
	happen func(x *scene)
}

// stories are lives that operators are asked about. Everything in them is written by lagerd's own
// engine, endpoint and commands.
var stories = []prepared{
	{name: "webhook_lost", happen: func(x *scene) {
		x.stock("00001", 41)
		wait(90 * time.Second)
	}},
	{name: "wrong_code", happen: func(x *scene) {
		x.stock("00001", 41)
		x.call("stockUpdate", "00001", "an old code")
		wait(90 * time.Second)
		x.must(x.Store.AddCode(x.by("mette", "lagerd shops rotate-code"), shop, []byte("new"), time.Now()))
		wait(time.Hour)
		x.stock("00001", 40)
		wait(2 * time.Second)
		x.stockWebhook("00001")
		wait(20 * time.Second)
	}},
	{name: "renumbered", happen: func(x *scene) {
		x.Does("rename", map[string]any{"from": "00001", "to": "VASE-1"})
		wait(5 * time.Minute)
		x.must(x.Store.AddRequests(x.by("mette", "lagerd reconcile"), []store.Request{{Request: "r", Shop: shop, What: store.WantSweep, RequestedAt: store.At(time.Now())}}))
		wait(5 * time.Minute)
	}},
	{name: "barred", happen: func(x *scene) {
		x.Does("bar", map[string]any{"number": "00001"})
		wait(2 * time.Minute)
	}},
	{name: "cannot_be_read", happen: func(x *scene) {
		x.Faults(map[string]any{"poison": []string{"00001"}})
		x.stock("00001", 41)
		x.stockWebhook("00001")
		wait(4 * time.Minute)
	}},
	{name: "overtaken", happen: func(x *scene) {
		x.Faults(map[string]any{"serverError": 1})
		x.stock("00001", 41)
		x.stockWebhook("00001")
		wait(20 * time.Second)
		x.stock("00001", 38)
		x.stockWebhook("00001")
		wait(15 * time.Second)
		x.Faults(map[string]any{"serverError": 0})
		wait(5 * time.Minute)
	}},
	{name: "order_number_missing", kind: plan.KindInvoice, number: "1", happen: func(x *scene) {
		x.Does("book", map[string]any{"orderRef": "", "lines": []map[string]any{{"number": "00001", "quantity": 1}}})
		x.call("orderPdf", "1", code)
		wait(time.Minute)
	}},
	{name: "pdf_late", kind: plan.KindInvoice, number: "1", happen: func(x *scene) {
		x.Set(shop, func(s *store.Shop) { s.OrderPattern = `#(\d+)` })
		wait(10 * time.Second)
		x.Faults(map[string]any{"pdfLag": "3h"})
		x.Does("book", map[string]any{"orderRef": "Ordre #10042", "lines": []map[string]any{{"number": "00001", "quantity": 1}}})
		x.call("orderPdf", "1", code)
		wait(12 * time.Minute)
	}},
	{name: "paused", happen: func(x *scene) {
		x.sets("mette", "lagerd shops pause", func(s *store.Shop) { s.PausedAt, s.PauseReason = store.At(time.Now()), "stocktaking" })
		wait(25 * time.Minute)
		x.stock("00001", 41)
		x.stockWebhook("00001")
		wait(10 * time.Minute)
	}},
	{name: "losses_held", config: func(c *config.Config) { c.Reconcile.LossMin = 3 }, happen: func(x *scene) {
		for _, number := range []string{"00001", "00003", "00005", "00007", "00009"} {
			x.stock(number, 0)
		}
		wait(12 * time.Minute)
	}},
	{name: "losses_approved", config: func(c *config.Config) { c.Reconcile.LossMin = 3 }, happen: func(x *scene) {
		for _, number := range []string{"00001", "00003", "00005", "00007", "00009"} {
			x.stock(number, 0)
		}
		wait(3 * time.Hour)
		current, err := x.Store.Shop(x.T.Context(), shop)
		x.must(err)
		x.must(x.Store.Approve(x.by("mette", "lagerd approve"), current, 5, time.Now()))
		wait(10 * time.Minute)
	}},
	{name: "outage", happen: func(x *scene) {
		x.Faults(map[string]any{"serverError": 1})
		x.stock("00001", 41)
		wait(40 * time.Minute)
		x.Faults(map[string]any{"serverError": 0})
		wait(10 * time.Minute)
	}},
	{name: "lease_moved", happen: func(x *scene) {
		x.stock("00001", 41)
		x.stockWebhook("00001")
		wait(10 * time.Minute)
		x.must(x.Reload(x.Config))
		wait(10 * time.Second)
		x.stock("00001", 40)
		x.stockWebhook("00001")
		wait(time.Minute)
	}},
	{name: "figure_changed", happen: func(x *scene) {
		x.Does("adjust", map[string]any{"number": "00001", "inStock": 42, "available": 39.5})
		wait(10 * time.Minute)
		x.sets("mette", "lagerd shops set", func(s *store.Shop) { s.StockFigure = plan.FigureAvailable })
		wait(10 * time.Minute)
	}},
}

// TestStories: each story reads right in both languages, and its lines fit a terminal.
func TestStories(t *testing.T) {
	t.Parallel()
	for _, p := range stories {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			told := p.tell(t)
			for _, lang := range []string{"en", "da"} {
				language, ok := story.LanguageOf(lang)
				if !ok {
					t.Fatalf("no language %q", lang)
				}
				var text strings.Builder
				if err := told.Text(language).Write(&text); err != nil {
					t.Fatal(err)
				}
				golden(t, p.name+"."+lang+".txt", text.String())
				fits(t, text.String())
			}
			var text strings.Builder
			if err := told.WriteJSON(&text); err != nil {
				t.Fatal(err)
			}
			if !json.Valid([]byte(text.String())) {
				t.Errorf("not JSON: %s", text.String())
			}
			if p.name == "webhook_lost" || p.name == "order_number_missing" {
				golden(t, p.name+".json", fractions.ReplaceAllString(text.String(), "$1$2"))
			}
		})
	}
}

// tell lets a story happen, and tells it.
func (p prepared) tell(t *testing.T) (told story.Story) {
	t.Helper()
	o := enginetest.Options{Begin: begin, Sandbox: sandbox.Options{Agreements: 1, Products: 10},
		Config: func(c *config.Config) {
			c.Reconcile.Schedule = "* * * * *"
			if p.config != nil {
				p.config(c)
			}
		}}
	enginetest.Run(t, o, func(_ *testing.T, w *enginetest.World) {
		x := &scene{World: w}
		x.endpoint = webhook.NewHandler(webhook.Options{Recorder: w.Engine, Authenticator: x, Journal: x})
		x.Does("adjust", map[string]any{"number": "00001", "inStock": 42})
		x.Faults(map[string]any{"slow": "380ms", "slowProbability": 1})
		x.AddShop(shop, first)
		wait(9*time.Minute + 17*time.Second)
		p.happen(x)
		kind, number := p.kind, p.number
		if kind == "" {
			kind, number = plan.KindStock, "00001"
		}
		told = x.tells(kind, number)
	})
	return told
}

// random are the sandbox's names of answers, which differ from run to run.
var random = regexp.MustCompile(`[0-9a-f]{16}(-CPH)|[0-9a-f]{8}(-sandbox)`)

// fractions are parts of a second in JSON: an engine may take a millisecond more or less.
var fractions = regexp.MustCompile(`(:\d\d|: \d+)\.\d+(Z?)`)

// golden compares a text with a file, or writes it with -update.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	text = random.ReplaceAllStringFunc(text, func(id string) string {
		name, kind, _ := strings.Cut(id, "-")
		return strings.Repeat("0", len(name)) + "-" + kind
	})
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// fits checks that no line is longer than a terminal's 80 columns.
func fits(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

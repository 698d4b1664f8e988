package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are a sandbox's settings, and the flags of `lagerd sandbox`.
type Options struct {
	Listen      string        `help:"Address to listen on." default:"127.0.0.1:8490"`
	Agreements  int           `help:"Agreements at the start." default:"2"`
	Products    int           `help:"Products per agreement." default:"300"`
	Seed        uint64        `help:"Random seed." default:"1"`
	AppToken    string        `help:"The app's secret token (invented)." default:"sandbox-app-token" rare:""`
	NoInventory bool          `help:"The agreements have no inventory module." rare:""`
	Latency     time.Duration `help:"How long each answer takes." default:"0s"`
	Lose        float64       `help:"Share of webhooks that are lost." default:"0"`
	Double      float64       `help:"Share of webhooks that are sent twice." default:"0"`
	Late        float64       `help:"Share of webhooks that arrive late." default:"0"`
	LateBy      time.Duration `help:"Longest delay of late webhooks." default:"20s"`
	Reorder     float64       `help:"Share of webhooks that are reordered." default:"0" rare:""`
	ReadLag     time.Duration `help:"How long after its webhook a change becomes readable." default:"0s" rare:""`
	Trade       float64       `help:"Random trades per second over all agreements." default:"0"`
	Bucket      int           `help:"Tokens per 60 s in each agreement's bucket." default:"10000" rare:""`
	Daily       int           `help:"Calls per day and agreement, beyond which all are refused; 0: no limit." default:"0" rare:""`
	MaxURL      int           `help:"Longest URL accepted, in bytes." default:"4000" rare:""`
	PDFSize     int           `name:"pdf-size" help:"Minimum size of an invoice's PDF, in bytes." default:"0" rare:""`
	ClockSkew   time.Duration `help:"How far e-conomic's and Rackbeat's clocks are ahead." default:"0s" rare:""`

	Rackbeat     int `help:"Agreements that keep their stock at Rackbeat. They are the last ones, with keys sandbox-rackbeat-N beside the grant tokens sandbox-grant-N." default:"0"`
	RackbeatRate int `help:"Calls per minute and Rackbeat key; 0: no limit." default:"480" rare:""`
}

// Sandbox is a simulated e-conomic, and the Rackbeat of some of its customers. It is safe
// for concurrent use.
type Sandbox struct {
	o      Options
	faults faultBox[Faults, *Faults]
	events eventLog
	sender *sender

	rackbeatFaults faultBox[RackbeatFaults, *RackbeatFaults]
	rackbeatSender *sender

	mu         sync.Mutex
	rnd        *rand.Rand
	agreements map[int]*agreement
	byGrant    map[string]*agreement
	byKey      map[string]*account
}

// New returns a sandbox with the options' agreements. Close stops its webhooks.
func New(o Options) *Sandbox {
	s := &Sandbox{o: o, rnd: rand.New(rand.NewPCG(o.Seed, 1)), agreements: map[int]*agreement{}, byGrant: map[string]*agreement{}, byKey: map[string]*account{}}
	_ = s.faults.change(func(f *Faults) error {
		f.Lose, f.Double, f.Late, f.LateBy, f.Reorder = o.Lose, o.Double, o.Late, Duration(o.LateBy), o.Reorder
		f.ReadLag, f.ClockSkew, f.Slow = Duration(o.ReadLag), Duration(o.ClockSkew), Duration(o.Latency)
		if o.Latency > 0 {
			f.SlowProbability = 1
		}
		return nil
	})
	_ = s.rackbeatFaults.change(func(f *RackbeatFaults) error {
		f.Lose, f.Double, f.Late, f.LateBy, f.Reorder = o.Lose, o.Double, o.Late, Duration(o.LateBy), o.Reorder
		f.ReadLag, f.ClockSkew, f.Slow = Duration(o.ReadLag), Duration(o.ClockSkew), Duration(o.Latency)
		if o.Latency > 0 {
			f.SlowProbability = 1
		}
		return nil
	})
	s.sender = newSender(15*time.Second, 15*time.Second)
	s.rackbeatSender = newSender(3*time.Second, 18*time.Second) // Rackbeat's documentation: 3 s to connect, 15 s for the answer
	for i := range o.Agreements {
		n := NewAgreement{Number: 100001 + i, Grant: fmt.Sprintf("sandbox-grant-%d", i+1), Products: o.Products, Seed: o.Seed + uint64(i), NoInventory: o.NoInventory}
		if i >= o.Agreements-o.Rackbeat {
			n.Rackbeat = &NewRackbeat{Key: fmt.Sprintf("sandbox-rackbeat-%d", i+1)}
		}
		_ = s.AddAgreement(n) // the keys differ
	}
	return s
}

// Close drops queued webhooks and waits for those in flight.
func (s *Sandbox) Close() {
	s.sender.close()
	s.rackbeatSender.close()
}

// Run serves a sandbox until ctx is done. It prints its address when ready.
func Run(ctx context.Context, o Options, stdout io.Writer) error {
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	s := New(o)
	defer s.Close()
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "sandbox listening on http://%s\n", listener.Addr())
	var trading sync.WaitGroup
	if o.Trade > 0 {
		trading.Go(func() { s.tradeOn(ctx, o.Trade) })
	}
	select {
	case <-ctx.Done():
	case err := <-served:
		return err
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err = server.Shutdown(stop)
	trading.Wait()
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

// now returns the time by e-conomic's clock.
func (s *Sandbox) now() time.Time { return s.faults.get().now() }

// now returns the time by e-conomic's clock, with the agreement's faults.
func (a *agreement) now() time.Time { return a.faults().now() }

func (f *Faults) now() time.Time { return time.Now().Add(time.Duration(f.ClockSkew)).UTC() }

// chance returns true with probability p.
func (s *Sandbox) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.Float64() < p
}

func (s *Sandbox) intn(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n)
}

// NewAgreement describes an agreement to add.
type NewAgreement struct {
	Number      int    `json:"agreementNumber"`
	Grant       string `json:"grant"`
	Products    int    `json:"products"`
	Prefix      string `json:"prefix"` // of its ordinary item numbers
	Seed        uint64 `json:"seed"`
	NoInventory bool   `json:"noInventory"`

	Rackbeat *NewRackbeat `json:"rackbeat"` // its Rackbeat account, if it has one
}

// AddAgreement adds an agreement with its own products. It returns an error if it cannot
// have the Rackbeat account.
func (s *Sandbox) AddAgreement(n NewAgreement) error {
	a := &agreement{sandbox: s, number: n.Number, answers: n.Number, grant: n.Grant, inventory: !n.NoInventory,
		products: map[string]*product{}, invoices: map[int64]*invoice{}, nextInvoice: 1, hooks: map[string]*hook{}, made: map[string]*hook{}, calls: map[string]int{},
		bucket: s.o.Bucket}
	a.stock(n, a.now())
	s.mu.Lock()
	s.agreements[n.Number], s.byGrant[n.Grant] = a, a
	s.mu.Unlock()
	if n.Rackbeat == nil {
		return nil
	}
	return s.OpenRackbeat(n.Number, *n.Rackbeat)
}

func (s *Sandbox) agreement(number int) *agreement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.agreements[number]
}

func (s *Sandbox) list() []*agreement {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*agreement, 0, len(s.agreements))
	for _, a := range s.agreements {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *agreement) int { return a.number - b.number })
	return list
}

// agreement is one customer of e-conomic.
type agreement struct {
	sandbox  *Sandbox
	number   int
	rackbeat atomic.Pointer[account] // nil: it has none
	own      ownFaults[Faults, *Faults]

	mu          sync.Mutex
	answers     int // the agreement number that GET /self answers
	grant       string
	refused     bool // its grant was revoked
	inventory   bool // it has the inventory module
	products    map[string]*product
	order       []*product // by number, as the collation sorts them
	settled     time.Time  // from then on the API shows every product's true state
	deleted     bool       // at least one product is deleted
	invoices    map[int64]*invoice
	numbers     []int64 // of the invoices, ascending
	nextInvoice int64
	hooks       map[string]*hook // entered by a person, by event type
	made        map[string]*hook // set up by the app, through the webhooks API
	hookWrites  int              // calls of that API that write

	bucket      int // size in tokens
	used        int // tokens used in this window
	windowStart time.Time
	day         string
	today       int
	calls       map[string]int // by endpoint
	violations  []string
	trades      int
	sent        webhookStats
}

// product is an item with its earlier versions, since reads may lag behind.
type product struct {
	number   string
	versions []version // oldest first; the last is the truth
}

type version struct {
	readable time.Time // from then on the API shows it
	state    productState
}

type productState struct {
	name, barCode string
	barred        bool
	stocked       bool // its group keeps stock
	inStock       amount
	ordered       amount // by customers
	updated       time.Time
	deleted       bool
}

func (p *product) truth() productState { return p.versions[len(p.versions)-1].state }

// shown returns the state that the API shows at a time.
func (p *product) shown(now time.Time) (*productState, bool) {
	for i := len(p.versions) - 1; i >= 0; i-- {
		if v := &p.versions[i]; !v.readable.After(now) {
			return &v.state, !v.state.deleted
		}
	}
	return nil, false
}

// put sets a product's true state. The API shows it after the read lag.
func (a *agreement) put(p *product, st productState) {
	// e-conomic stores whole minutes, rounded: a time may be in the future.
	st.updated = a.now().Round(time.Minute)
	now := time.Now() // visibility does not depend on ClockSkew
	readable := now.Add(time.Duration(a.faults().ReadLag))
	if readable.After(a.settled) {
		a.settled = readable
	}
	a.deleted = a.deleted || st.deleted
	p.versions = append(p.versions, version{readable: readable, state: st})
	for len(p.versions) > 1 && !p.versions[1].readable.After(now) {
		p.versions = p.versions[1:]
	}
}

func (a *agreement) add(p *product) {
	a.products[p.number] = p
	at, _ := slices.BinarySearchFunc(a.order, p, collate)
	a.order = slices.Insert(a.order, at, p)
}

func collate(a, b *product) int { return collateNumbers(a.number, b.number) }

// collateNumbers compares like a database collation: ignoring case first.
func collateNumbers(a, b string) int {
	if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// oddNumbers are item numbers like those of real agreements, chosen to break code that
// treats them as integers, paths or filter syntax.
var oddNumbers = []string{
	"0571527051", "007", "AL_EF_3", "TEST-19:34", "Fleece Tracksuit", `"334420410410"`, "rand()", "50% off", "A/B", `A\B`, "a+b",
	"#1", "what?", "rød grød æøå", "ÆØÅ-1", "1.5", "..", "x&y", "<tag>", "5*5", "$eq:1", "$100", "[NO]", "a,b", "(x)", "it's", "A=B",
	"ABCDEFGHIJKLMNOPQRSTUVWXY", "_", "-", "~tilde", "é", "1e5", "true", "null",
}

// stock fills a new agreement with products.
func (a *agreement) stock(n NewAgreement, now time.Time) {
	rnd := rand.New(rand.NewPCG(n.Seed, uint64(n.Number))) //nolint:gosec // a seed
	old := now.Add(-48 * time.Hour).Round(time.Minute)
	for i := range n.Products {
		number := fmt.Sprintf("%s%05d", n.Prefix, i+1)
		if i%2 == 1 && i/2 < len(oddNumbers) {
			number = n.Prefix + oddNumbers[i/2]
		}
		st := productState{name: fmt.Sprintf("Vare %d", i+1), barCode: fmt.Sprintf("57%08d", i+1), stocked: i%11 != 5, barred: i%17 == 9,
			updated: old.Add(-time.Duration(rnd.IntN(100_000)) * time.Minute)}
		switch rnd.IntN(10) {
		case 0:
		case 1:
			st.inStock = -amount(rnd.IntN(500))
		case 2:
			st.inStock = amount(rnd.IntN(100_000))
		default:
			st.inStock = amount(rnd.IntN(500)) * 100
		}
		st.ordered = amount(rnd.IntN(5)) * 100
		p := &product{number: number, versions: []version{{state: st}}}
		a.products[number] = p
		a.order = append(a.order, p)
	}
	slices.SortFunc(a.order, collate)
}

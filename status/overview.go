package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Look is what the database and the configuration say, from which an Overview is made.
type Look struct {
	Shops     []store.ShopStatus
	Instances []store.Instance          // registered ones, including those that died
	Living    map[string]store.Instance // those of them that live
	Holdings  map[string]int            // how many shops each has the lease of
	Pace      Pace
	Limits    CallLimits
	Now       time.Time

	Incidents []store.Incident // of webhooks, as WebhookIncidents names them; whoever was told, or is to be

	AppPublicToken string // of economic.app_public_token; "": not known
	NoAppToken     string // what to do since a lagerd that lives has no app's token; "": all have one
	ReadOnly       string // the server's error if it accepts no writes at all; "": it does, or nobody asked
}

// Overview is the state of an installation, and the JSON of `lagerd status --json --nodes`.
type Overview struct {
	Needs []Need `json:"needs"` // what needs a person, the most urgent first
	Nodes []Node `json:"nodes"` // by state (alive, lost, replaced), host and process
	Shops []Shop `json:"shops"` // by name
}

// Node is a lagerd on the database, by its heartbeats, and its JSON.
type Node struct {
	Instance  string     `json:"instance"` // its name in the database, another at each start
	Host      string     `json:"host"`
	Process   int        `json:"process"` // id
	Version   string     `json:"version"`
	StartedAt *time.Time `json:"started_at"` // by its own clock
	LastBeat  *time.Time `json:"last_beat"`  // by its own clock
	Shops     int        `json:"shops"`      // whose lease it has
	State     string     `json:"state"`      // alive, lost, replaced
}

// The states of a node.
const (
	NodeAlive    = "alive"
	NodeLost     = "lost"     // it sends no heartbeats, and has not said that it stops
	NodeReplaced = "replaced" // likewise, and another has been started on its host since
)

// Overview computes the state of the installation.
func (l Look) Overview() Overview {
	o := Overview{Needs: []Need{}, Nodes: l.nodes(), Shops: make([]Shop, len(l.Shops))}
	for i, st := range l.Shops {
		o.Shops[i] = l.shop(st)
	}
	suspected := SuspectAppToken(o.Shops)
	Attend(o.Shops, l.Living)
	if len(o.Shops) > 0 {
		o.Needs = append(o.Needs, l.ofInstallation(o.Nodes)...)
	}
	if l.NoAppToken != "" { // without shops too: they cannot be added
		o.Needs = append(o.Needs, l.noAppTokenNeed(o.Shops))
	}
	if suspected {
		o.Needs = append(o.Needs, appTokenNeed(o.Shops))
	}
	unwell := l.unwell()
	for i, st := range l.Shops {
		v := &o.Shops[i]
		l.judge(st, v, suspected, unwell[st.Shop.Shop])
		o.Needs = append(o.Needs, v.Needs...)
	}
	slices.SortFunc(o.Needs, Need.compare)
	return o
}

// judge says what a shop needs, and what else is to be said of it. suspected means that the app's
// token is probably wrong, unwell what its webhooks lack, with since when.
func (l Look) judge(st store.ShopStatus, v *Shop, suspected bool, unwell map[string]time.Time) {
	v.Needs = append(l.needs(st, *v), webhookNeeds(st.Shop, unwell)...)
	if suspected {
		pointToAppToken(v.Needs)
	}
	v.Notes = l.notes(st, *v)
}

// Fill returns an overview of all shops in which some are looked at more closely: full is their
// status, o was made of less (store.Standings). Overview of everything would say the same. It takes
// o over: a copy of ten thousand shops is six megabytes.
func (l Look) Fill(o Overview, full []store.ShopStatus) Overview {
	suspected := slices.ContainsFunc(o.Needs, func(n Need) bool { return n.Reason == NeedAppTokenRefused })
	filled, unwell := make(map[string]bool, len(full)), l.unwell()
	var needs []Need
	for _, st := range full {
		at, known := slices.BinarySearchFunc(o.Shops, st.Shop.Shop, func(v Shop, name string) int { return strings.Compare(v.Shop, name) })
		if !known {
			continue
		}
		one := []Shop{l.shop(st)}
		if suspected {
			blameAppToken(one)
		}
		Attend(one, l.Living)
		l.judge(st, &one[0], suspected, unwell[st.Shop.Shop])
		o.Shops[at], filled[st.Shop.Shop] = one[0], true
		needs = append(needs, one[0].Needs...)
	}
	o.Needs = append(slices.DeleteFunc(o.Needs, func(n Need) bool { return filled[n.Shop] }), needs...)
	slices.SortFunc(o.Needs, Need.compare)
	return o
}

// shop returns a shop's state, as far as it does not depend on others.
func (l Look) shop(st store.ShopStatus) Shop {
	v := Of(st)
	v.short = ShortOfCalls(st, l.Limits, l.Now)
	v.ShortOfCalls = len(v.short) > 0
	v.addReasons(v.short...)
	v.addReasons(v.sharing(st))
	v.troubles = Troubles(st, l.Pace, l.Now)
	for _, trouble := range v.troubles {
		v.addReasons(trouble.Text())
	}
	v.addReasons(WrongCodes(st, l.Now), Access(st, l.AppPublicToken))
	return v
}

// Only returns the overview of one shop: the needs of the installation are those that stop it.
func (o Overview) Only(name string) Overview {
	o.Shops = slices.DeleteFunc(slices.Clone(o.Shops), func(v Shop) bool { return v.Shop != name })
	o.Needs = slices.DeleteFunc(slices.Clone(o.Needs), func(n Need) bool {
		return n.Shop != name && !slices.ContainsFunc(o.Shops, func(v Shop) bool { return v.stoppedBy(n) })
	})
	return o
}

// stoppedBy reports whether a need of the installation stops the shop.
func (s Shop) stoppedBy(n Need) bool {
	switch n.Reason {
	case NeedNoLagerd, NeedReadOnly:
		return s.State != StatePaused
	case NeedAppTokenMissing:
		return s.HeldFor(plan.ScopeShop, plan.HeldNoAppToken) || s.HeldFor(plan.ScopeInvoices, plan.HeldNoAppToken)
	case NeedAppTokenRefused:
		return s.HeldFor(plan.ScopeShop, plan.HeldTokenRefused)
	default:
		return false
	}
}

func (l Look) nodes() []Node {
	nodes := make([]Node, len(l.Instances))
	for n, i := range l.Instances {
		nodes[n] = Node{Instance: i.Instance, Host: i.Host, Process: i.PID, Version: i.Version, StartedAt: when(i.StartedAt.Time), LastBeat: when(i.BeatAt.Time),
			Shops: l.Holdings[i.Instance], State: l.stateOf(i)}
	}
	order := []string{NodeAlive, NodeLost, NodeReplaced}
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Process, b.Process), cmp.Compare(a.Instance, b.Instance))
	})
	return nodes
}

// stateOf returns the state of a node. One that has died is replaced by one that has been started
// on the same host since its last beat: both times are by that host's clock.
func (l Look) stateOf(i store.Instance) string {
	if _, lives := l.Living[i.Instance]; lives {
		return NodeAlive
	}
	for _, o := range l.Living {
		if o.Host == i.Host && o.StartedAt.After(i.BeatAt.Time) {
			return NodeReplaced
		}
	}
	return NodeLost
}

// ofInstallation returns what needs a person of the lagerds together.
func (l Look) ofInstallation(nodes []Node) []Need {
	if l.ReadOnly != "" { // no lagerd can send heartbeats, so who lives is not known
		const do = "make it writable, or point database.dsn at the primary"
		return []Need{{Reason: NeedReadOnly, Detail: strings.TrimSuffix(l.ReadOnly, ": "+do), Do: do, Advice: do}}
	}
	if len(l.Living) == 0 {
		var last *time.Time
		for _, n := range nodes {
			if n.LastBeat != nil && (last == nil || n.LastBeat.After(*last)) {
				last = n.LastBeat
			}
		}
		const do = "run `systemctl start lagerd`; the end of its log says why it stopped"
		return []Need{{Reason: NeedNoLagerd, Since: last, Detail: "nothing is reconciled on this database", Do: do, Advice: do}}
	}
	var list []Need
	for _, n := range nodes {
		if n.State != NodeLost {
			continue
		}
		do := "see why it stopped (`journalctl -u lagerd`), and start it again; other lagerds take its shops over within lease.ttl"
		list = append(list, Need{Reason: NeedNodeLost, Since: n.LastBeat, Host: n.Host, Do: do, Advice: do,
			Detail: fmt.Sprintf("the lagerd on %s, process %d, sends no heartbeats and has not said that it stops: it has died or hangs, or, if it runs, its clock is wrong", n.Host, n.Process)})
	}
	return list
}

// firstCheck is what to do before new grants are requested, if the app's token is probably wrong.
const firstCheck = "check the app's token first (economic.app_secret_token_file)"

// noAppTokenNeed returns the need of a lagerd without the app's token, since it first held a shop for
// that.
func (l Look) noAppTokenNeed(shops []Shop) Need {
	n := Need{Reason: NeedAppTokenMissing, Detail: "there is no app secret token: webhooks are kept, and nothing is read from e-conomic", Do: l.NoAppToken, Advice: l.NoAppToken}
	for _, v := range shops {
		for _, h := range v.Holds {
			if h.Reason == plan.HeldNoAppToken && h.Since != nil && (n.Since == nil || h.Since.Before(*n.Since)) {
				n.Since = h.Since
			}
		}
	}
	return n
}

func appTokenNeed(shops []Shop) Need {
	n := Need{Reason: NeedAppTokenRefused, Detail: "several agreements answer 401 and none succeeds: probably the app's secret token is wrong, or e-conomic has withdrawn it",
		Do: "check economic.app_secret_token_file before you request new grants, then run `systemctl reload lagerd` (restart it if the token is a systemd credential)"}
	n.Advice = n.Do
	for _, v := range shops {
		if h, held := v.holdFor(plan.ScopeShop, plan.HeldTokenRefused); held && h.Since != nil && (n.Since == nil || h.Since.Before(*n.Since)) {
			n.Since = h.Since
		}
	}
	return n
}

// pointToAppToken changes the needs of a shop whose token is refused while the app's is suspected.
func pointToAppToken(needs []Need) {
	for i := range needs {
		if n := &needs[i]; n.Scope == plan.ScopeShop && n.Reason == NeedReason(plan.HeldTokenRefused) {
			n.Do, n.Advice = firstCheck+"; then "+n.Do, firstCheck+"; then "+n.Advice
		}
	}
}

// notes returns what is to be said of a shop although it needs nobody.
func (l Look) notes(st store.ShopStatus, v Shop) []string {
	var list []string
	say := func(texts ...string) {
		list = append(list, slices.DeleteFunc(texts, func(text string) bool { return text == "" })...)
	}
	has := func(reason NeedReason) bool {
		return slices.ContainsFunc(v.Needs, func(n Need) bool { return n.Reason == reason })
	}
	switch v.State {
	case StatePaused:
		return []string{v.Reason}
	case StateNotTaken, StateNoLagerd:
		if len(l.Living) > 0 && !has(NeedNotTaken) {
			say(v.Reason)
		}
		return list
	}
	if stopped := slices.ContainsFunc(v.Holds, func(h Hold) bool { return h.Scope == plan.ScopeShop }); v.Failures > 0 && !stopped && !has(NeedNoGoodTick) {
		say(failing(v))
	}
	if v.FirstSweep() && !has(NeedNoSweep) {
		say("first sweep: its items have not been listed in full yet")
	}
	if v.State == StateRunning && v.Failures == 0 {
		say(allZero(st), toRackbeat(st, nil))
	}
	say(changingOver(st), v.awaiting(), v.sharing(st), v.marked())
	for _, n := range v.Unread {
		if !late(n.Since, l.Now) {
			say(n.Unread())
		}
	}
	_, warnings := v.Notices()
	say(warnings...)
	say(WrongCodes(st, l.Now))
	return list
}

// FirstSweep reports whether a running shop's items have not been listed in full yet.
func (s Shop) FirstSweep() bool {
	return s.State == StateRunning && s.readsStock && s.LastSweep == nil
}

// Count is how many shops are in a state, and how many of them for each reason. A shop that has
// two reasons counts with each.
type Count struct {
	State   string
	Shops   int
	Reasons []ReasonCount
}

// ReasonCount is how many shops have a reason: the code of a need after its scope, failing or
// first_sweep.
type ReasonCount struct {
	Reason string
	Shops  int
}

// Counts returns how many shops are in each state, running ones first.
func (o Overview) Counts() []Count {
	shops, reasons := map[string]int{}, map[string]map[string]int{}
	for _, v := range o.Shops {
		shops[v.State]++
		if reasons[v.State] == nil {
			reasons[v.State] = map[string]int{}
		}
		for _, reason := range v.codes() {
			reasons[v.State][reason]++
		}
	}
	var list []Count
	for _, state := range []string{StateRunning, StateHeld, StateNotTaken, StateNoLagerd, StatePaused} {
		if shops[state] == 0 {
			continue
		}
		c := Count{State: state, Shops: shops[state]}
		for reason, n := range reasons[state] {
			c.Reasons = append(c.Reasons, ReasonCount{reason, n})
		}
		slices.SortFunc(c.Reasons, func(a, b ReasonCount) int {
			return cmp.Or(cmp.Compare(b.Shops, a.Shops), strings.Compare(a.Reason, b.Reason))
		})
		list = append(list, c)
	}
	return list
}

// codes returns the reasons with which a shop counts, each once.
func (s Shop) codes() []string {
	var list []string
	for _, n := range s.Needs {
		if code := n.code(); !slices.Contains(list, code) && code != s.State {
			list = append(list, code)
		}
	}
	if s.State == StateRunning && s.Failures > 0 && !slices.Contains(list, string(NeedNoGoodTick)) {
		list = append(list, "failing")
	}
	if s.FirstSweep() && !slices.Contains(list, string(NeedNoSweep)) {
		list = append(list, "first_sweep")
	}
	return list
}

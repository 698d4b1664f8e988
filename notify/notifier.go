package notify

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/status"
	"lagerd/store"
)

const (
	roundEvery  = 10 * time.Second // sends what is due
	decideEvery = 30 * time.Second
	beatEvery   = time.Minute // of heartbeats
	holdFor     = 4 * roundEvery
	keepFor     = 30 * 24 * time.Hour // messages, once they have ended
	pruneEvery  = time.Hour
)

// Options are a Notifier's dependencies. All except Living's result are required.
type Options struct {
	Store    *store.Store
	Instance string                 // this lagerd, as others know it
	Living   func() map[string]bool // the instances that are alive; nil: not known yet
	Look     status.Look            // the configuration's part of it
	Settings Settings
	Out      Out
	NewID    func() string
	Now      func() time.Time
	Log      logrus.FieldLogger

	// Observe counts a try: on a channel, or of a heartbeat, with a result.
	Observe func(channel string, result Result)
	// Waiting is told how many messages have not been sent yet.
	Waiting func(messages int)
}

// Result is how a try to tell ended.
type Result string

// The results.
const (
	ResultSent    Result = "sent"
	ResultFailed  Result = "failed"  // it is tried again
	ResultDropped Result = "dropped" // it could not be sent for too long
	ResultUnsure  Result = "unsure"  // it was sent twice and not answered
)

// The channels of tries, beside those of messages.
const (
	Heartbeat    = "heartbeat"
	OwnerWebhook = "owner_webhook"
)

// Notifier tells people what needs them. It is not safe for concurrent use.
type Notifier struct {
	Options
	watch     watch
	ways      ways
	decidedAt time.Time
	beatAt    time.Time
	prunedAt  time.Time
	taken     bool // it has been the one that does, perhaps still
	lost      bool // the last heartbeat failed
}

// New returns a Notifier.
func New(o Options) *Notifier {
	return &Notifier{Options: o, watch: watch{shops: map[string]watched{}}, ways: ways{busy: map[string]bool{}}}
}

// Run tells people what needs them until ctx is done, whenever this lagerd is the one that does.
func (n *Notifier) Run(ctx context.Context) {
	ticker := time.NewTicker(roundEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			n.ways.wait(awaitFor)
			n.release(ctx)
			return
		case <-ticker.C:
		}
		err := n.Round(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			n.Log.WithError(err).Error("notifications: round failed: it is tried again every ten seconds")
		case err == nil && failing:
			n.Log.Info("notifications: rounds succeed again")
		}
		failing = err != nil
	}
}

// release lets another lagerd go on at once.
func (n *Notifier) release(ctx context.Context) {
	if !n.taken {
		return
	}
	const patience = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	now, err := n.clock(ctx)
	if err == nil {
		err = n.Store.ReleaseNotifying(ctx, n.Instance, now)
	}
	if err != nil {
		n.Log.WithError(err).Warn("notifications: release failed: another lagerd goes on within a minute")
	}
}

// Round decides what is to be told, and sends what is due, if this lagerd is the one that does.
func (n *Notifier) Round(ctx context.Context) error {
	if useful, err := n.useful(ctx); !useful {
		n.Waiting(0)
		return err
	}
	now, err := n.clock(ctx)
	if err != nil {
		return err
	}
	taken, err := n.Store.TakeNotifying(ctx, n.Instance, now, now.Add(holdFor))
	if err != nil || !taken {
		n.Waiting(0) // the other knows
		return err
	}
	n.taken = true
	if now.Sub(n.decidedAt) >= decideEvery && n.Living() != nil {
		n.decidedAt = now
		if err := n.decide(ctx, now); err != nil {
			return ignoreTaken(err)
		}
	}
	if n.Out.Caller.o.HeartbeatURL != "" && now.Sub(n.beatAt) >= beatEvery {
		n.beatAt = now
		n.beat(ctx)
	}
	if err := n.send(ctx); err != nil {
		return err
	}
	waiting, err := n.Store.CountWaitingMessages(ctx)
	if err != nil {
		return err
	}
	n.Waiting(waiting)
	if now.Sub(n.prunedAt) >= pruneEvery {
		n.prunedAt = now
		return n.Store.PruneMessages(ctx, now.Add(-keepFor))
	}
	return nil
}

// useful reports whether there is anybody to tell, or a heartbeat: by the configuration, or since a
// shop's owner has a webhook.
func (n *Notifier) useful(ctx context.Context) (bool, error) {
	if len(n.Settings.Operator) > 0 || n.Settings.Mail || n.Out.Caller.o.HeartbeatURL != "" {
		return true, nil
	}
	return n.Store.HasNotifyHooks(ctx)
}

// ignoreTaken returns nil if another lagerd has taken over, as after a long pause of this process, or a
// message that was to be withdrawn is being sent: the next decision knows.
func ignoreTaken(err error) error {
	if errors.Is(err, store.ErrNotNotifying) || errors.Is(err, store.ErrMessageTaken) {
		return nil
	}
	return err
}

// clock returns the time by the database's clock.
func (n *Notifier) clock(ctx context.Context) (time.Time, error) {
	now, ok, err := n.Store.Clock(ctx)
	if err == nil && !ok {
		now = n.Now()
	}
	return now.UTC(), err
}

// decide decides what is to be told, and stores it.
func (n *Notifier) decide(ctx context.Context, now time.Time) error {
	x := Situation{Now: now}
	look, err := n.look(ctx)
	if err != nil {
		return err
	}
	if err := n.lookAtWebhooks(ctx, now, look.Shops); err != nil {
		return err
	}
	if x.Incidents, err = n.Store.Incidents(ctx); err != nil {
		return err
	}
	x.Matters = MattersOf(look, look.Overview(), n.watch.webhooks(), x.Incidents)
	if x.Unsent, err = n.Store.UnsentMessages(ctx, now); err != nil {
		return err
	}
	if x.Last, err = n.Store.LastMessages(ctx); err != nil {
		return err
	}
	told, err := Decide(n.Settings, x, n.NewID)
	if err != nil || len(told.Put)+len(told.Delete) == 0 {
		return err
	}
	if err := n.Store.Tell(ctx, n.Instance, told); err != nil {
		return err
	}
	for _, m := range told.Messages {
		n.Log.WithFields(logrus.Fields{"message": m.ID, "audience": m.Audience, "shop": m.Shop, "channel": m.Channel}).Info("notifications: message decided")
	}
	return nil
}

// look reads the state of the installation, in a number of statements that is always the same.
func (n *Notifier) look(ctx context.Context) (status.Look, error) {
	l := n.Look
	var err error
	if l.Instances, err = n.Store.Instances(ctx); err != nil {
		return l, err
	}
	if l.Holdings, err = n.Store.Holdings(ctx); err != nil {
		return l, err
	}
	living := n.Living()
	l.Living = map[string]store.Instance{}
	for _, i := range l.Instances {
		if living[i.Instance] {
			l.Living[i.Instance] = i
		}
	}
	l.Shops, err = n.Store.Overview(ctx)
	l.Now = n.Now()
	return l, err
}

// beat calls the heartbeat's address: that this lagerd runs and the database answers.
func (n *Notifier) beat(ctx context.Context) {
	err := n.Out.Caller.Heartbeat(ctx)
	switch {
	case err == nil && n.lost:
		n.Log.Info("notifications: heartbeats arrive again")
	case err != nil && !n.lost && ctx.Err() == nil:
		n.Log.WithError(err).Warn("notifications: heartbeat failed: it is called again each minute")
	}
	n.lost = err != nil
	n.Observe(Heartbeat, resultOf(err))
}

func resultOf(err error) Result {
	if err != nil {
		return ResultFailed
	}
	return ResultSent
}

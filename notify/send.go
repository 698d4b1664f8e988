package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/lang"
	"lagerd/secret"
	"lagerd/store"
)

const (
	sendFor  = 15 * time.Second // longest time that a way sends at a stretch, besides its last message
	awaitFor = 5 * time.Second  // longest time that a round waits for all ways: they go on without it
	atOnce   = 20               // messages read at once

	// claimFor is longer than a message takes until its text is sent, and answerFor than that and the
	// answer take: then its lagerd has died. See Timeout and MailAnswer.
	claimFor  = time.Minute
	answerFor = MailAnswer + claimFor

	// mostUnsure is how many tries may have arrived before a message is given up: each is told at most
	// twice.
	mostUnsure = 2

	firstRetry   = 30 * time.Second
	longestRetry = 10 * time.Minute
	dropTime     = 3 * 24 * time.Hour
)

// How long the steps of sending may take.
const (
	Timeout       = 10 * time.Second // to connect, and then to be asked for the text
	MailAnswer    = 10 * time.Minute // the answer of a mail server to a mail's text: RFC 5321, 4.5.3.2.6
	WebhookAnswer = 30 * time.Second // that of an address that takes webhooks
)

// Out is where messages leave lagerd.
type Out struct {
	Mailer *Mailer       // nil: no mail
	Caller *Caller       // calls webhooks and heartbeats
	Hidden secret.Hidden // what must not be in an error

	// OpenHook decrypts the webhook of a shop's owner.
	OpenHook func(shop string, sealed []byte) (string, error)

	// PageOf makes a link to a shop's page for its owner; nil: there is no page.
	PageOf func(ctx context.Context, shop string) (Page, error)
}

var (
	// errNoChannel is the error of a message whose channel has been removed from the configuration.
	errNoChannel = errors.New("the configuration no longer has this channel (section notify)")
	// errOldAddress is the error of a message to an address that is no longer that of the shop's owner.
	errOldAddress = errors.New("the address of the shop's owner was changed or taken away")
	// errNotOurs is the error of a message that another lagerd has taken over.
	errNotOurs = errors.New("another lagerd has taken the message over")
	// errNoHook is the error of a message to a webhook that the shop no longer has.
	errNoHook = errors.New("the shop's webhook was taken away")
)

// Send sends a message once: to the operator, or to the owner of the shop in the owner's language. It
// calls start right before the text is sent; if that fails, nothing is. An error that wraps errAway
// concerns others on the same way too; one that wraps errUnsure says that the message may have arrived.
func (o Out) Send(ctx context.Context, m store.Message, shop store.Shop, now time.Time, start func() error) error {
	var c Content
	if err := json.Unmarshal(m.Content, &c); err != nil {
		return fmt.Errorf("read the message's content: %w", err)
	}
	switch {
	case m.Audience == store.AudienceOwner && m.Channel == store.ChannelMail && m.Address != shop.Email:
		return errOldAddress
	case m.Channel == store.ChannelMail && o.Mailer != nil:
		if c.Audience == store.AudienceOwner && o.PageOf != nil {
			page, err := o.PageOf(ctx, c.Shop)
			if err != nil {
				return fmt.Errorf("make a link to the page of %s: %w", c.Shop, err)
			}
			c.Page = page
		}
		return o.Mailer.Send(ctx, Mail{ID: m.ID, To: m.Address, At: now, Text: TextOf(c, m.ID, shop.Lang)}, start)
	case m.Channel == store.ChannelWebhook && m.Audience == store.AudienceOwner:
		return o.sendHook(ctx, m, c, shop, now, start)
	case m.Channel == store.ChannelWebhook && o.Caller.Operators().URL != "":
		return o.Caller.Webhook(ctx, o.Caller.Operators(), m.ID, m.Content, now, start)
	}
	return errNoChannel
}

// sendHook sends a message to the webhook of a shop's owner.
func (o Out) sendHook(ctx context.Context, m store.Message, c Content, shop store.Shop, now time.Time, start func() error) error {
	if shop.NotifyOrigin == "" {
		return errNoHook
	}
	if m.Address != "" && m.Address != hookOf(shop).digest() { // "": a test, or decided by an earlier lagerd
		return errOldAddress
	}
	text, err := o.OpenHook(shop.Shop, shop.NotifyHook)
	if err != nil {
		return fmt.Errorf("%w: store it again with `lagerd shops set %s --notify-url URL`", err, shop.Shop)
	}
	hook, err := OwnersHook(shop.Shop, text)
	if err != nil {
		return err
	}
	body, err := json.Marshal(c.forOwner(shop.Lang))
	if err != nil {
		return fmt.Errorf("write the webhook to the owner of %s: %w", shop.Shop, err)
	}
	return o.Caller.Webhook(ctx, hook, m.ID, body, now, start)
}

// ways are those on which messages leave at the same time: what hangs on one delays none of the others.
type ways struct {
	mu   sync.Mutex
	busy map[string]bool
	all  sync.WaitGroup
}

// take reports whether a way was free, and takes it.
func (w *ways) take(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[name] {
		return false
	}
	w.busy[name] = true
	w.all.Add(1)
	return true
}

func (w *ways) free(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, name)
	w.all.Done()
}

// wait waits until all are free, but not for longer than a time.
func (w *ways) wait(most time.Duration) {
	free := make(chan struct{})
	go func() { w.all.Wait(); close(free) }()
	select {
	case <-free:
	case <-time.After(most):
	}
}

// send sends what is due. An answer may take minutes: a way on which one is awaited goes on by itself,
// and the round does not wait for it.
func (n *Notifier) send(ctx context.Context) error {
	operator, owners := []store.Audience{store.AudienceOperator}, []store.Audience{store.AudienceOwner}
	await, cancel := context.WithTimeout(ctx, awaitFor)
	defer cancel()
	for _, way := range []struct {
		name string
		send func(context.Context) error
	}{
		{"mail to the operator", func(ctx context.Context) error { return n.sendOn(ctx, store.ChannelMail, operator) }},
		{"mail to owners", func(ctx context.Context) error { return n.sendOn(ctx, store.ChannelMail, owners) }},
		{"webhooks to the operator", func(ctx context.Context) error { return n.sendOn(ctx, store.ChannelWebhook, operator) }},
		{"webhooks to owners", n.sendHooks},
	} {
		if !n.ways.take(way.name) {
			continue
		}
		failed := make(chan error, 1)
		go func() {
			defer n.ways.free(way.name)
			failed <- way.send(ctx)
		}()
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
		case <-await.Done():
			go n.report(ctx, way.name, failed)
		}
	}
	return nil
}

// report logs why a way failed that no round waits for.
func (n *Notifier) report(ctx context.Context, way string, failed <-chan error) {
	if err := <-failed; err != nil && ctx.Err() == nil {
		n.Log.WithError(err).Errorf("notifications: %s failed: it is tried again within ten seconds", way)
	}
}

// sendOn sends what is due on a channel, until one message shows that it is of no use now.
func (n *Notifier) sendOn(ctx context.Context, channel store.Channel, to []store.Audience) error {
	began := n.Now()
	for {
		now, err := n.clock(ctx)
		if err != nil {
			return err
		}
		list, err := n.Store.DueMessages(ctx, channel, to, now, atOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, m := range list {
			if n.Now().Sub(began) > sendFor {
				return nil
			}
			away, err := n.sendOne(ctx, m)
			if err != nil || away {
				return err
			}
		}
	}
}

// sendHooks sends what is due to the webhooks of owners. Those of several shops are called at the
// same time: one that does not answer delays no other.
func (n *Notifier) sendHooks(ctx context.Context) error {
	began := n.Now()
	for n.Now().Sub(began) <= sendFor {
		now, err := n.clock(ctx)
		if err != nil {
			return err
		}
		list, err := n.Store.DueMessages(ctx, store.ChannelWebhook, []store.Audience{store.AudienceOwner}, now, atOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		failed := make(chan error, len(list))
		for _, m := range list {
			go func() {
				_, err := n.sendOne(ctx, m)
				failed <- err
			}()
		}
		var errs []error
		for range list {
			errs = append(errs, <-failed)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// sendOne claims, sends and marks a message. away says that others would not arrive either.
func (n *Notifier) sendOne(ctx context.Context, m store.Message) (away bool, err error) {
	shop := store.Shop{Lang: lang.English}
	if m.Shop != "" {
		shop, err = n.Store.Shop(ctx, m.Shop)
		if errors.Is(err, store.ErrNoShop) {
			return false, n.Store.EndMessage(ctx, m.ID, store.MessageDropped, n.Now(), "the shop was removed")
		}
		if err != nil {
			return false, err
		}
	}
	now, err := n.clock(ctx)
	if err != nil {
		return false, err
	}
	if m.Unsure >= mostUnsure { // its lagerd died while it sent it
		return false, n.giveUp(ctx, m, now, m.Error)
	}
	claimed, err := n.Store.ClaimMessage(ctx, m, now.Add(claimFor))
	if err != nil || !claimed {
		return false, err
	}
	ctx = context.WithoutCancel(ctx) // what was sent is marked although lagerd stops, or it would be sent again
	failed := n.Out.Send(ctx, m, shop, now, func() error { return n.start(ctx, m) })
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Is(failed, errAway) || errors.Is(failed, errUnsure), n.mark(ctx, m, now, failed)
}

// start stores that a message may have arrived, before its text is sent: should this lagerd die
// meanwhile, the next one knows.
func (n *Notifier) start(ctx context.Context, m store.Message) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	now, err := n.clock(ctx)
	if err != nil {
		return err
	}
	ours, err := n.Store.StartMessage(ctx, m, now.Add(answerFor))
	if err == nil && !ours {
		return errNotOurs
	}
	return err
}

// mark stores how a try ended. began is when it began.
func (n *Notifier) mark(ctx context.Context, m store.Message, began time.Time, failed error) error {
	now, err := n.clock(ctx)
	if err != nil {
		return err
	}
	log := n.Log.WithFields(fieldsOf(m))
	channel := channelOf(m)
	if failed == nil {
		n.Observe(channel, ResultSent)
		log.Info("notifications: message sent")
		return n.Store.EndMessage(ctx, m.ID, store.MessageSent, now, "")
	}
	text := n.Out.Hidden.In(failed.Error())
	log = log.WithField("error", text)
	switch {
	case errors.Is(failed, errNotOurs):
		return nil
	case errors.Is(failed, errNoHook), errors.Is(failed, errOldAddress):
		log.Info("notifications: message dropped")
		return n.Store.EndMessage(ctx, m.ID, store.MessageDropped, now, text)
	}
	wait := backoff(m.Claims)
	if errors.Is(failed, errUnsure) {
		if m.Unsure++; m.Unsure >= mostUnsure {
			return n.giveUp(ctx, m, now, text)
		}
		wait = longestRetry // whatever cut the answer off should not cut off the next one's
	}
	if began.Sub(m.DecidedAt) >= dropTime {
		n.Observe(channel, ResultDropped)
		log.Error("notifications: message dropped: it could not be sent for three days")
		return n.Store.EndMessage(ctx, m.ID, store.MessageDropped, now, text)
	}
	n.Observe(channel, ResultFailed)
	log.WithField("again_in", wait).Warn("notifications: message not sent: it is tried again")
	m.DueAt, m.Error = now.Add(wait), text
	_, m.Refused = errors.AsType[refusal](failed)
	return n.Store.PostponeMessage(ctx, m)
}

// giveUp ends a message that may have arrived twice.
func (n *Notifier) giveUp(ctx context.Context, m store.Message, now time.Time, text string) error {
	n.Observe(channelOf(m), ResultUnsure)
	n.Log.WithFields(fieldsOf(m)).WithField("error", text).Error("notifications: message given up: it was sent twice and not answered, so it may have arrived")
	return n.Store.EndMessage(ctx, m.ID, store.MessageUnsure, now, text)
}

func fieldsOf(m store.Message) logrus.Fields {
	return logrus.Fields{"message": m.ID, "audience": m.Audience, "shop": m.Shop, "channel": m.Channel, "tries": m.Claims + 1}
}

// channelOf returns the channel as it is counted: the operator's webhook apart from those of owners.
func channelOf(m store.Message) string {
	if m.Channel == store.ChannelWebhook && m.Audience == store.AudienceOwner {
		return OwnerWebhook
	}
	return string(m.Channel)
}

// backoff returns how long a message waits after so many earlier tries.
func backoff(tries int) time.Duration {
	wait := firstRetry
	for range tries {
		if wait *= 2; wait >= longestRetry {
			return longestRetry
		}
	}
	return wait
}

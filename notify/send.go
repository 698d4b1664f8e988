package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/lang"
	"lagerd/secret"
	"lagerd/store"
)

const (
	sendFor = 15 * time.Second // longest time that a round sends on a channel, besides its last message
	atOnce  = 20               // messages read at once

	// claimFor is longer than a message takes to be sent: then its lagerd has died. See Timeout.
	claimFor = time.Minute

	firstRetry   = 30 * time.Second
	longestRetry = 10 * time.Minute
	dropTime     = 3 * 24 * time.Hour
)

// Timeout is how long a step of sending may take: to connect, and to send.
const Timeout = 10 * time.Second

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
	// errNoHook is the error of a message to a webhook that the shop no longer has.
	errNoHook = errors.New("the shop's webhook was taken away")
)

// Send sends a message once: to the operator, or to the owner of the shop in the owner's language. An
// error that wraps errAway concerns others on the same way too.
func (o Out) Send(ctx context.Context, m store.Message, shop store.Shop, now time.Time) error {
	var c Content
	if err := json.Unmarshal(m.Content, &c); err != nil {
		return fmt.Errorf("read the message's content: %w", err)
	}
	switch {
	case m.Channel == store.ChannelMail && o.Mailer != nil:
		if c.Audience == store.AudienceOwner && o.PageOf != nil {
			page, err := o.PageOf(ctx, c.Shop)
			if err != nil {
				return fmt.Errorf("make a link to the page of %s: %w", c.Shop, err)
			}
			c.Page = page
		}
		return o.Mailer.Send(ctx, Mail{ID: m.ID, To: m.Address, At: now, Text: TextOf(c, m.ID, shop.Lang)})
	case m.Channel == store.ChannelWebhook && m.Audience == store.AudienceOwner:
		return o.sendHook(ctx, m.ID, c, shop, now)
	case m.Channel == store.ChannelWebhook && o.Caller.Operators().URL != "":
		return o.Caller.Webhook(ctx, o.Caller.Operators(), m.ID, m.Content, now)
	}
	return errNoChannel
}

// sendHook sends a message to the webhook of a shop's owner.
func (o Out) sendHook(ctx context.Context, id string, c Content, shop store.Shop, now time.Time) error {
	if shop.NotifyOrigin == "" {
		return errNoHook
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
	return o.Caller.Webhook(ctx, hook, id, body, now)
}

// send sends what is due: what fails on one way delays none of the others.
func (n *Notifier) send(ctx context.Context) error {
	both := []store.Audience{store.AudienceOperator, store.AudienceOwner}
	if err := n.sendOn(ctx, store.ChannelMail, both); err != nil {
		return err
	}
	if err := n.sendOn(ctx, store.ChannelWebhook, both[:1]); err != nil {
		return err
	}
	return n.sendHooks(ctx)
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
		of := map[string][]store.Message{}
		for _, m := range list {
			of[m.Shop] = append(of[m.Shop], m)
		}
		failed := make(chan error, len(of))
		for _, its := range of {
			go func() { failed <- n.sendHooksOf(ctx, its, now) }()
		}
		var errs []error
		for range of {
			errs = append(errs, <-failed)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// sendHooksOf sends messages to the webhook of one shop's owner. If it is away, those that are due wait
// for the next try of the one that showed it.
func (n *Notifier) sendHooksOf(ctx context.Context, list []store.Message, now time.Time) error {
	for _, m := range list {
		away, err := n.sendOne(ctx, m)
		if err != nil {
			return err
		}
		if away {
			return n.Store.PostponeHook(ctx, m.Shop, now, now.Add(backoff(m.Claims)), "the webhook was not reached with an earlier message")
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
	claimed, err := n.Store.ClaimMessage(ctx, m, now.Add(claimFor))
	if err != nil || !claimed {
		return false, err
	}
	failed := n.Out.Send(ctx, m, shop, now)
	// What was sent is marked although lagerd stops, or it would be sent again.
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return errors.Is(failed, errAway), n.mark(ctx, m, now, failed)
}

// mark stores how a try ended.
func (n *Notifier) mark(ctx context.Context, m store.Message, now time.Time, failed error) error {
	log := n.Log.WithFields(logrus.Fields{"message": m.ID, "audience": m.Audience, "shop": m.Shop, "channel": m.Channel, "tries": m.Claims + 1})
	channel := channelOf(m)
	if failed == nil {
		n.Observe(channel, ResultSent)
		log.Info("notifications: message sent")
		return n.Store.EndMessage(ctx, m.ID, store.MessageSent, now, "")
	}
	text := n.Out.Hidden.In(failed.Error())
	log = log.WithField("error", text)
	if errors.Is(failed, errNoHook) {
		log.Info("notifications: message dropped")
		return n.Store.EndMessage(ctx, m.ID, store.MessageDropped, now, text)
	}
	if now.Sub(m.DecidedAt) >= dropTime {
		n.Observe(channel, ResultDropped)
		log.Error("notifications: message dropped: it could not be sent for three days")
		return n.Store.EndMessage(ctx, m.ID, store.MessageDropped, now, text)
	}
	n.Observe(channel, ResultFailed)
	wait := backoff(m.Claims)
	log.WithField("again_in", wait).Warn("notifications: message not sent: it is tried again")
	return n.Store.PostponeMessage(ctx, m.ID, now.Add(wait), text)
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

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
	Caller *Caller       // nil: neither webhooks nor heartbeats
	Hidden secret.Hidden // what must not be in an error

	// PageOf makes a link to a shop's page for its owner; nil: there is no page.
	PageOf func(ctx context.Context, shop string) (Page, error)
}

// errNoChannel is the error of a message whose channel has been removed from the configuration.
var errNoChannel = errors.New("the configuration no longer has this channel (section notify)")

// Send sends a message once, in its owner's language. An error that wraps errAway concerns others of
// its channel too.
func (o Out) Send(ctx context.Context, m store.Message, l lang.Lang, now time.Time) error {
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
		return o.Mailer.Send(ctx, Mail{ID: m.ID, To: m.Address, At: now, Text: TextOf(c, m.ID, l)})
	case m.Channel == store.ChannelWebhook && o.Caller != nil && o.Caller.o.WebhookURL != "":
		return o.Caller.Webhook(ctx, m.ID, m.Content, now)
	}
	return errNoChannel
}

// send sends what is due.
func (n *Notifier) send(ctx context.Context) error {
	for _, channel := range []store.Channel{store.ChannelMail, store.ChannelWebhook} {
		if err := n.sendOn(ctx, channel); err != nil {
			return err
		}
	}
	return nil
}

// sendOn sends what is due on a channel, until one message shows that it is of no use now.
func (n *Notifier) sendOn(ctx context.Context, channel store.Channel) error {
	began := n.Now()
	for {
		now, err := n.clock(ctx)
		if err != nil {
			return err
		}
		list, err := n.Store.DueMessages(ctx, channel, now, atOnce)
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

// sendOne claims, sends and marks a message. away says that others would not arrive either.
func (n *Notifier) sendOne(ctx context.Context, m store.Message) (away bool, err error) {
	l := lang.English
	if m.Shop != "" {
		shop, err := n.Store.Shop(ctx, m.Shop)
		if errors.Is(err, store.ErrNoShop) {
			return false, n.Store.EndMessage(ctx, m.ID, store.MessageDropped, n.Now(), "the shop was removed")
		}
		if err != nil {
			return false, err
		}
		l = shop.Lang
	}
	now, err := n.clock(ctx)
	if err != nil {
		return false, err
	}
	claimed, err := n.Store.ClaimMessage(ctx, m, now.Add(claimFor))
	if err != nil || !claimed {
		return false, err
	}
	failed := n.Out.Send(ctx, m, l, now)
	// What was sent is marked although lagerd stops, or it would be sent again.
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return errors.Is(failed, errAway), n.mark(ctx, m, now, failed)
}

// mark stores how a try ended.
func (n *Notifier) mark(ctx context.Context, m store.Message, now time.Time, failed error) error {
	log := n.Log.WithFields(logrus.Fields{"message": m.ID, "audience": m.Audience, "shop": m.Shop, "channel": m.Channel, "tries": m.Claims + 1})
	if failed == nil {
		n.Observe(string(m.Channel), ResultSent)
		log.Info("notifications: message sent")
		return n.Store.EndMessage(ctx, m.ID, store.MessageSent, now, "")
	}
	text := n.Out.Hidden.In(failed.Error())
	log = log.WithField("error", text)
	if now.Sub(m.DecidedAt) >= dropTime {
		n.Observe(string(m.Channel), ResultDropped)
		log.Error("notifications: message dropped: it could not be sent for three days")
		return n.Store.EndMessage(ctx, m.ID, store.MessageDropped, now, text)
	}
	n.Observe(string(m.Channel), ResultFailed)
	wait := backoff(m.Claims)
	log.WithField("again_in", wait).Warn("notifications: message not sent: it is tried again")
	return n.Store.PostponeMessage(ctx, m.ID, now.Add(wait), text)
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

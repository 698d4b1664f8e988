package notify

import (
	"context"
	"time"
)

// Decide decides as a round does.
func (n *Notifier) Decide(ctx context.Context, now time.Time) error { return n.decide(ctx, now) }

// SetAnswer sets how long the answer to a mail is awaited.
func (n *Notifier) SetAnswer(d time.Duration) (err error) {
	o := n.Out.Mailer.o
	o.Answer = d
	n.Out.Mailer, err = NewMailer(o)
	return err
}

// Settle waits until nothing is being sent.
func (n *Notifier) Settle() { n.ways.all.Wait() }

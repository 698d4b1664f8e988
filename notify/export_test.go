package notify

import (
	"context"
	"time"
)

// Decide decides as a round does.
func (n *Notifier) Decide(ctx context.Context, now time.Time) error { return n.decide(ctx, now) }

package source

import (
	"context"
	"time"
)

type sinceKey struct{}

// Since returns a context for reads that answer hints loaded by t: a source that remembers what
// an earlier read showed must not answer with one that began before t, since a hint may have come
// after it.
func Since(ctx context.Context, t time.Time) context.Context {
	return context.WithValue(ctx, sinceKey{}, t)
}

// IsSince reports whether a read that began then may be the answer to one with this context.
func IsSince(ctx context.Context, began time.Time) bool {
	t, set := ctx.Value(sinceKey{}).(time.Time)
	return !set || !began.Before(t)
}

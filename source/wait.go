package source

import (
	"context"
	"time"
)

type waitKey struct{}

// OnWait returns a context whose reads call wait before they block on their turn and the
// answer, and call the function it returned afterwards, so that the caller can release
// what it does not need meanwhile. With nil, reads call nothing: this is for goroutines
// that read ahead while their caller keeps working.
func OnWait(ctx context.Context, wait func() (waited func())) context.Context {
	return context.WithValue(ctx, waitKey{}, wait)
}

// Waiting calls ctx's wait function, as a read would, for a caller that blocks on another
// goroutine's read. The caller must call waited afterwards.
func Waiting(ctx context.Context) (waited func()) {
	if wait, ok := ctx.Value(waitKey{}).(func() func()); ok && wait != nil {
		return wait()
	}
	return func() {}
}

type patienceKey struct{}

// WithPatience returns a context whose reads wait no longer than that for each answer. The error
// is that of an answer that does not come.
func WithPatience(ctx context.Context, most time.Duration) context.Context {
	return context.WithValue(ctx, patienceKey{}, most)
}

// Patience returns how long ctx's reads may wait for an answer, 0 if only the client's timeout
// limits that.
func Patience(ctx context.Context) time.Duration {
	most, _ := ctx.Value(patienceKey{}).(time.Duration)
	return most
}

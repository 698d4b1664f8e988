package source

import "context"

type waitKey struct{}

// OnWait returns a context whose reads run wait before they wait for their turn and for
// the answer, and what wait returns once they have waited: a caller lets others have
// meanwhile what it does not need. With nil, reads run nothing: that is for goroutines
// that read ahead while their caller goes on working.
func OnWait(ctx context.Context, wait func() (waited func())) context.Context {
	return context.WithValue(ctx, waitKey{}, wait)
}

// Waiting runs what a read of ctx would, for a caller that waits for a read that another
// goroutine makes. waited must be called afterwards.
func Waiting(ctx context.Context) (waited func()) {
	if wait, ok := ctx.Value(waitKey{}).(func() func()); ok && wait != nil {
		return wait()
	}
	return func() {}
}

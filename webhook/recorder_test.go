package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/webhook"
)

func hint(shop, number string) webhook.Hint {
	return webhook.Hint{Shop: shop, Kind: webhook.KindStock, Number: number, ReceivedAt: noon}
}

// writes is a Write that records its batches.
type writes struct {
	mu      sync.Mutex
	batches [][]webhook.Hint
	before  func(ctx context.Context, hints []webhook.Hint) error
}

func (w *writes) write(ctx context.Context, hints []webhook.Hint) error {
	batch := slices.Clone(hints) // Write must not retain the slice
	if w.before != nil {
		if err := w.before(ctx, batch); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches = append(w.batches, batch)
	return nil
}

// TestAnsweredFirst: a call is answered before Wake is called for its hint.
func TestAnsweredFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, answered := &writes{}, make(chan struct{})
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Wake: func(string, int) {
			select {
			case <-answered:
			case <-time.After(time.Minute):
				t.Error("the call waits for Wake")
			}
		}})
		stop := run(t, c)
		if err := c.Record(t.Context(), hint("shop1", "a")); err != nil {
			t.Error(err)
		}
		close(answered)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// run runs c and returns a function that stops it and returns Run's error. Both must be
// called in a synctest bubble.
func run(t *testing.T, c *webhook.Committer) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// record calls Record and returns a channel with its result.
func record(ctx context.Context, c *webhook.Committer, h webhook.Hint) chan error {
	result := make(chan error, 1)
	go func() { result <- c.Record(ctx, h) }()
	return result
}

func TestAcknowledgedOnlyAfterTheCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		committed := false
		var woken []string
		w := &writes{before: func(context.Context, []webhook.Hint) error {
			time.Sleep(time.Second)
			committed = true
			return nil
		}}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Wake: func(shop string, _ int) {
			if !committed {
				t.Error("the shop was woken before the commit")
			}
			woken = append(woken, shop)
		}})
		stop := run(t, c)
		result := record(t.Context(), c, hint("a", "1"))
		time.Sleep(time.Second - 1)
		synctest.Wait()
		select {
		case err := <-result:
			t.Fatalf("acknowledged with %v before Write returned", err)
		default:
		}
		if err := <-result; err != nil || !committed {
			t.Errorf("Record = %v, committed %t", err, committed)
		}
		synctest.Wait() // Wake is called afterwards
		if !slices.Equal(woken, []string{"a"}) {
			t.Errorf("woken %v, want a", woken)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAloneIsCommittedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: (&writes{}).write})
		stop := run(t, c)
		start := time.Now()
		if err := c.Record(t.Context(), hint("a", "1")); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("a lone hint waited %s for others", d)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(context.Context, []webhook.Hint) error { time.Sleep(time.Second); return nil }}
		var woken []string
		var observed []string
		c := webhook.NewCommitter(webhook.CommitterOptions{
			Write: w.write, Batch: 4,
			Wake: func(shop string, hints int) { woken = append(woken, fmt.Sprintf("%s %d", shop, hints)) },
			Observe: func(calls, hints int, d time.Duration, err error) {
				observed = append(observed, fmt.Sprint(calls, hints, d, err))
			},
		})
		// Queued before Run, so that the order of arrival is fixed.
		later := hint("b", "1")
		later.ReceivedAt = noon.Add(time.Minute)
		earliest := hint("b", "1")
		earliest.ReceivedAt = noon.Add(-time.Minute)
		invoice := hint("a", "1")
		invoice.Kind = webhook.KindInvoice
		var results []chan error
		for _, h := range []webhook.Hint{
			hint("b", "1"), later, hint("a", "2"), earliest, // b/1 three times, twice in the first batch
			hint("a", "1"), invoice, hint("b", "01"), hint("B", "1"), // none the same
			hint("b", "1"), // again, in a batch of its own
		} {
			results = append(results, record(t.Context(), c, h))
			synctest.Wait()
		}
		if c.Queued() != 9 {
			t.Errorf("%d are queued, want 9", c.Queued())
		}
		stop := run(t, c)
		for _, result := range results {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := [][]webhook.Hint{
			{hint("B", "1"), hint("a", "2"), later},
			{invoice, hint("a", "1"), hint("b", "01"), earliest},
			{hint("b", "1")},
		}
		if diff := cmp.Diff(want, w.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"B 1", "a 1", "b 1", "a 2", "b 2", "b 1"}, woken); diff != "" {
			t.Errorf("woken (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"4 3 1s <nil>", "4 4 1s <nil>", "1 1 1s <nil>"}, observed); diff != "" {
			t.Errorf("observed (-want +got):\n%s", diff)
		}
	})
}

func TestTwoWritersAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		w := &writes{before: func(context.Context, []webhook.Hint) error {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		}}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 10, Writers: 2})
		stop := run(t, c)
		var results []chan error
		for i := range 100 {
			results = append(results, record(t.Context(), c, hint("a", strconv.Itoa(i))))
		}
		for _, result := range results {
			if err := <-result; err != nil {
				t.Error(err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if most.Load() != 2 {
			t.Errorf("%d writes ran at once, want 2", most.Load())
		}
		seen := map[string]int{}
		for _, batch := range w.batches {
			if len(batch) > 10 {
				t.Errorf("a batch has %d hints, want at most 10", len(batch))
			}
			for _, h := range batch {
				seen[h.Number]++
			}
		}
		for i := range 100 {
			if n := seen[strconv.Itoa(i)]; n != 1 {
				t.Errorf("hint %d was written %d times", i, n)
			}
		}
	})
}

func TestWriteErrorGoesToAllOfTheBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("database away")
		w := &writes{before: func(_ context.Context, hints []webhook.Hint) error {
			if hints[0].Number == "0" {
				return broken
			}
			return nil
		}}
		var woken []int
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 3, Wake: func(_ string, hints int) { woken = append(woken, hints) }})
		var results []chan error
		for i := range 6 {
			results = append(results, record(t.Context(), c, hint("a", strconv.Itoa(i))))
			synctest.Wait()
		}
		stop := run(t, c)
		for i, result := range results {
			if err := <-result; errors.Is(err, broken) != (i < 3) || (err == nil) != (i >= 3) {
				t.Errorf("hint %d: %v", i, err)
			}
		}
		synctest.Wait() // Wake is called afterwards
		if !slices.Equal(woken, []int{3}) {
			t.Errorf("woken for %v hints, want for the second batch's 3", woken)
		}
		// The writer continues.
		if err := c.Record(t.Context(), hint("a", "7")); err != nil {
			t.Errorf("after a failed write: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: (&writes{}).write, Queue: 2})
		first, second := record(t.Context(), c, hint("a", "1")), record(t.Context(), c, hint("a", "2"))
		synctest.Wait()
		start := time.Now()
		if err := c.Record(t.Context(), hint("a", "3")); !errors.Is(err, webhook.ErrFull) {
			t.Errorf("Record into a full queue = %v, want ErrFull", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("refused only after %s", d)
		}
		stop := run(t, c)
		if err := errors.Join(<-first, <-second); err != nil {
			t.Error(err)
		}
		if err := c.Record(t.Context(), hint("a", "3")); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestFullOfOneShop: the newest call of the shop that fills the queue gives way to another
// shop's, and is answered at once.
func TestFullOfOneShop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Queue: 3})
		var flood []chan error
		for i := range 3 {
			flood = append(flood, record(t.Context(), c, hint("flood", strconv.Itoa(i))))
			synctest.Wait()
		}
		other := record(t.Context(), c, hint("a", "1"))
		synctest.Wait()
		select {
		case err := <-flood[2]:
			if !errors.Is(err, webhook.ErrFull) {
				t.Errorf("the newest of the flood: %v, want ErrFull", err)
			}
		default:
			t.Error("the newest of the flood has no answer")
		}
		if err := c.Record(t.Context(), hint("flood", "3")); !errors.Is(err, webhook.ErrFull) {
			t.Errorf("one more of the flood: %v, want ErrFull", err)
		}
		if c.Queued() != 3 {
			t.Errorf("%d are queued, want 3", c.Queued())
		}
		stop := run(t, c)
		if err := errors.Join(<-flood[0], <-flood[1], <-other); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := [][]webhook.Hint{{hint("a", "1"), hint("flood", "0"), hint("flood", "1")}}
		if diff := cmp.Diff(want, w.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

// TestBesideAFlood: another shop's call is in the next batch, however many of one shop wait.
func TestBesideAFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(context.Context, []webhook.Hint) error { time.Sleep(time.Second); return nil }}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 10})
		var flood []chan error
		for i := range 60 {
			flood = append(flood, record(t.Context(), c, hint("flood", fmt.Sprintf("%02d", i))))
			synctest.Wait()
		}
		stop := run(t, c)
		time.Sleep(time.Second / 2) // the first batch is being written
		began := time.Now()
		if err := c.Record(t.Context(), hint("a", "1")); err != nil || time.Since(began) != 3*time.Second/2 {
			t.Errorf("the other shop's call: %v after %s, want success with the second batch", err, time.Since(began))
		}
		for i, result := range flood {
			if err := <-result; err != nil {
				t.Errorf("call %d of the flood: %v", i, err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		var numbers []string
		for _, batch := range w.batches {
			for _, h := range batch {
				if h.Shop == "flood" {
					numbers = append(numbers, h.Number)
				}
			}
		}
		if len(numbers) != len(flood) || !slices.IsSorted(numbers) {
			t.Errorf("the flood was written as %v, want in the order it came", numbers)
		}
	})
}

// TestCrowdIsPaced: of a shop with a thousand calls and more, 128 are taken every 25 ms. What the other
// shops send is recorded at once, and so is the rest after a stop.
func TestCrowdIsPaced(t *testing.T) {
	t.Parallel()
	for _, writers := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			c := webhook.NewCommitter(webhook.CommitterOptions{Write: (&writes{}).write, Writers: writers})
			var answered atomic.Int32
			crowd := func(calls int) {
				for n := range calls {
					go func() {
						if err := c.Record(t.Context(), hint("flood", strconv.Itoa(n))); err != nil {
							t.Errorf("call %d of the flood: %v", n, err)
						}
						answered.Add(1)
					}()
				}
				synctest.Wait()
			}
			crowd(1900)
			stop := run(t, c)
			for turn := range 7 {
				synctest.Wait()
				if got := answered.Load(); got != int32(128*(turn+1)) {
					t.Errorf("%d calls are answered after turn %d", got, turn)
				}
				began := time.Now()
				if err := c.Record(t.Context(), hint("a", strconv.Itoa(turn))); err != nil || time.Since(began) != 0 {
					t.Errorf("another shop's call is answered after %s: %v", time.Since(began), err)
				}
				time.Sleep(25 * time.Millisecond)
			}
			synctest.Wait()
			if answered.Load() != 1900 {
				t.Errorf("%d calls of 1900 are answered: fewer than a thousand were left", answered.Load())
			}

			crowd(5000)
			began := time.Now()
			if err := stop(); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if answered.Load() != 6900 || time.Since(began) != 0 {
				t.Errorf("%d calls are answered %s after the stop", answered.Load(), time.Since(began))
			}
		})
	}
}

// TestCrowdOfAShortQueue: where there are few connections, fewer calls are a crowd.
func TestCrowdOfAShortQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			queue, calls int
			takes        time.Duration
		}{
			{100, 100, 0},
			{400, 128 + 127, 0}, {400, 128 + 128, 25 * time.Millisecond},
			{600, 150 + 127, 0}, {600, 150 + 128, 25 * time.Millisecond},
			{8000, 1000 + 127, 0}, {8000, 1000 + 128, 25 * time.Millisecond},
		} {
			c := webhook.NewCommitter(webhook.CommitterOptions{Write: (&writes{}).write, Queue: row.queue})
			var results []chan error
			for n := range row.calls {
				results = append(results, record(t.Context(), c, hint("flood", strconv.Itoa(n))))
			}
			synctest.Wait()
			stop := run(t, c)
			began := time.Now()
			for _, result := range results {
				if err := <-result; err != nil {
					t.Error(err)
				}
			}
			if took := time.Since(began); took != row.takes {
				t.Errorf("%d calls in a queue of %d are answered after %s, want %s", row.calls, row.queue, took, row.takes)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestBesideACrowd: however few a commit takes and however long, another shop's call is in the next one,
// or in the one after that.
func TestBesideACrowd(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 64} {
		synctest.Test(t, func(t *testing.T) {
			const takes = 30 * time.Millisecond
			w := &writes{before: func(context.Context, []webhook.Hint) error { time.Sleep(takes); return nil }}
			c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: batch, Patience: time.Hour})
			for n := range 3000 {
				go func() { _ = c.Record(t.Context(), hint(fmt.Sprint("flood", n%2), strconv.Itoa(n))) }()
			}
			synctest.Wait()
			stop := run(t, c)
			for n := range 20 {
				time.Sleep(7 * time.Millisecond)
				began := time.Now()
				if err := c.Record(t.Context(), hint("a", strconv.Itoa(n))); err != nil || time.Since(began) > 4*takes {
					t.Errorf("batches of %d: another shop's call is answered after %s: %v", batch, time.Since(began), err)
				}
			}
			_ = stop() // it may give up the rest
		})
	}
}

// TestWrittenCallsCount: a flood is refused before all of its calls are being written, but no other
// shop's first call is.
func TestWrittenCallsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(context.Context, []webhook.Hint) error { time.Sleep(time.Second); return nil }}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Queue: 4, Batch: 3})
		stop := run(t, c)
		var results []chan error
		for n := range 4 { // the first is being written, and three wait
			results = append(results, record(t.Context(), c, hint("flood", strconv.Itoa(n))))
			synctest.Wait()
		}
		if err := c.Record(t.Context(), hint("flood", "4")); !errors.Is(err, webhook.ErrFull) {
			t.Errorf("one more of the flood: %v, want ErrFull", err)
		}
		other := record(t.Context(), c, hint("a", "1")) // takes the place of the flood's newest
		if err := <-results[3]; !errors.Is(err, webhook.ErrFull) {
			t.Errorf("the newest of the flood: %v, want ErrFull", err)
		}
		if err := errors.Join(<-results[0], <-results[1], <-results[2], <-other); err != nil {
			t.Error(err)
		}
		if err := c.Record(t.Context(), hint("flood", "5")); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(context.Context, []webhook.Hint) error { time.Sleep(3 * time.Second); return nil }}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Patience: 2 * time.Second})
		stop := run(t, c)
		start := time.Now()
		if err := c.Record(t.Context(), hint("a", "1")); !errors.Is(err, webhook.ErrSlow) || time.Since(start) != 2*time.Second {
			t.Errorf("Record = %v after %s", err, time.Since(start))
		}
		// The next call has its own patience, and its own result.
		start = time.Now()
		if err := c.Record(t.Context(), hint("a", "2")); !errors.Is(err, webhook.ErrSlow) || time.Since(start) != 2*time.Second {
			t.Errorf("Record = %v after %s", err, time.Since(start))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([][]webhook.Hint{{hint("a", "1")}, {hint("a", "2")}}, w.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Record(ctx, hint("a", "1")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Record = %v, want the context's error", err)
		}
		// Another call at the same time must get its own result, not the first's.
		other := record(t.Context(), c, hint("a", "2"))
		synctest.Wait()
		stop := run(t, c)
		if err := <-other; err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		// The hint was queued, so it is recorded anyway.
		if diff := cmp.Diff([][]webhook.Hint{{hint("a", "1"), hint("a", "2")}}, w.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestStopDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(ctx context.Context, _ []webhook.Hint) error {
			time.Sleep(time.Second)
			return ctx.Err()
		}}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 2, DrainTimeout: time.Minute})
		var results []chan error
		for i := range 7 {
			results = append(results, record(t.Context(), c, hint("a", strconv.Itoa(i))))
		}
		synctest.Wait()
		stop := run(t, c)
		time.Sleep(time.Millisecond) // the first write is under way
		if err := stop(); err != nil {
			t.Error(err)
		}
		for i, result := range results {
			if err := <-result; err != nil {
				t.Errorf("hint %d, queued before the stop: %v", i, err)
			}
		}
		if c.Queued() != 0 {
			t.Errorf("%d are left in the queue", c.Queued())
		}
		if err := c.Record(t.Context(), hint("a", "8")); !errors.Is(err, webhook.ErrStopped) {
			t.Errorf("Record after the stop = %v, want ErrStopped", err)
		}
	})
}

func TestStopGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &writes{before: func(ctx context.Context, _ []webhook.Hint) error {
			<-ctx.Done() // a database that does not answer
			return ctx.Err()
		}}
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 2, DrainTimeout: 5 * time.Second})
		var results []chan error
		for i := range 7 {
			results = append(results, record(t.Context(), c, hint("a", strconv.Itoa(i))))
		}
		synctest.Wait()
		stop := run(t, c)
		start := time.Now()
		err := stop()
		if err == nil || !strings.Contains(err.Error(), "7 calls") {
			t.Errorf("Run = %v, want an error that counts the 7 calls", err)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("Run took %s to stop, want 5s", d)
		}
		for i, result := range results {
			if err := <-result; err == nil {
				t.Errorf("hint %d was acknowledged", i)
			}
		}
	})
}

// TestCommitterDefaults: what applies to a committer without settings: the queue, the batch, one
// writer, and how long a call and a stop wait.
func TestCommitterDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		takes := time.Second
		c := webhook.NewCommitter(webhook.CommitterOptions{Write: func(ctx context.Context, hints []webhook.Hint) error {
			sizes = append(sizes, len(hints))
			select {
			case <-time.After(takes):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		gone, leave := context.WithCancel(t.Context())
		leave()
		for i := range 20_000 {
			if err := c.Record(gone, hint("a", strconv.Itoa(i))); !errors.Is(err, context.Canceled) {
				t.Fatalf("hint %d: %v", i, err)
			}
		}
		if err := c.Record(gone, hint("a", "more")); !errors.Is(err, webhook.ErrFull) {
			t.Errorf("hint 20,001: %v", err)
		}
		stop := run(t, c)
		time.Sleep(157*time.Second - 1)
		synctest.Wait()
		if want := append(slices.Repeat([]int{128}, 156), 32); !slices.Equal(sizes, want) {
			t.Errorf("batches of %v, want 128 of the shop in each", sizes)
		}
		takes = time.Hour
		began := time.Now()
		if err := c.Record(t.Context(), hint("a", "slow")); !errors.Is(err, webhook.ErrSlow) || time.Since(began) != 10*time.Second {
			t.Errorf("a slow hint: %v after %s", err, time.Since(began))
		}
		began = time.Now()
		if err := stop(); err == nil || !strings.Contains(err.Error(), "1 calls were not recorded within 10s") || time.Since(began) != 10*time.Second {
			t.Errorf("the stop: %v after %s", err, time.Since(began))
		}
	})
}

// TestFailedWrites: a failed write is observed with its error, and is no reason for a stop to
// fail if the drain took no longer than it may.
func TestFailedWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("database away")
		var observed []string
		c := webhook.NewCommitter(webhook.CommitterOptions{
			Write: func(context.Context, []webhook.Hint) error { time.Sleep(time.Second); return broken },
			Observe: func(calls, hints int, d time.Duration, err error) {
				observed = append(observed, fmt.Sprint(calls, hints, d, err))
			},
		})
		results := []chan error{record(t.Context(), c, hint("a", "1")), record(t.Context(), c, hint("a", "1"))}
		synctest.Wait()
		if err := run(t, c)(); err != nil {
			t.Errorf("the stop: %v", err)
		}
		for _, result := range results {
			if err := <-result; !errors.Is(err, broken) || err.Error() != "record 1 hints: database away" {
				t.Errorf("a call: %v", err)
			}
		}
		if want := []string{"2 1 1s database away"}; !slices.Equal(observed, want) {
			t.Errorf("observed %v, want %v", observed, want)
		}
	})
}

// TestStopAmidCalls: with Records and a stop in any order, each call gets an answer, and
// success only for a hint that was written.
func TestStopAmidCalls(t *testing.T) {
	t.Parallel()
	w := &writes{}
	c := webhook.NewCommitter(webhook.CommitterOptions{Write: w.write, Batch: 8, Writers: 2, Queue: 64})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var mu sync.Mutex
	var recorded []string
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 500 {
				number := fmt.Sprintf("%d-%d", i, j)
				err := c.Record(t.Context(), hint("a", number))
				switch {
				case err == nil:
					mu.Lock()
					recorded = append(recorded, number)
					mu.Unlock()
				case errors.Is(err, webhook.ErrStopped):
					return
				case !errors.Is(err, webhook.ErrFull):
					t.Errorf("Record = %v", err)
				}
				if i == 0 && j == 100 {
					cancel()
				}
			}
		})
	}
	callers.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	written := map[string]bool{}
	for _, batch := range w.batches {
		for _, h := range batch {
			written[h.Number] = true
		}
	}
	for _, number := range recorded {
		if !written[number] {
			t.Errorf("%s was acknowledged and not written", number)
		}
	}
	if len(recorded) != len(written) {
		t.Errorf("%d acknowledged, %d written", len(recorded), len(written))
	}
}

// discard is a no-op ResponseWriter.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header               { return d.header }
func (d *discard) Write(b []byte) (int, error)       { return len(b), nil }
func (d *discard) WriteString(s string) (int, error) { return len(s), nil }
func (d *discard) WriteHeader(int)                   {}

// BenchmarkHandler measures a whole call except HTTP itself and the database, with many
// more concurrent calls than processors.
func BenchmarkHandler(b *testing.B) {
	for _, writers := range []int{1, 2} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			c := webhook.NewCommitter(webhook.CommitterOptions{
				Write: func(context.Context, []webhook.Hint) error { return nil }, Writers: writers,
			})
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- c.Run(ctx) }()
			h := webhook.NewHandler(webhook.Options{Recorder: c, Authenticator: anyone{}})
			b.ReportAllocs()
			b.SetParallelism(128)
			b.RunParallel(func(pb *testing.PB) {
				w := &discard{header: http.Header{}}
				for i := 0; pb.Next(); i++ {
					clear(w.header)
					h.ServeHTTP(w, request(http.MethodPost, "", "type=stockUpdate&"+creds+"&number="+strconv.Itoa(i)))
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkUnderstand measures parsing a call and writing its answer.
func BenchmarkUnderstand(b *testing.B) {
	for name, number := range map[string]string{"plain": "0571527051", "Danish": "r%C3%B8d", "unescaped": "NUTS&BOLTS"} {
		b.Run(name, func(b *testing.B) {
			h := webhook.NewHandler(webhook.Options{Recorder: records{}, Authenticator: anyone{}})
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, request(http.MethodPost, "", "type=stockUpdate&"+creds+"&number="+number))
			}
		})
	}
}

// BenchmarkRackbeat measures parsing a call of Rackbeat's and writing its answer.
func BenchmarkRackbeat(b *testing.B) {
	for name, body := range map[string]string{
		"documented": `{"key":"0571527051","key_name":"number","event":"inventory.changed","data":{"number":"0571527051","stock_quantity":12,"available_quantity":9}}`,
		"all items":  `{"key":1021,"key_name":"number","event":"order.created","data":{}}`,
	} {
		b.Run(name, func(b *testing.B) {
			h := webhook.NewHandler(webhook.Options{Recorder: records{}, Authenticator: anyone{}})
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, request(http.MethodPost, rackbeat, body))
			}
		})
	}
}

type records struct{}

func (records) Record(context.Context, webhook.Hint) error { return nil }

func BenchmarkCommitter(b *testing.B) {
	c := webhook.NewCommitter(webhook.CommitterOptions{Write: func(context.Context, []webhook.Hint) error { return nil }})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.ReportAllocs()
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := c.Record(ctx, hint("a", "0571527051")); err != nil {
				b.Error(err)
			}
		}
	})
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

package rest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
	"lagerd/rest"
)

const mib = 1 << 20

// sends is what the body of an answer sends, and then.
type sends struct {
	bytes  int
	length int64         // as announced; 0: not
	pause  time.Duration // after each 64 KiB
	hangs  bool
}

// service answers what the path of a request names, and counts what of all answers is held.
type service struct {
	answers map[string]sends

	mu         sync.Mutex
	held, most int
}

func (s *service) holds(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held += n
	s.most = max(s.most, s.held)
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	is := s.answers[r.URL.Path]
	length := int64(-1)
	if is.length > 0 {
		length = is.length
	}
	return &http.Response{StatusCode: http.StatusOK, ContentLength: length, Body: io.NopCloser(&body{ctx: r.Context(), sends: is, of: s}), Request: r}, nil
}

type body struct {
	ctx context.Context
	sends
	of   *service
	sent int
}

func (b *body) Read(into []byte) (int, error) {
	if b.sent > 0 && b.pause > 0 {
		select {
		case <-time.After(b.pause):
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		}
	}
	n := min(len(into), b.bytes-b.sent, 64<<10)
	if n == 0 && b.hangs {
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	if n == 0 {
		return 0, io.EOF
	}
	b.sent += n
	b.of.holds(n)
	return n, nil
}

// reader reads answers of the service within one room.
type reader struct {
	*testing.T
	*service
	getter *rest.Getter
	room   *rest.Room
}

func newReader(t *testing.T, answers map[string]sends) reader {
	s := &service{answers: answers}
	host := &url.URL{Scheme: "http", Host: "api.test"}
	return reader{t, s, rest.NewGetter(rest.GetterOptions{Service: "the API", Secret: "tokens", Host: host, Transport: s, Timeout: 30 * time.Second}), rest.NewRoom()}
}

// get reads an answer for the account that has the budget, and gives back what it holds.
func (r reader) get(path string, of *budget.Budget) (time.Duration, error) {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://api.test"+path, nil)
	if err != nil {
		r.Error(err)
		return 0, err
	}
	var held rest.Slot
	defer held.Release()
	began := time.Now()
	got, err := r.getter.Get(req, rest.Limits{Most: 32 * mib, Room: r.room, Held: &held, Slowness: of})
	r.holds(-len(got.Body))
	return time.Since(began), err
}

// TestAnswersShareARoom: answers of less than 4 MiB that never end hold no more than the room, all
// together. One that ends waits for at most as long as one of those may be read.
func TestAnswersShareARoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, map[string]sends{"/ill": {bytes: 39 * mib / 10, hangs: true}, "/well": {bytes: mib - 1}})
		const ill = 100
		var all sync.WaitGroup
		end := time.Now().Add(2 * time.Minute)
		for range ill {
			all.Go(func() {
				of := budget.New(budget.Options{})
				for time.Now().Before(end) {
					if _, err := r.get("/ill", of); err == nil {
						t.Error("an answer that never ends was read")
					} else if errors.Is(err, rest.ErrCrowded) {
						time.Sleep(rest.CrowdedFor)
					}
				}
			})
		}
		time.Sleep(time.Minute) // until all have been late
		var slowest time.Duration
		well := budget.New(budget.Options{})
		for time.Now().Before(end.Add(-30 * time.Second)) {
			took, err := r.get("/well", well)
			if err != nil {
				t.Error(err)
			}
			slowest = max(slowest, took)
			time.Sleep(time.Second)
		}
		all.Wait()
		if most := 56*mib + (ill+1)*64<<10; r.most > most || r.held != 0 {
			t.Errorf("the answers held %d MiB at once, expected at most %d; at the end %d bytes", r.most/mib, most/mib, r.held)
		}
		if slowest > 4*time.Second {
			t.Errorf("the slowest answer that ends took %s", slowest)
		}
		t.Logf("at most %d MiB held, slowest %s", r.most/mib, slowest)
	})
}

// TestFewIllAnswersDelayNobody: as long as there is room, an answer that takes its time is read.
func TestFewIllAnswersDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, map[string]sends{"/ill": {bytes: 39 * mib / 10, hangs: true}, "/well": {bytes: mib - 1}, "/slow": {bytes: 3 * mib, pause: 400 * time.Millisecond}})
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if took, err := r.get("/ill", budget.New(budget.Options{})); !errors.Is(err, rest.ErrTimeout) || took != 30*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		}
		all.Go(func() {
			if took, err := r.get("/slow", budget.New(budget.Options{})); err != nil {
				t.Errorf("after %s: %v", took, err)
			}
		})
		synctest.Wait()
		if took, err := r.get("/well", budget.New(budget.Options{})); err != nil || took != 0 {
			t.Errorf("after %s: %v", took, err)
		}
		all.Wait()
	})
}

// TestAnswersThatNeedMore: answers that together need more than there is, at the same time, all end:
// they are read, or sent away as nobody's failure.
func TestAnswersThatNeedMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, map[string]sends{"/page": {bytes: 39 * mib / 10, pause: time.Millisecond}})
		var all sync.WaitGroup
		var mu sync.Mutex
		read, crowded := 0, 0
		for range 200 {
			all.Go(func() {
				_, err := r.get("/page", budget.New(budget.Options{}))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					read++
				case errors.Is(err, rest.ErrCrowded):
					crowded++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if read < 16 || read+crowded != 200 || r.most > 56*mib+200*64<<10 {
			t.Errorf("%d read and %d sent away, holding %d MiB", read, crowded, r.most/mib)
		}
		t.Logf("%d read and %d sent away", read, crowded)
	})
}

// TestLateAnswersWaitBehindOthers: while a dozen accounts send large answers that take for ever, a large
// one of another account is never sent away, and waits for no more than one of them.
func TestLateAnswersWaitBehindOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, map[string]sends{"/ill": {bytes: 5 * mib, hangs: true}, "/well": {bytes: 6 * mib}})
		var all sync.WaitGroup
		end := time.Now().Add(2 * time.Minute)
		for range 12 {
			all.Go(func() {
				of := budget.New(budget.Options{})
				for time.Now().Before(end) {
					_, err := r.get("/ill", of)
					if errors.Is(err, rest.ErrCrowded) {
						time.Sleep(rest.CrowdedFor)
					}
				}
			})
		}
		time.Sleep(40 * time.Second)
		well := budget.New(budget.Options{})
		n := 0
		for ; time.Now().Before(end.Add(-30 * time.Second)); n++ {
			if took, err := r.get("/well", well); err != nil || took > 30*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			time.Sleep(time.Second)
		}
		all.Wait()
		if n < 4 {
			t.Errorf("only %d answers were read", n)
		}
	})
}

// TestAnnouncedBytesCostNothing: an answer takes memory as its bytes come, whatever it announces.
func TestAnnouncedBytesCostNothing(t *testing.T) { //nolint:paralleltest // it measures memory
	for _, announced := range []int64{4*mib - 1, 31 * mib} {
		r := newReader(t, map[string]sends{"/": {bytes: 1, length: announced}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 100 {
			if _, err := r.get("/", budget.New(budget.Options{})); err == nil {
				t.Fatal("a cut answer was read")
			}
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / 100; each > 64<<10 {
			t.Errorf("%d bytes allocated for an answer of one byte that announces %d", each, announced)
		}
	}
}

package economic_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/test/hostiletest"
)

const mib = 1 << 20

// TestHostileAnswers: whatever an answer of maximum size contains, reading it takes at most
// three times its size in memory, and two seconds. No test runs in parallel with it, because
// it measures.
func TestHostileAnswers(t *testing.T) { //nolint:paralleltest // it measures memory
	decoders := map[hostiletest.Kind]func([]byte) error{
		hostiletest.Products: func(body []byte) error { _, err := economic.DecodeProducts(body); return err },
		hostiletest.Invoices: func(body []byte) error { _, err := economic.DecodeInvoices(body); return err },
		hostiletest.Invoice:  func(body []byte) error { _, err := economic.DecodeInvoice(body); return err },
		hostiletest.Self:     func(body []byte) error { _, err := economic.DecodeSelf(body); return err },
		hostiletest.PDF:      economic.CheckPDF,
	}
	hostiletest.Read(t, hostiletest.Answers, decoders)
}

// slowRest is the rest of a body, which arrives in parts.
type slowRest struct {
	ctx   context.Context
	parts int
	pause time.Duration // before each part

	reads func(begins bool)
	begun bool
}

func (s *slowRest) Read(b []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.reads(true)
	}
	if s.parts == 0 {
		s.reads(false)
		return 0, io.EOF
	}
	select {
	case <-s.ctx.Done():
		s.reads(false)
		return 0, s.ctx.Err()
	case <-time.After(s.pause):
	}
	s.parts--
	b[0] = ' '
	return 1, nil
}

// readers counts who reads the rest of a large answer.
type readers struct {
	mu            sync.Mutex
	reading, most int // now, and at once
}

func (r *readers) reads(begins bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if begins {
		r.reading++
	} else {
		r.reading--
	}
	r.most = max(r.most, r.reading)
}

// answered returns a response that does not say how long its body is.
func answered(body io.Reader) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(body)}, nil
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLargeAnswersTakeTurns: answers over 4 MiB are read one at a time, across all agreements.
// Time spent waiting for a slot does not count towards the timeout. An answer that takes
// longer than three seconds loses its slot, and its agreement gets twice the time at the next.
func TestLargeAnswersTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var takes time.Duration // each rest, in all
		var count readers
		client, err := economic.New(economic.Options{AppSecretToken: "app", Timeout: 10 * time.Second, Transport: transport(func(r *http.Request) (*http.Response, error) {
			rest := &slowRest{ctx: r.Context(), parts: 10, pause: takes / 10, reads: count.reads}
			body := io.MultiReader(bytes.NewReader(bytes.Repeat([]byte(" "), 4*mib)), rest, strings.NewReader(`{"collection":[],"pagination":{"results":0}}`))
			return answered(body)
		})})
		if err != nil {
			t.Fatal(err)
		}
		read := func(a *economic.Agreement) (time.Duration, error) {
			began := time.Now()
			_, err := a.Products(t.Context(), budget.PriorityHint, economic.ProductsQuery{})
			return time.Since(began), err
		}
		one := client.Agreement("one", budget.New(budget.Options{}))
		for n, turn := range []struct{ takes, within time.Duration }{
			{6500 * time.Millisecond, 3 * time.Second},
			{6500 * time.Millisecond, 6 * time.Second},
			{6500 * time.Millisecond, 0},
			{6500 * time.Millisecond, 0},
			{time.Second, 0}, // so little is needed now: back to the default
			{6500 * time.Millisecond, 3 * time.Second},
		} {
			takes = turn.takes
			took, err := read(one)
			if turn.within == 0 {
				if err != nil || took != turn.takes {
					t.Errorf("turn %d took %s: %v", n+1, took, err)
				}
				continue
			}
			if took != turn.within || economic.KindOf(err) != economic.KindUnavailable || !strings.Contains(err.Error(), fmt.Sprint("within ", turn.within)) {
				t.Errorf("turn %d took %s, expected it to end after %s: %v", n+1, took, turn.within, err)
			}
		}

		// As many read and wait at once as may; one more is not read at all.
		takes, count.most = 2700*time.Millisecond, 0
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				if took, err := read(client.Agreement(fmt.Sprint(n), nil)); err != nil {
					t.Errorf("answer %d, after %s: %v", n, took, err)
				}
			})
		}
		synctest.Wait()
		if took, err := read(client.Agreement("another", nil)); took != 0 || economic.KindOf(err) != economic.KindCrowded {
			t.Errorf("one more than may wait, after %s: %v", took, err)
		}
		waiting, stop := context.WithCancel(t.Context())
		stop()
		if _, err := client.Agreement("ended", nil).Products(waiting, budget.PriorityHint, economic.ProductsQuery{}); err == nil {
			t.Error("a call goes on although its context has ended")
		}
		all.Wait()
		if count.most != 1 || count.reading != 0 {
			t.Errorf("at most %d large answers were read at once, expected 1; %d are still being read", count.most, count.reading)
		}
	})
}

// TestLargeAnswersGiveUpTheirSlot: whatever becomes of a large answer, the next one is read.
// PDFs have slots of their own, two.
func TestLargeAnswersGiveUpTheirSlot(t *testing.T) {
	t.Parallel()
	spaces := func(n int) io.Reader { return bytes.NewReader(bytes.Repeat([]byte(" "), n)) }
	for name, test := range map[string]struct {
		body func() io.Reader
		err  string
	}{
		"whole": {func() io.Reader {
			return io.MultiReader(spaces(5*mib), strings.NewReader(`{"collection":[],"pagination":{"results":0}}`))
		}, ""},
		"exactly 4 MiB": {func() io.Reader {
			return io.MultiReader(spaces(4*mib-44), strings.NewReader(`{"collection":[],"pagination":{"results":0}}`))
		}, ""},
		"not understood": {func() io.Reader { return spaces(5 * mib) }, "the answer is truncated"},
		"too large":      {func() io.Reader { return spaces(6*mib + 1) }, "larger than the limit"},
		"cut":            {func() io.Reader { return io.MultiReader(spaces(5*mib), iotest.ErrReader(io.ErrUnexpectedEOF)) }, "unexpected EOF"},
		"panic":          {func() io.Reader { return io.MultiReader(spaces(5*mib), panics{}) }, "panic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := economic.New(economic.Options{AppSecretToken: "app", MaxJSONBytes: 6 * mib, Transport: transport(func(*http.Request) (*http.Response, error) {
				return answered(test.body())
			})})
			if err != nil {
				t.Fatal(err)
			}
			for n := range 12 { // more than may read and wait
				err := func() (err error) {
					defer func() {
						if p := recover(); p != nil {
							err = fmt.Errorf("panic: %v", p)
						}
					}()
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					_, err = client.Agreement("one", nil).Products(ctx, budget.PriorityHint, economic.ProductsQuery{})
					return err
				}()
				if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
					t.Fatalf("answer %d: %v, expected %q", n, err, test.err)
				}
			}
		})
	}
}

// panics is a body that breaks its reader.
type panics struct{}

func (panics) Read([]byte) (int, error) { panic("broken") }

// TestSingleAnswersAreSmall: an answer about one item, or the agreement, has a limit of its own.
func TestSingleAnswersAreSmall(t *testing.T) {
	t.Parallel()
	size := 0
	client, err := economic.New(economic.Options{AppSecretToken: "app", Transport: transport(func(*http.Request) (*http.Response, error) {
		body := `{"productNumber":"1","agreementNumber":1,"bookedInvoiceNumber":1}`
		return answered(strings.NewReader(strings.Repeat(" ", size-len(body)) + body))
	})})
	if err != nil {
		t.Fatal(err)
	}
	a := client.Agreement("one", nil)
	for _, n := range []int{2 * mib, 2*mib + 1} {
		size = n
		_, product := a.Product(t.Context(), budget.PriorityHint, "1")
		_, self := a.Self(t.Context(), budget.PriorityHint)
		_, invoice := a.Invoice(t.Context(), budget.PriorityHint, 1)
		if want := n == 2*mib; (product == nil) != want || (self == nil) != want || invoice != nil {
			t.Errorf("%d bytes: a product %v, the agreement %v, an invoice %v", n, product, self, invoice)
		}
	}
}

// TestLargePDFsHaveTheirOwnSlots: two are read at once, beside a page.
func TestLargePDFsHaveTheirOwnSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var count readers
		client, err := economic.New(economic.Options{AppSecretToken: "app", Transport: transport(func(r *http.Request) (*http.Response, error) {
			rest := &slowRest{ctx: r.Context(), parts: 10, pause: 100 * time.Millisecond, reads: count.reads}
			end := `{"collection":[],"pagination":{"results":0}}`
			begin := ""
			if strings.HasSuffix(r.URL.Path, "/pdf") {
				begin, end = "%PDF-1.4\n1 0 obj\n", "%%EOF"
			}
			body := io.MultiReader(strings.NewReader(begin+strings.Repeat(" ", 4*mib-len(begin))), rest, strings.NewReader(end))
			return answered(body)
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				if _, err := client.Agreement(fmt.Sprint(n), nil).InvoicePDF(t.Context(), budget.PriorityInvoice, economic.Invoice{Number: 1}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if _, err := client.Agreement("page", nil).Products(t.Context(), budget.PriorityHint, economic.ProductsQuery{}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if took := time.Since(began); count.most != 3 || took != 2*time.Second {
			t.Errorf("%d large answers were read at once, in %s: expected two PDFs and a page, in 2s", count.most, took)
		}
	})
}

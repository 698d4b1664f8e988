package economic_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"lagerd/economic"
)

const mib = 1 << 20

// fill repeats a part until an answer has that many bytes.
func fill(before, part, after string, size int) func() []byte {
	return func() []byte {
		n := (size - len(before) - len(after)) / len(part)
		return []byte(before + strings.Repeat(part, n) + strings.TrimRight(part, ",") + after)
	}
}

// TestHostileAnswers: whatever an answer of maximum size contains, reading it takes at most
// three times its size in memory, and two seconds. No test runs in parallel with it, because
// it measures.
func TestHostileAnswers(t *testing.T) { //nolint:paralleltest // it measures memory
	const page, pageEnd = `{"collection":[`, `],"pagination":{"results":1}}`
	const item, itemEnd = `{"collection":[{"productNumber":"1",`, `}],"pagination":{"results":1}}`
	products := func(body []byte) error { _, err := economic.DecodeProducts(body); return err }
	invoices := func(body []byte) error { _, err := economic.DecodeInvoices(body); return err }
	invoice := func(body []byte) error { _, err := economic.DecodeInvoice(body); return err }
	self := func(body []byte) error { _, err := economic.DecodeSelf(body); return err }
	for name, test := range map[string]struct {
		body   func() []byte
		decode func([]byte) error
		err    string // "": it can be parsed
	}{
		"empty items":      {fill(page, `{},`, pageEnd, largest), products, "at most 1000"},
		"numbers as items": {fill(page, `0,`, pageEnd, largest), products, "at most 1000"},
		"items":            {fill(page, `{"productNumber":"1"},`, pageEnd, largest), products, "at most 1000"},
		"long items":       {fill(page, `{"productNumber":"1","name":"`+strings.Repeat("x", largest/998)+`"},`, pageEnd, largest), products, ""},
		"unneeded list":    {fill(item+`"x":[`, `[],`, `]`+itemEnd, largest), products, ""},
		"unneeded object":  {fill(item+`"x":{`, `"a":{"b":1e9},`, `}`+itemEnd, largest), products, ""},
		"one needed often": {fill(item, `"name":"x",`, itemEnd, largest), products, ""},
		"inventory often":  {fill(item, `"inventory":{"inStock":1},`, itemEnd, largest), products, ""},
		"deep lists": {func() []byte {
			return []byte(item + `"x":` + strings.Repeat("[", largest/2) + strings.Repeat("]", largest/2) + itemEnd)
		}, products, "exceeded max depth"},
		"deep objects": {func() []byte {
			return []byte(item + `"x":` + strings.Repeat(`{"x":`, largest/6) + "1" + strings.Repeat("}", largest/6) + itemEnd)
		}, products, "exceeded max depth"},
		"deep inventory": {func() []byte {
			return []byte(item + `"inventory":` + strings.Repeat(`{"inventory":`, largest/14) + "1" + strings.Repeat("}", largest/14) + itemEnd)
		}, products, "exceeded max depth"},
		"a long name":       {fill(item+`"name":"`, "ab", `"`+itemEnd, largest), products, ""},
		"an escaped name":   {fill(item+`"name":"`, `\u00e6`, `"`+itemEnd, largest), products, ""},
		"a long figure":     {fill(item+`"inventory":{"inStock":`, "9", `}`+itemEnd, largest), products, ""},
		"a long number":     {fill(`{"collection":[{"productNumber":"`, "9", `"}],"pagination":{"results":1}}`, largest), products, ""},
		"a text as a flag":  {fill(item+`"barred":"`, "ab", `"`+itemEnd, largest), products, ""},
		"spaces":            {fill(item+`"barred":`, " ", `true`+itemEnd, largest), products, ""},
		"a long name of it": {fill(item+`"`, "ab", `":1`+itemEnd, largest), products, ""},
		"pagination often":  {fill(page+`],`, `"pagination":{"results":1},`, `,"x":1}`, largest), products, "several of them"},
		"collections":       {fill(`{`, `"collection":[{}],`, `,"pagination":{"results":1}}`, largest), products, "several of them"},
		"empty invoices":    {fill(page, `{},`, pageEnd, largest), invoices, "at most 1000"},
		"lines":             {fill(`{"bookedInvoiceNumber":1,"lines":[`, `{},`, `]}`, largest), invoice, "at most 100000"},
		"lines of numbers":  {fill(`{"bookedInvoiceNumber":1,"lines":[`, `0,`, `]}`, largest), invoice, "at most 100000"},
		"lines of products": {fill(`{"bookedInvoiceNumber":1,"lines":[`, `{"product":{"productNumber":"1"}},`, `]}`, largest), invoice, "at most 100000"},
		"lines often":       {fill(`{"bookedInvoiceNumber":1,`, `"lines":[{},0],`, `,"date":"2026-01-01"}`, largest), invoice, ""},
		"modules":           {fill(`{"agreementNumber":1,"modules":[`, `{},`, `]}`, largest/16), self, "at most 1000"},
		"roles":             {fill(`{"agreementNumber":1,"application":{"requiredRoles":[`, `0,`, `]}}`, largest/16), self, "at most 1000"},
		"a page":            {fill("<html>", "<b>", "</html>", largest), products, "no usable answer"},
		"zeroes":            {func() []byte { return make([]byte, largest) }, products, "invalid"},
		"an open list":      {fill(page, `[`, "", largest), products, "exceeded max depth"},
		"PDF of objects":    {fill("%PDF-1.4\n1 0 obj\n%%EOF", "1 1 ob j", "", largest/3), economic.CheckPDF, "truncated"},
		"PDF of obj":        {fill("%PDF-1.4\n1 0 obj\n%%EOF", "1  obj ", "", largest/3), economic.CheckPDF, "truncated"},
		"PDF of ends":       {fill("%PDF-1.4\n1 0 obj\n", "%%EOF", "", largest/3), economic.CheckPDF, ""},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // it measures memory
			body := test.body()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			began := cpuTime(t)
			err := test.decode(body)
			took := cpuTime(t) - began
			runtime.ReadMemStats(&after)
			switch {
			case test.err == "" && err != nil, test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %.200v, want %q", err, test.err)
			case err != nil && len(err.Error()) > 1000:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			// This excludes the answer itself, which is also in memory.
			if got, most := int(after.TotalAlloc-before.TotalAlloc), 2*largest+16*mib; got > most {
				t.Errorf("%d MiB allocated, expected at most %d", got/mib, most/mib)
			}
			if most := 2 * time.Second * slower; took > most {
				t.Errorf("it took %s, expected at most %s", took, most)
			}
			t.Logf("%d MiB in %s: %.100v", (after.TotalAlloc-before.TotalAlloc)/mib, took.Round(time.Millisecond), err)
		})
	}
}

// cpuTime is what the process has used, which a busy machine lengthens less than the time.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
			_, err := a.Products(t.Context(), economic.PriorityHint, economic.ProductsQuery{})
			return time.Since(began), err
		}
		one := client.Agreement("one", economic.NewBudget(economic.BudgetOptions{}))
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
		for n := range 9 {
			all.Go(func() {
				if took, err := read(client.Agreement(fmt.Sprint(n), nil)); err != nil {
					t.Errorf("answer %d, after %s: %v", n, took, err)
				}
			})
		}
		synctest.Wait()
		if took, err := read(client.Agreement("another", nil)); took != 0 || err == nil || !strings.Contains(err.Error(), "9 answers of more than 4 MiB are being read") {
			t.Errorf("one more than may wait, after %s: %v", took, err)
		}
		waiting, stop := context.WithCancel(t.Context())
		stop()
		if _, err := client.Agreement("ended", nil).Products(waiting, economic.PriorityHint, economic.ProductsQuery{}); err == nil {
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
					_, err = client.Agreement("one", nil).Products(ctx, economic.PriorityHint, economic.ProductsQuery{})
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
		_, product := a.Product(t.Context(), economic.PriorityHint, "1")
		_, self := a.Self(t.Context(), economic.PriorityHint)
		_, invoice := a.Invoice(t.Context(), economic.PriorityHint, 1)
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
				if _, err := client.Agreement(fmt.Sprint(n), nil).InvoicePDF(t.Context(), economic.PriorityInvoice, economic.Invoice{Number: 1}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Go(func() {
			if _, err := client.Agreement("page", nil).Products(t.Context(), economic.PriorityHint, economic.ProductsQuery{}); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if took := time.Since(began); count.most != 3 || took != 2*time.Second {
			t.Errorf("%d large answers were read at once, in %s: expected two PDFs and a page, in 2s", count.most, took)
		}
	})
}

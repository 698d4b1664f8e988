package sandbox

import (
	"bytes"
	"context"
	"regexp"
	"time"
)

// hang waits for a fault's duration, or until the fault ends. It returns false if the
// client disconnected.
func hang(ctx context.Context, long func() Duration) bool {
	const look = 50 * time.Millisecond // interval to check for the fault's end
	for began := time.Now(); ; {
		left := time.Duration(long()) - time.Since(began)
		if left <= 0 {
			return true
		}
		if !pause(ctx, min(left, look)) {
			return false
		}
	}
}

// pause waits. It returns false if the client disconnected.
func pause(ctx context.Context, long time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(long):
		return true
	}
}

// faulty returns a fault's answer, or serve's.
func (a *agreement) faulty(f *Faults, endpoint string, serve func() answer) answer {
	s := a.sandbox
	switch {
	case s.strikes(a, f.Unauthorized, "unauthorized"):
		return s.unauthorized()
	case s.strikes(a, f.Forbidden, "forbidden"):
		return s.apiError(403, "", "Access denied.", "The roles asked for when the grant was issued do not allow this.", nil)
	case s.strikes(a, f.ServerError, "serverError"):
		switch s.intn(3) {
		case 0:
			return s.internalError()
		case 1:
			return answer{status: 502, body: []byte("<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"), contentType: "text/html"}
		}
		return answer{status: 503, body: []byte("Service Unavailable"), contentType: "text/plain"}
	}
	ans := serve()
	if ans.status == 200 && endpoint != "pdf" {
		ans.body = a.distort(f, ans.body)
	}
	if ans.status == 200 && endpoint != "pdf" && s.strikes(a, f.Garbled, "garbled") {
		ans.body = append(bytes.Clone(ans.body[:len(ans.body)/2]), "\x00<html>"...)
	}
	return ans
}

var (
	numberMember = regexp.MustCompile(`"(productNumber|bookedInvoiceNumber)":`)
	dateMember   = regexp.MustCompile(`"(date|dueDate|lastUpdated)":"([0-9]{4})-([0-9]{2})-([0-9]{2})`)
)

// distort returns the body with the faults that change its text.
func (a *agreement) distort(f *Faults, body []byte) []byte {
	s := a.sandbox
	if s.strikes(a, f.Repeated, "repeated") {
		body = numberMember.ReplaceAll(body, []byte(`"$1":7,"$1":`))
	}
	if s.strikes(a, f.OddDates, "oddDates") {
		body = dateMember.ReplaceAll(body, []byte(`"$1":"$4.$3.$2`))
	}
	if f.Padding > 0 {
		body = append(bytes.Clone(body), bytes.Repeat([]byte(" "), f.Padding<<20)...)
	}
	return body
}

// half drops items from a page, as a fault: the announced number stays.
func (a *agreement) half(f *Faults, from, to int) int {
	switch s := a.sandbox; {
	case s.strikes(a, f.EmptyPage, "emptyPage"):
		return from
	case s.strikes(a, f.HalfPage, "halfPage"):
		return from + (to-from)/2
	}
	return to
}

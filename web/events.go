package web

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"lagerd/lang"
)

const (
	streamLooks   = 2 * time.Second  // how often a stream looks whether something has happened
	streamBreaths = 15 * time.Second // how often it says that it is still there
	streamLasts   = 10 * time.Minute // then the browser calls again, and must still be signed in
	streamWrites  = 10 * time.Second // how long a write may take
	mostStreams   = 64

	// looksAtAll is how many times rarer a stream looks at all shops than at one: with thousands of
	// shops that takes a tenth of a second.
	looksAtAll = 5
)

// streams counts the streams that are open.
type streams struct{ open atomic.Int64 }

// stream tells the browser, by server-sent events, whenever a version becomes another, until it goes
// away or the page ends. It says so once at the beginning: something may have happened since the
// browser read the page. It looks so many times rarer than every LookEvery.
func (p *Page) stream(v *visit, rarer int, version func(context.Context) (string, error)) error {
	defer p.streams.open.Add(-1)
	if p.streams.open.Add(1) > mostStreams {
		return refusal{http.StatusServiceUnavailable, brokenTitle, lang.Text{Danish: "For mange ser med på én gang.", English: "Too many are watching at once."}}
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), streamLasts)
	defer cancel()
	out := http.NewResponseController(v.w)
	_ = out.SetReadDeadline(time.Time{}) // nothing more is read; not every server has one
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // nginx
	say := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(streamWrites))
		_, err := v.w.Write([]byte(text))
		return err == nil && out.Flush() == nil
	}
	last, err := version(ctx)
	if err != nil {
		return err
	}
	looks, breaths := time.NewTicker(time.Duration(rarer)*p.LookEvery), time.NewTicker(streamBreaths)
	defer looks.Stop()
	defer breaths.Stop()
	for there := say(changed); there; {
		select {
		case <-ctx.Done():
			return nil
		case <-p.stopped.Done():
			return nil
		case <-breaths.C:
			there = say(": still here\n\n")
		case <-looks.C:
			// A database that does not answer is no reason to end: the page stays as it is.
			if is, err := version(ctx); err == nil && is != last {
				last, there = is, say(changed)
			}
		}
	}
	return nil
}

// changed is the event after which the browser reads the live parts of a page again.
const changed = "event: changed\ndata: .\n\n"

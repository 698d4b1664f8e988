package sandbox

import (
	"sync"
	"time"
)

// Event is a trade, or a webhook with its fate.
type Event struct {
	Seq       int       `json:"seq"`
	Time      time.Time `json:"time"`
	Agreement int       `json:"agreement"`
	Kind      string    `json:"kind"` // sell, restock, adjust, book, credit, create, delete, rename, bar; webhook
	Number    string    `json:"number"`
	Webhook   string    `json:"webhook,omitempty"` // event type of a webhook
	Fate      string    `json:"fate,omitempty"`    // sent, lost, doubled, late, failed
}

// eventsKept limits the list.
const eventsKept = 100_000

type eventLog struct {
	mu   sync.Mutex
	seq  int
	list []Event
}

func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	e.Seq, e.Time = l.seq, time.Now().UTC()
	l.list = append(l.list, e)
	if len(l.list) > eventsKept {
		l.list = append([]Event(nil), l.list[eventsKept/2:]...)
	}
}

// since returns the events after sequence number seq.
func (l *eventLog) since(seq int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Event{}
	for _, e := range l.list {
		if e.Seq > seq {
			out = append(out, e)
		}
	}
	return out
}

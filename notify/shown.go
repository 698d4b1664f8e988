package notify

import (
	"encoding/json"
	"time"

	"lagerd/lang"
	"lagerd/store"
)

// Shown is a message in the JSON of `lagerd notify`.
type Shown struct {
	ID        string             `json:"id"`
	Audience  store.Audience     `json:"audience"`          // operator, owner
	Shop      string             `json:"shop"`              // whose owner it is for; "": the operator
	Channel   store.Channel      `json:"channel"`           // mail, webhook
	Address   string             `json:"address,omitempty"` // of mail
	Subject   string             `json:"subject"`           // in English; "": its content cannot be read
	State     store.MessageState `json:"state"`             // waiting, sent, dropped
	DecidedAt *time.Time         `json:"decided_at"`
	DueAt     *time.Time         `json:"due_at"`   // of a message that waits: when it is tried next
	EndedAt   *time.Time         `json:"ended_at"` // when it was sent or dropped
	Tries     int                `json:"tries"`
	Error     string             `json:"error,omitempty"` // of the last try
}

// ShownOf converts messages to their JSON form.
func ShownOf(list []store.Message) []Shown {
	shown := make([]Shown, len(list))
	for n, m := range list {
		var content Content
		shown[n] = Shown{ID: m.ID, Audience: m.Audience, Shop: m.Shop, Channel: m.Channel, Address: m.Address, State: m.State,
			DecidedAt: when(m.DecidedAt), EndedAt: when(m.EndedAt), Tries: m.Claims, Error: m.Error}
		if m.EndedAt.IsZero() {
			shown[n].DueAt = when(m.DueAt)
		}
		if err := json.Unmarshal(m.Content, &content); err == nil {
			shown[n].Subject = TextOf(content, m.ID, lang.English).Subject
		}
	}
	return shown
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

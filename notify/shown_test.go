package notify_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/store"
)

// TestShown: a message's content is not shown, only its subject; what waits has a next try.
func TestShown(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	content, err := json.Marshal(notify.Content{Audience: store.AudienceOperator, At: noon, Test: true})
	if err != nil {
		t.Fatal(err)
	}
	waits := store.Message{ID: "1", Audience: store.AudienceOperator, Channel: store.ChannelMail, Address: "a@example.dk", Content: content, State: store.MessageWaiting, DecidedAt: noon, DueAt: noon.Add(time.Minute), Claims: 2, Error: "refused"}
	sent := store.Message{ID: "2", Content: []byte("{"), State: store.MessageSent, DecidedAt: noon, DueAt: noon, EndedAt: noon.Add(time.Hour)}
	list := notify.ShownOf([]store.Message{waits, sent})
	if a := list[0]; a.Subject == "" || a.DueAt == nil || !a.DueAt.Equal(waits.DueAt) || a.EndedAt != nil || a.Tries != 2 || a.Error != "refused" || a.Address != "a@example.dk" {
		t.Errorf("one that waits: %+v", a)
	}
	if b := list[1]; b.Subject != "" || b.DueAt != nil || b.EndedAt == nil || !b.EndedAt.Equal(sent.EndedAt) {
		t.Errorf("one that was sent: %+v", b)
	}
}

// TestShownIsDocumented: docs/operators.md has each field.
func TestShownIsDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(string(docs), "\n| `notify [SHOP] --json` |")
	row, _, _ = strings.Cut(row, "\n")
	of := reflect.TypeFor[notify.Shown]()
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !strings.Contains(row, "`"+name+"`") {
			t.Errorf("%s is missing in the row of `notify --json`", name)
		}
	}
}

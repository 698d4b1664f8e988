package systemd

import (
	"errors"
	"maps"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

// TestEntryOf: what the journal gets of an entry, with foreign text escaped, and no field that the
// journal itself uses.
func TestEntryOf(t *testing.T) {
	t.Parallel()
	e := &logrus.Entry{Message: "change\x1b\n", Data: logrus.Fields{"shop": "shop1234", "number": "1 \"æ\"\u202e", "error": errors.New("a\nb"), "priority": 0, "9": 1, "new_stock": 7, "webhook.listen": "x"}}
	message, fields := entryOf(e)
	if want := `change\u001b 9=1 error="a\nb" new_stock=7 number="1 \"æ\"\u202e" priority=0 shop=shop1234 webhook.listen=x`; message != want {
		t.Errorf("the message is\n%s, expected\n%s", message, want)
	}
	want := map[string]string{"SHOP": "shop1234", "NUMBER": `1 "æ"\u202e`, "ERROR": `a\nb`, "LAGERD_PRIORITY": "0", "LAGERD_9": "1", "NEW_STOCK": "7", "WEBHOOK_LISTEN": "x"}
	if !maps.Equal(fields, want) {
		t.Errorf("the fields are\n%q, expected\n%q", fields, want)
	}
}

func TestPriority(t *testing.T) {
	t.Parallel()
	want := map[logrus.Level]journal.Priority{logrus.PanicLevel: 2, logrus.ErrorLevel: 3, logrus.WarnLevel: 4, logrus.InfoLevel: 6, logrus.DebugLevel: 7, logrus.TraceLevel: 7}
	for level, priority := range want {
		if got := Priority(level); got != priority {
			t.Errorf("%s: %d, expected %d", level, got, priority)
		}
	}
}

// TestNoJournal: a test's standard error is no journal.
func TestNoJournal(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "")
	if j := NewJournal(); j != nil {
		t.Errorf("%+v", j)
	}
	j := &Journal{}
	if err := j.Fire(&logrus.Entry{Message: "x"}); err != nil {
		t.Error(err)
	}
}

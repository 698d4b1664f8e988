package systemd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"

	"lagerd/terminal"
)

// Journal sends the log to systemd's journal, by the journal's own protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): each entry has its priority, and each field is
// one of the journal's (shop is SHOP=), so that journalctl can select by them. It is a
// logrus.Hook.
type Journal struct{ on atomic.Bool }

// NewJournal returns the journal if standard error is connected to it, as under systemd, and
// otherwise nil. Nothing is sent before Use.
func NewJournal() *Journal {
	if is, err := journal.StderrIsJournalStream(); err != nil || !is {
		return nil
	}
	return &Journal{}
}

// Use begins or ends sending to the journal.
func (j *Journal) Use(on bool) { j.on.Store(on) }

// Levels implements logrus.Hook.
func (*Journal) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook. If the journal does not answer, the entry is lost, as with standard
// error.
func (j *Journal) Fire(e *logrus.Entry) error {
	if !j.on.Load() {
		return nil
	}
	message, fields := entryOf(e)
	if err := journal.Send(message, Priority(e.Level), fields); err != nil {
		return fmt.Errorf("send to the journal: %w", err)
	}
	return nil
}

// entryOf returns an entry as the journal keeps it: the message, with the fields behind it since
// journalctl shows nothing else, and the fields by their names there. Foreign text is escaped as
// in the log's other forms.
func entryOf(e *logrus.Entry) (message string, fields map[string]string) {
	fields = make(map[string]string, len(e.Data))
	names := make([]string, 0, len(e.Data))
	for name := range e.Data {
		names = append(names, name)
	}
	slices.Sort(names)
	var text strings.Builder
	text.WriteString(terminal.Escape(strings.TrimSuffix(e.Message, "\n")))
	for _, name := range names {
		value := fmt.Sprint(e.Data[name])
		fields[fieldName(name)] = terminal.Escape(value)
		fmt.Fprintf(&text, " %s=%s", name, quoted(value))
	}
	return text.String(), fields
}

// fieldName returns the journal's name of a field: capitals, digits and underscores. One that the
// journal or systemd gives a meaning of its own (systemd.journal-fields(7)) has a prefix.
func fieldName(name string) string {
	upper := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
	if upper == "" || upper[0] < 'A' || upper[0] == '_' || slices.Contains(reserved, upper) {
		return "LAGERD_" + upper
	}
	return upper
}

var reserved = []string{"MESSAGE", "MESSAGE_ID", "PRIORITY", "UNIT", "USER_UNIT", "ERRNO", "INVOCATION_ID", "CODE_FILE", "CODE_LINE", "CODE_FUNC", "DOCUMENTATION", "TID"}

// quoted returns a value as the log's text form has it: quoted unless it is one plain word.
func quoted(value string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._/@^+:,", r)
	}
	if value != "" && strings.IndexFunc(value, func(r rune) bool { return !plain(r) }) < 0 {
		return value
	}
	return strconv.Quote(value)
}

// Priority returns the journal's priority of a level (syslog(3)).
func Priority(l logrus.Level) journal.Priority {
	switch {
	case l < logrus.ErrorLevel:
		return journal.PriCrit
	case l == logrus.ErrorLevel:
		return journal.PriErr
	case l == logrus.WarnLevel:
		return journal.PriWarning
	case l == logrus.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}

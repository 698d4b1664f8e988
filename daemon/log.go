package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/terminal"
)

// Journal is systemd's journal, one of the log's hooks. The log goes to the journal or to standard
// error.
type Journal interface {
	// Use begins or ends sending what is logged.
	Use(on bool)
}

// SetLog sets the log's level, and where it goes in which format: JSON to standard error if the
// configuration asks for that, else to the journal (nil: there is none), else text to standard error.
func SetLog(log *logrus.Logger, c config.Log, journal Journal) error {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	log.SetLevel(level)
	asJSON := c.Format == "json"
	if journal != nil {
		journal.Use(!asJSON)
	}
	switch {
	case asJSON:
		log.SetFormatter(escaped{&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}, true})
	case journal != nil:
		log.SetFormatter(silent{})
	default:
		log.SetFormatter(escaped{&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339}, false})
	}
	return nil
}

// silent is a formatter for a log that a hook sends elsewhere: it writes nothing.
type silent struct{}

// Format implements logrus.Formatter.
func (silent) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

// escaped is a formatter that escapes foreign text, so that a terminal which shows the log
// does not interpret it. The text format quotes its fields, and only its colours stay raw;
// JSON escapes too few characters, so the whole line is escaped.
type escaped struct {
	logrus.Formatter
	whole bool
}

// Format implements logrus.Formatter.
func (f escaped) Format(e *logrus.Entry) ([]byte, error) {
	if message := terminal.Escape(strings.TrimSuffix(e.Message, "\n")); message != e.Message {
		safe := *e
		safe.Message = message
		e = &safe
	}
	line, err := f.Formatter.Format(e)
	if f.whole {
		line = terminal.EscapeOutput(line)
	}
	return line, err
}

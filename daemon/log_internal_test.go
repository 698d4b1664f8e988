package daemon

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
)

// TestSetLog: what is logged, in either format, and that a terminal interprets none of it. An
// invalid level changes nothing.
func TestSetLog(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 123456789, time.UTC)
	for _, c := range []struct {
		config config.Log
		level  logrus.Level
		want   string
	}{
		{config.Log{Level: "info", Format: "text"}, logrus.InfoLevel, `time="2026-11-23T10:00:00Z" level=info msg="a\\u001bb" field="c\x1bd"` + "\n"},
		{config.Log{Level: "warning", Format: "text"}, logrus.WarnLevel, ""},
		{config.Log{Level: "debug", Format: "json"}, logrus.DebugLevel, `{"field":"c\u001bd\u200e","level":"info","msg":"a\\u001bb","time":"2026-11-23T10:00:00.123456789Z"}` + "\n"},
		{config.Log{Level: "loud", Format: "text"}, logrus.DebugLevel, ""}, // invalid
	} {
		var out bytes.Buffer
		log := logrus.New()
		log.SetOutput(&out)
		if err := SetLog(log, config.Log{Level: "debug", Format: "json"}, nil); err != nil {
			t.Fatal(err)
		}
		err := SetLog(log, c.config, nil)
		if bad := c.config.Level == "loud"; bad != (err != nil) || bad && !strings.HasPrefix(err.Error(), "log.level: ") {
			t.Errorf("%+v: %v", c.config, err)
		}
		if log.GetLevel() != c.level {
			t.Errorf("%+v: the level is %s", c.config, log.GetLevel())
		}
		field := "c\x1bd"
		if c.config.Format == "json" {
			field += "\u200e"
		}
		log.WithTime(at).WithField("field", field).Info("a\x1bb\n")
		if got := out.String(); c.config.Level != "loud" && got != c.want || c.config.Level == "loud" && !strings.HasPrefix(got, "{") {
			t.Errorf("%+v: it logs %q, expected %q", c.config, got, c.want)
		}
	}
}

// switchable stands in for systemd's journal.
type switchable struct{ on bool }

func (j *switchable) Use(on bool) { j.on = on }

// TestSetLogWithJournal: an entry goes to the journal, or as JSON to standard error, never to both.
func TestSetLogWithJournal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, journal := logrus.New(), &switchable{}
	log.SetOutput(&out)
	for format, inJournal := range map[string]bool{"text": true, "json": false} {
		out.Reset()
		if err := SetLog(log, config.Log{Level: "info", Format: format}, journal); err != nil {
			t.Fatal(err)
		}
		log.Info("stored")
		if journal.on != inJournal || inJournal != (out.Len() == 0) {
			t.Errorf("%s: to the journal %t, to standard error %q", format, journal.on, out.String())
		}
	}
}

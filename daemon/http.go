package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	logrusslog "github.com/sirupsen/logrus/hooks/slog"

	"lagerd/config"
	"lagerd/terminal"
)

// listeners are where a daemon is called.
type listeners struct {
	webhook net.Listener
	admin   net.Listener // nil: none
	web     net.Listener // nil: none
}

func (d *daemon) listen() (l listeners, err error) {
	l.webhook = d.WebhookListener
	if l.webhook == nil {
		if l.webhook, err = net.Listen("tcp", d.Config.Webhook.Listen); err != nil {
			return listeners{}, fmt.Errorf("webhook.listen: %w", err)
		}
	}
	for _, other := range []struct {
		key, address string
		into         *net.Listener
	}{{"admin.listen", d.Config.Admin.Listen, &l.admin}, {"web.listen", d.Config.Web.Listen, &l.web}} {
		if other.address == "" {
			continue
		}
		if *other.into, err = listenAt(other.address); err != nil {
			return listeners{}, errors.Join(fmt.Errorf("%s: %w", other.key, err), l.close())
		}
	}
	return l, nil
}

func (l listeners) close() error {
	return errors.Join(closeListener(l.webhook), closeListener(l.admin), closeListener(l.web))
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

func address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// server returns an HTTP server with limits on what a slow or hostile caller can hold.
func server(log *logrus.Logger, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slogTo(log).Handler(), slog.LevelWarn),
	}
}

// slogTo returns an slog logger that writes to logrus, for libraries that use slog.
func slogTo(log *logrus.Logger) *slog.Logger {
	return slog.New(logrusslog.NewHandler(log, nil))
}

// SetLog sets the log's level and format.
func SetLog(log *logrus.Logger, c config.Log) error {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	log.SetLevel(level)
	log.SetFormatter(escaped{&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: time.RFC3339}, false})
	if c.Format == "json" {
		log.SetFormatter(escaped{&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano}, true})
	}
	return nil
}

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

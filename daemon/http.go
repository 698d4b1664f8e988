package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	logrusslog "github.com/sirupsen/logrus/hooks/slog"

	"lagerd/config"
)

// listeners are where a daemon is called.
type listeners struct {
	webhook []net.Listener
	admin   net.Listener // nil: none
	web     net.Listener // nil: none
}

func (d *daemon) listen() (l listeners, err error) {
	l.webhook = d.WebhookListeners
	if len(l.webhook) == 0 {
		own, err := net.Listen("tcp", d.Config.Webhook.Listen)
		if err != nil {
			return listeners{}, fmt.Errorf("webhook.listen: %w", err)
		}
		l.webhook = []net.Listener{own}
	} else if is := d.Config.Webhook.Listen; is != config.Default().Webhook.Listen && !slices.Contains(addresses(l.webhook), is) {
		d.log.WithFields(logrus.Fields{"webhook.listen": is, "socket": strings.Join(addresses(l.webhook), " ")}).Warn("webhook.listen has no effect: systemd's socket unit says where the webhooks' listener is (ListenStream=)")
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
	errs := []error{closeListener(l.admin), closeListener(l.web)}
	for _, webhook := range l.webhook {
		errs = append(errs, webhook.Close())
	}
	return errors.Join(errs...)
}

func closeListener(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

func addresses(listeners []net.Listener) []string {
	all := make([]string, len(listeners))
	for i, l := range listeners {
		all[i] = l.Addr().String()
	}
	return all
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

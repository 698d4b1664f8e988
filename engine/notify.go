package engine

import (
	"github.com/google/uuid"

	"lagerd/config"
	"lagerd/notify"
	"lagerd/store"
)

// NewOut returns where messages leave lagerd, as cfg says. openHook decrypts the webhook of a shop's
// owner.
func NewOut(cfg config.Config, version string, openHook func(shop string, sealed []byte) (string, error)) (notify.Out, error) {
	c := cfg.Notify
	out := notify.Out{Hidden: c.Secrets(), OpenHook: openHook}
	if c.SMTPHost != "" {
		var err error
		out.Mailer, err = notify.NewMailer(notify.MailOptions{Host: c.SMTPHost, Port: c.SMTPPort, TLS: notify.TLS(c.SMTPTLS), User: c.SMTPUser, Password: c.SMTPPassword, From: c.From, Timeout: notify.Timeout, Answer: notify.MailAnswer})
		if err != nil {
			return out, err
		}
	}
	out.Caller = notify.NewCaller(notify.CallerOptions{WebhookURL: c.WebhookURL, WebhookSecret: c.WebhookSecret, HeartbeatURL: c.HeartbeatURL, Timeout: notify.Timeout, Answer: notify.WebhookAnswer, UserAgent: "lagerd/" + version})
	return out, nil
}

// Addresses returns where the operator's messages go, as cfg says.
func Addresses(cfg config.Config) []notify.Address {
	var list []notify.Address
	for _, to := range cfg.Notify.To {
		list = append(list, notify.Address{Channel: store.ChannelMail, Mail: to})
	}
	if cfg.Notify.WebhookURL != "" {
		list = append(list, notify.Address{Channel: store.ChannelWebhook})
	}
	return list
}

// newNotifier returns what tells people what needs them.
func (i *instance) newNotifier() (*notify.Notifier, error) {
	out, err := NewOut(i.cfg, i.info.Version, i.OpenHook)
	if err != nil {
		return nil, err
	}
	out.PageOf = i.PageOf
	return notify.New(notify.Options{
		Store: i.Store, Instance: i.info.Instance, Log: i.Log, Now: i.Now, NewID: uuid.NewString, Out: out,
		Living: i.alive, Look: LookOf(i.cfg),
		Settings: notify.Settings{Operator: Addresses(i.cfg), Mail: out.Mailer != nil, After: i.cfg.Notify.After, OwnersAfter: i.cfg.Notify.OwnersAfter, Every: i.cfg.Notify.Every},
		Observe:  func(channel string, result notify.Result) { i.Metrics.Notified(channel, string(result)) },
		Waiting:  func(messages int) { i.Metrics.NotificationsWaiting.Set(float64(messages)) },
	}), nil
}

package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lagerd/secret"
)

// The headers of an outgoing webhook.
const (
	headerID        = "Lagerd-Id"        // of the message: the same if it is sent again
	headerTimestamp = "Lagerd-Timestamp" // Unix seconds when it was sent
	headerSignature = "Lagerd-Signature" // sha256= and Sign's result
)

// Sign returns the signature of a webhook, in hexadecimal: HMAC-SHA256 of the timestamp as in its
// header, a dot, and the body.
func Sign(key secret.Text, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Hook is an address that takes webhooks.
type Hook struct {
	Name   string // for errors: the address itself may be secret
	URL    string // "": there is none
	Secret secret.Text
}

// Sealable returns the hook as it is sealed for a shop: its secret, a blank, and its address.
func (h Hook) Sealable() string { return h.Secret.Reveal() + " " + h.URL }

// OwnersHook returns the hook of a shop's owner, from its text as it was sealed.
func OwnersHook(shop, text string) (Hook, error) {
	key, url, found := strings.Cut(text, " ")
	if !found {
		return Hook{}, fmt.Errorf("the webhook of %[1]s cannot be read: store it again with `lagerd shops set %[1]s --notify-url URL`", shop)
	}
	return Hook{Name: "the webhook of " + shop, URL: url, Secret: secret.NewText(key)}, nil
}

// CallerOptions are where webhooks and heartbeats go.
type CallerOptions struct {
	WebhookURL    string // the operator's; "": none
	WebhookSecret secret.Text
	HeartbeatURL  string            // "": no heartbeats; itself a secret
	Transport     http.RoundTripper // nil: the default
	Timeout       time.Duration     // of a heartbeat
	Answer        time.Duration     // of a webhook
	UserAgent     string
}

// Caller calls webhooks and the heartbeat.
type Caller struct {
	o      CallerOptions
	client http.Client
}

// mostAnswer is how much is read of an answer, and of its headers: enough that the connection can be
// used again.
const mostAnswer = 64 << 10

// NewCaller returns a Caller. It follows no redirects: they would carry the signature elsewhere.
func NewCaller(o CallerOptions) *Caller {
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is documented to be one
		t.MaxResponseHeaderBytes = mostAnswer
		o.Transport = t
	}
	return &Caller{o, http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Operators returns the operator's webhook.
func (c *Caller) Operators() Hook {
	return Hook{Name: "notify.webhook_url", URL: c.o.WebhookURL, Secret: c.o.WebhookSecret}
}

// Webhook sends a message's content to a hook, signed at the time now. It calls start before: if that
// fails, nothing was sent. An error that wraps errAway is that of the connection; one that wraps errUnsure
// leaves open whether the content has arrived.
func (c *Caller) Webhook(ctx context.Context, to Hook, id string, content []byte, now time.Time, start func() error) error {
	ctx, cancel := within(ctx, c.o.Answer)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(content))
	if err != nil {
		return errors.New(to.Name + ": expected a URL") // which may be secret, and the error has it
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(headerID, id)
	r.Header.Set(headerTimestamp, timestamp)
	r.Header.Set(headerSignature, "sha256="+Sign(to.Secret, timestamp, content))
	if err := start(); err != nil {
		return err
	}
	return c.do(r, to.Name)
}

// within limits ctx to a time; 0: it does not.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// Heartbeat calls the heartbeat's address.
func (c *Caller) Heartbeat(ctx context.Context) error {
	ctx, cancel := within(ctx, c.o.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.HeartbeatURL, http.NoBody)
	if err != nil {
		return errors.New("notify.heartbeat_url: expected a URL")
	}
	return c.do(r, "notify.heartbeat_url")
}

// do makes a call. Its error has a name instead of the address, which may be secret.
func (c *Caller) do(r *http.Request, name string) error {
	r.Header.Set("User-Agent", c.o.UserAgent)
	var connected atomic.Bool // the transport may call it after it has answered
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}))
	res, err := c.client.Do(r)
	if err != nil {
		if of, is := errors.AsType[*url.Error](err); is {
			err = of.Err
		}
		if connected.Load() {
			return fmt.Errorf("%s: %w: %w: %w", name, errAway, errUnsure, err)
		}
		return fmt.Errorf("%s: %w: %w", name, errAway, err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, mostAnswer)
	if res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices {
		err := fmt.Errorf("%s answered %d: expected 200 to 299", name, res.StatusCode)
		if res.StatusCode < http.StatusInternalServerError && res.StatusCode != http.StatusRequestTimeout && res.StatusCode != http.StatusTooManyRequests {
			return refusal{err}
		}
		return err
	}
	return nil
}

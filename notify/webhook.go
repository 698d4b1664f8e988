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
	"net/url"
	"strconv"
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

// CallerOptions are where webhooks and heartbeats go.
type CallerOptions struct {
	WebhookURL    string // "": no webhooks
	WebhookSecret secret.Text
	HeartbeatURL  string            // "": no heartbeats; itself a secret
	Transport     http.RoundTripper // nil: the default
	Timeout       time.Duration
	UserAgent     string
}

// Caller calls the operator's webhook and heartbeat.
type Caller struct {
	o      CallerOptions
	client http.Client
}

// NewCaller returns a Caller. It follows no redirects: they would carry the signature elsewhere.
func NewCaller(o CallerOptions) *Caller {
	return &Caller{o, http.Client{Transport: o.Transport, Timeout: o.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Webhook sends a message's content, signed at the time now. An error that wraps errAway is that of
// the connection.
func (c *Caller) Webhook(ctx context.Context, id string, content []byte, now time.Time) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.WebhookURL, bytes.NewReader(content))
	if err != nil {
		return errors.New("notify.webhook_url: expected a URL")
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(headerID, id)
	r.Header.Set(headerTimestamp, timestamp)
	r.Header.Set(headerSignature, "sha256="+Sign(c.o.WebhookSecret, timestamp, content))
	return c.do(r, "notify.webhook_url")
}

// Heartbeat calls the heartbeat's address.
func (c *Caller) Heartbeat(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.HeartbeatURL, http.NoBody)
	if err != nil {
		return errors.New("notify.heartbeat_url: expected a URL")
	}
	return c.do(r, "notify.heartbeat_url")
}

// do makes a call. Its error names the configuration's key instead of the address, which may be
// secret.
func (c *Caller) do(r *http.Request, key string) error {
	r.Header.Set("User-Agent", c.o.UserAgent)
	res, err := c.client.Do(r)
	if err != nil {
		if of, is := errors.AsType[*url.Error](err); is {
			err = of.Err
		}
		return fmt.Errorf("%s: %w: %w", key, errAway, err)
	}
	defer res.Body.Close()
	const most = 64 << 10 // so that the connection can be used again
	_, _ = io.CopyN(io.Discard, res.Body, most)
	if res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s answered %d: expected 200 to 299", key, res.StatusCode)
	}
	return nil
}

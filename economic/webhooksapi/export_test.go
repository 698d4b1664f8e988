package webhooksapi

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// Guard returns the guard of a client with this address.
func Guard(address string) (http.RoundTripper, error) {
	c, err := New(Options{URL: address, AppSecretToken: "app"})
	if err != nil {
		return nil, err
	}
	return c.transport, nil
}

// DecodeWebhooks decodes a page of webhooks, and returns each as it would be put back.
func DecodeWebhooks(body []byte) (back [][]byte, err error) {
	page, _, err := readPage(body)
	if err != nil {
		return nil, malformed("read", err)
	}
	for _, w := range page {
		raw, err := json.Marshal(w.fields, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		back = append(back, raw)
	}
	return back, nil
}

// DecodeEventTypes decodes an answer about event types.
func DecodeEventTypes(body []byte) error {
	if _, err := readEventTypes(body); err != nil {
		return malformed("read", err)
	}
	return nil
}

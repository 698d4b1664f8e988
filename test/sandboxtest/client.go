package sandboxtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Client calls the control API of a sandbox. Its methods may be called from
// several goroutines.
type Client struct {
	URL  string // without a slash at the end
	HTTP *http.Client
}

// Post calls the control API for an agreement; what is "sell", "book" and so on.
// into, if not nil, receives the answer.
func (c Client) Post(agreement int, what string, body, into any) error {
	return c.Send(http.MethodPost, fmt.Sprintf("/sandbox/agreements/%d/%s", agreement, what), body, into)
}

// Faults sets the named faults and leaves the others unchanged.
func (c Client) Faults(named map[string]any) error {
	return c.Send(http.MethodPut, "/sandbox/faults", named, nil)
}

// Truth returns what an agreement holds.
func (c Client) Truth(agreement int) (Truth, error) {
	var t Truth
	return t, c.Send(http.MethodGet, fmt.Sprintf("/sandbox/agreements/%d/truth", agreement), nil, &t)
}

// Send calls the sandbox with body as JSON. into, if not nil, receives the answer.
func (c Client) Send(method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req, err := http.NewRequest(method, c.URL+path, bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("call the sandbox: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: %w: %s", method, path, err, answer)
	}
	return nil
}

// RackbeatFaults sets the named faults of every Rackbeat account and leaves the others
// unchanged.
func (c Client) RackbeatFaults(named map[string]any) error {
	return c.Send(http.MethodPut, "/sandbox/rackbeat/faults", named, nil)
}

// RackbeatTruth returns what an agreement's Rackbeat account holds.
func (c Client) RackbeatTruth(agreement int) (RackbeatTruth, error) {
	var t RackbeatTruth
	return t, c.Send(http.MethodGet, fmt.Sprintf("/sandbox/agreements/%d/rackbeat/truth", agreement), nil, &t)
}

package webhooksapi

import "net/http"

// Guard returns the guard of a client with this address.
func Guard(address string) (http.RoundTripper, error) {
	c, err := New(Options{URL: address, AppSecretToken: "app"})
	if err != nil {
		return nil, err
	}
	return c.transport, nil
}

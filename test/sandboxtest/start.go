package sandboxtest

import (
	"net/http/httptest"
	"testing"

	"lagerd/sandbox"
)

// Start runs a sandbox in the test's own process until the test ends.
func Start(t testing.TB, o sandbox.Options) Client {
	t.Helper()
	if o.AppToken == "" {
		o.AppToken = "sandbox-app-token"
	}
	o.Bucket, o.MaxURL = max(o.Bucket, 1_000_000), max(o.MaxURL, 4000)
	s := sandbox.New(o)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		s.Close()
	})
	return Client{URL: server.URL, HTTP: server.Client()}
}

package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"lagerd/act"
	"lagerd/config"
	"lagerd/webhook"
)

// webhookURLWarnings returns reasons why calls to that URL may not reach lagerd. They are
// only warnings: what is between e-conomic and lagerd is not known here.
func webhookURLWarnings(cfg config.Config) []string {
	u, err := url.Parse(act.WebhookURL(cfg))
	if err != nil { // the configuration was validated
		return nil
	}
	var list []string
	if u.Path != webhook.Path {
		list = append(list, fmt.Sprintf("webhook.public_url: its path is %q, but lagerd answers 404 to all paths except %s: map it in the proxy, or use %s",
			u.Path, webhook.Path, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: webhook.Path}).String()))
	}
	if local(u.Hostname()) {
		list = append(list, fmt.Sprintf("e-conomic cannot reach %s, an address local to this machine or network: set webhook.public_url to one that it can reach, before a shop's owner enters it", act.WebhookURL(cfg)))
	}
	return list
}

// local reports whether a host cannot be reached from the internet.
func local(host string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || !strings.Contains(host, ".")
	}
	address = address.Unmap()
	return address.IsLoopback() || address.IsPrivate() || address.IsUnspecified() || address.IsLinkLocalUnicast()
}

package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"lagerd/config"
	"lagerd/webhook"
)

// webhookURL returns what e-conomic is to call.
func webhookURL(cfg config.Config) string {
	if cfg.Webhook.PublicURL != "" {
		return strings.TrimSuffix(cfg.Webhook.PublicURL, "?")
	}
	return "http://" + cfg.Webhook.Listen + webhook.Path
}

// webhookURLWarnings says why calls of that URL may not arrive at lagerd. They are
// warnings: what lies between e-conomic and lagerd is not known here.
func webhookURLWarnings(cfg config.Config) []string {
	u, err := url.Parse(webhookURL(cfg))
	if err != nil { // the configuration was validated
		return nil
	}
	var list []string
	if u.Path != webhook.Path {
		list = append(list, fmt.Sprintf("webhook.public_url: its path is %q, and lagerd answers 404 for any but %s: have the proxy map it, or write %s",
			u.Path, webhook.Path, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: webhook.Path}).String()))
	}
	if local(u.Hostname()) {
		list = append(list, fmt.Sprintf("e-conomic cannot reach %s, an address of this machine or network alone: give the one that it reaches in webhook.public_url, before a shop's owner enters it", webhookURL(cfg)))
	}
	return list
}

// local reports whether a host is no other machine's on the internet.
func local(host string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || !strings.Contains(host, ".")
	}
	address = address.Unmap()
	return address.IsLoopback() || address.IsPrivate() || address.IsUnspecified() || address.IsLinkLocalUnicast()
}

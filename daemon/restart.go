package daemon

import (
	"reflect"
	"slices"

	"lagerd/config"
)

// needsRestart returns the keys that differ in next and take effect only after a restart.
func needsRestart(is, next config.Config) []string {
	var keys []string
	differ := func(key string, differs bool) {
		if differs {
			keys = append(keys, key)
		}
	}
	differ("database", is.Database.DSN.Reveal() != next.Database.DSN.Reveal() || is.Database.Path != next.Database.Path || is.Database.MaxConnections != next.Database.MaxConnections)
	differ("database.migrate", is.Database.Migrate != next.Database.Migrate)
	differ("shutdown_timeout", is.ShutdownTimeout != next.ShutdownTimeout)
	differ("webhook.listen", is.Webhook.Listen != next.Webhook.Listen)
	differ("webhook.proxies", !slices.Equal(is.Webhook.Proxies, next.Webhook.Proxies))
	differ("webhook.proxy_header", is.Webhook.ProxyHeader != next.Webhook.ProxyHeader)
	differ("admin.listen", is.Admin.Listen != next.Admin.Listen)
	differ("admin.pprof", is.Admin.PProf != next.Admin.PProf)
	differ("web", !reflect.DeepEqual(is.Web, next.Web))
	differ("webhook.max_body_bytes", is.Webhook.MaxBodyBytes != next.Webhook.MaxBodyBytes)
	differ("webhook.queue", is.Webhook.Queue != next.Webhook.Queue)
	differ("webhook.batch", is.Webhook.Batch != next.Webhook.Batch)
	differ("webhook.log_per_shop", is.Webhook.LogPerShop != next.Webhook.LogPerShop)
	return keys
}

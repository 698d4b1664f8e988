package daemon

import "syscall"

// files divides the process's limit on open files, of which each connection is one, so that
// none of its users can take what the others need.
type files struct {
	limit, webhooks, admin, web, economic, rackbeat int
}

// The shares do not grow beyond what lagerd can use: each connection takes about
// 20 KiB of memory, and 32 with a call.
const (
	mostWebhookConnections  = 16_384
	mostAdminConnections    = 64
	mostWebConnections      = 256
	mostEconomicConnections = 2048 // more than there are calls at once, even if none is answered
	mostRackbeatConnections = 256
)

// divide gives each user its share. The webhook listener gets what the others leave, half of a small limit.
func divide(limit int) files {
	f := files{
		limit: limit, admin: min(limit/16, mostAdminConnections), web: min(limit/32, mostWebConnections),
		economic: min(limit/4, mostEconomicConnections), rackbeat: min(limit/32, mostRackbeatConnections),
	}
	rest := limit / 8 // for the database, the log and everything else
	f.webhooks = min(f.rest()-rest, mostWebhookConnections)
	return f
}

// rest is what is left for the database, the log and everything else.
func (f files) rest() int { return f.limit - f.webhooks - f.admin - f.web - f.economic - f.rackbeat }

// enough is the least limit that leaves the database its connections. An embedded database has
// up to three files for each.
func enough(connections int) int {
	const others = 32
	return (3*connections + others) * 8
}

// fileLimit returns the limit on open files.
func fileLimit() int {
	const most = 1 << 20
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what most systems give
	}
	return int(min(limit.Cur, most))
}

package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// Private returns an error if everyone may read or change a secret's file.
func Private(file string, info fs.FileInfo) error {
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o007 != 0 {
		return fmt.Errorf("%s can be read by everyone (mode %04o): chmod 640 %[1]s", file, mode.Perm())
	}
	return nil
}

// ownedByUs returns an error unless the master key's file belongs to root or to lagerd's own
// user: whoever owns it can replace the key. database is the embedded database's file, if any.
func ownedByUs(file string, info fs.FileInfo, database string) error {
	owner, ok := ownerOf(info)
	if !ok || owner == 0 || owner == uint32(os.Geteuid()) { //nolint:gosec // a user's id is not negative
		return nil
	}
	// Root runs commands on the service's files, which belong to the service's user.
	if os.Geteuid() == 0 {
		if u, err := user.Lookup(serviceUser); err == nil && u.Uid == strconv.FormatUint(uint64(owner), 10) {
			return nil
		}
		if info, err := os.Stat(database); database != "" && err == nil {
			if its, ok := ownerOf(info); ok && its == owner {
				return nil
			}
		}
	}
	return fmt.Errorf("%s belongs to the user %s, who could replace the key: it must belong to root or to the user that lagerd runs as: chown root %[1]s", file, userName(owner))
}

func ownerOf(info fs.FileInfo) (uid uint32, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// dsnIsPrivate reports a DSN with a password in a configuration file that everyone may read.
func (l *loader) dsnIsPrivate(parsed *mysql.Config) {
	where := l.where["database.dsn"]
	if l.path == "" || l.dsnApart || parsed.Passwd == "" || !strings.HasPrefix(where, l.path+":") {
		return
	}
	info, err := os.Stat(l.path)
	if err != nil {
		return
	}
	if err := Private(l.path, info); err != nil {
		l.badKey("database.dsn", "it has a password, and %v, or put the DSN in a file of its own (database.dsn_file)", err)
	}
}

// dsnIsEncrypted warns about a connection to another machine that need not be encrypted:
// lagerd's password and all shops' data would travel in the clear.
func (l *loader) dsnIsEncrypted(parsed *mysql.Config) {
	host, _, err := net.SplitHostPort(parsed.Addr)
	if err != nil {
		host = parsed.Addr
	}
	if parsed.Net == "unix" || loopback(host) || parsed.TLS != nil && !parsed.AllowFallbackToPlaintext {
		return
	}
	what := "the connection to %s is not encrypted"
	if parsed.TLS != nil {
		what = "the connection to %s is not encrypted if the server, or somebody in between, offers no TLS"
	}
	l.warnings = append(l.warnings, Problem{Where: l.where["database.dsn"], Key: "database.dsn",
		What: fmt.Sprintf(what+": add the parameter tls=true (or tls=skip-verify if its certificate cannot be checked)", host)})
}

// loopback reports whether a host is this machine: what is sent there leaves no wire.
func loopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// encrypted reports a URL to which secrets, such as "both tokens", would be sent in the clear.
func (l *loader) encrypted(key, is, secrets string) {
	u, err := url.Parse(is)
	if err == nil && u.User == nil && u.Scheme == "http" && u.Hostname() != "" && !loopback(u.Hostname()) {
		l.badKey(key, "expected https://: over http:// anybody on the way to %s could read %s (allowed to this machine only, for `lagerd sandbox`)", u.Hostname(), secrets)
	}
}

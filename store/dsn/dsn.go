// Package dsn parses the DSN of a MySQL or MariaDB server.
//
// A DSN's parameters reach the driver and the server's session, and some of them
// change what lagerd reads or stores. Those with one right value for lagerd get it,
// whatever the DSN says; those that only say how to connect, or how long to wait,
// are kept; any other is refused by name.
package dsn

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// passed are the driver's parameters that do not affect results.
var passed = []string{
	"allowCleartextPasswords", "allowFallbackToPlaintext", "allowNativePasswords", "allowOldPasswords", "checkConnLiveness",
	"compress", "connectionAttributes", "readTimeout", "serverPubKey", "timeout", "tls", "writeTimeout",
}

// fixed are the driver's parameters that have one right value for lagerd: see [fix].
var fixed = []string{
	"allowAllFiles", "charset", "clientFoundRows", "collation", "columnsWithAlias", "interpolateParams", "loc",
	"maxAllowedPacket", "multiStatements", "parseTime", "rejectReadOnly", "timeTruncate",
}

// limits are session variables that only limit time or memory: the server's operator
// knows better than lagerd.
var limits = []string{
	"innodb_lock_wait_timeout", "interactive_timeout", "join_buffer_size", "lock_wait_timeout", "max_execution_time", "max_heap_table_size",
	"max_statement_time", "net_buffer_length", "net_read_timeout", "net_retry_count", "net_write_timeout", "read_buffer_size",
	"read_rnd_buffer_size", "sort_buffer_size", "tmp_table_size", "wait_timeout", "wsrep_retry_autocommit", "wsrep_sync_wait",
}

// session are the session variables that lagerd sets on each connection itself,
// whatever the DSN says (package store, session.go).
var session = []string{
	"autocommit", "character_set_client", "character_set_connection", "character_set_results", "collation_connection", "completion_type",
	"default_storage_engine", "idle_transaction_timeout", "sql_auto_is_null", "sql_big_selects", "sql_mode", "sql_safe_updates",
	"sql_select_limit", "time_zone", "transaction_isolation", "transaction_read_only", "tx_isolation", "tx_read_only",
}

// RefusedError names a DSN parameter that lagerd does not accept.
type RefusedError struct{ Parameter string }

func (e *RefusedError) Error() string {
	if e.Parameter == "strict" {
		return "the driver no longer knows the parameter strict, and lagerd is always strict: remove it"
	}
	return fmt.Sprintf("the parameter %q is unknown, or could change what lagerd reads or stores: remove it", e.Parameter)
}

// Parse returns the driver's settings for a DSN, such as
// user:password@tcp(host:3306)/lagerd?tls=true. A parameter that lagerd does not accept
// is a [RefusedError]; other errors are the driver's, which can quote the DSN with its
// password.
func Parse(dsn string) (*mysql.Config, error) {
	dsn, err := checked(dsn)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	return cfg, fix(cfg)
}

// checked returns the DSN without the session variables that lagerd sets itself, or a
// RefusedError.
func checked(dsn string) (string, error) {
	slash := strings.LastIndexByte(dsn, '/')
	if slash < 0 {
		return dsn, nil // the driver reports what is wrong
	}
	database, parameters, found := strings.Cut(dsn[slash:], "?")
	if !found {
		return dsn, nil
	}
	var kept []string
	for parameter := range strings.SplitSeq(parameters, "&") {
		name, _, found := strings.Cut(parameter, "=")
		if !found {
			if parameter != "" {
				return "", &RefusedError{Parameter: name} // the driver would skip it
			}
			continue
		}
		switch {
		case slices.Contains(passed, name), slices.Contains(fixed, name), slices.Contains(limits, name):
			kept = append(kept, parameter)
		case slices.Contains(session, name):
		default:
			// Show an escaped name unescaped.
			if plain, err := url.QueryUnescape(name); err == nil {
				name = plain
			}
			return "", &RefusedError{Parameter: name}
		}
	}
	if len(kept) > 0 {
		database += "?" + strings.Join(kept, "&")
	}
	return dsn[:slash] + database, nil
}

// The character set and collation of each connection.
const (
	Charset   = "utf8mb4"
	Collation = "utf8mb4_bin"
)

// packet is the largest packet that the driver sends or accepts; `lagerd check` checks
// the server's own limit.
const packet = 64 << 20

func fix(cfg *mysql.Config) error {
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	cfg.InterpolateParams = true
	// Compare-and-set relies on the number of changed rows, not of matched ones.
	cfg.ClientFoundRows = false
	cfg.ColumnsWithAlias = false
	cfg.MultiStatements = false
	cfg.AllowAllFiles = false
	// The driver would replace the server's error with "bad connection".
	cfg.RejectReadOnly = false
	cfg.MaxAllowedPacket = packet
	return cfg.Apply(mysql.TimeTruncate(0), mysql.Charset(Charset, Collation))
}

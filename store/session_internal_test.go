package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
	"strings"
	"testing"

	"lagerd/test/mariadbtest"
)

// TestNewServer: the session statements use the variables that the server has.
func TestNewServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version  string
		has      []string
		set, not []string
		binlog   bool
	}{
		{"10.11.6-MariaDB-log", []string{"autocommit", "tx_isolation", "idle_transaction_timeout", "wait_timeout", "log_bin=OFF", "binlog_format=STATEMENT"},
			[]string{"SESSION autocommit = 1", "SESSION tx_isolation = 'READ-COMMITTED'", "SESSION idle_transaction_timeout = 5"},
			[]string{"SESSION transaction_isolation", "wait_timeout"}, false},
		{"11.8.9-MariaDB", []string{"tx_isolation", "transaction_isolation", "log_bin=ON", "binlog_format=MIXED"},
			[]string{"SESSION tx_isolation", "SESSION transaction_isolation"}, nil, true},
		{"9.7.0", []string{"transaction_isolation", "wait_timeout", "time_zone", "log_bin=1"},
			[]string{"SESSION transaction_isolation = 'READ-COMMITTED'", "SESSION wait_timeout = 5", "SESSION time_zone = '+00:00'"},
			[]string{"SESSION tx_isolation", "idle_transaction"}, false},
	} {
		has := map[string]string{"version": c.version}
		for _, v := range c.has {
			name, value, _ := strings.Cut(v, "=")
			has[name] = value
		}
		s := newServer(has, idleInTransaction)
		for _, want := range c.set {
			if !strings.Contains(s.set, want) {
				t.Errorf("%s: %s, expected %s", c.version, s.set, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(s.set+s.read, not) {
				t.Errorf("%s: %s, expected no %s", c.version, s.set, not)
			}
		}
		if s.binlog != c.binlog || s.binlog != strings.HasSuffix(s.read, "binlog_format") {
			t.Errorf("%s: binary log %t, %s", c.version, s.binlog, s.read)
		}
	}
}

func TestDiffers(t *testing.T) {
	t.Parallel()
	has := map[string]string{"version": "10.11-MariaDB"}
	for _, name := range variableNames() {
		has[name] = "?"
	}
	s := newServer(has, idleInTransaction)
	good := make([]string, len(s.expected))
	for i, v := range s.expected {
		good[i] = v[1]
	}
	i := slices.IndexFunc(s.expected, func(v [2]string) bool { return v[0] == "sql_mode" })
	good[i] = "NO_ENGINE_SUBSTITUTION,STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO" // in any order
	if err := s.differs(good); err != nil {
		t.Error(err)
	}
	for i, v := range s.expected {
		bad := slices.Clone(good)
		bad[i] = "ANSI_QUOTES," + bad[i]
		if err := s.differs(bad); err == nil || !strings.Contains(err.Error(), v[0]) || !strings.Contains(explain(err).Error(), "pooler") {
			t.Errorf("%s: %v", v[0], err)
		}
	}
}

// pooler is a proxy to a real server that drops or undoes what a session sets.
type pooler struct {
	driver.Connector
	drop string
	then string
}

type pooled struct {
	connection
	pooler
}

func (p pooler) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return pooled{conn.(connection), p}, nil
}

func (p pooled) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if p.drop != "" && strings.Contains(query, p.drop) {
		return driver.ResultNoRows, nil
	}
	result, err := p.connection.ExecContext(ctx, query, args)
	if err == nil && p.then != "" {
		_, err = p.connection.ExecContext(ctx, p.then, nil)
	}
	return result, err
}

// TestPooler: each connect detects a pooler that changes the session, and names the
// variable.
func TestPooler(t *testing.T) {
	t.Parallel()
	address := mariadbtest.New(t)
	for name, c := range map[string]struct{ drop, then, variable string }{
		"drops what is set":  {drop: "SESSION autocommit", variable: "time_zone"},
		"another client's":   {then: "SET NAMES latin1", variable: "character_set_client"},
		"a default of its":   {then: "SET SESSION sql_mode = 'ANSI_QUOTES'", variable: "sql_mode"},
		"the collation only": {then: "SET collation_connection = utf8mb4_general_ci", variable: "collation_connection"},
		"none":               {},
	} {
		s, _, err := openSessions(t.Context(), Options{DSN: address})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		between := &sessions{Connector: pooler{s.Connector, c.drop, c.then}, address: s.address, timeout: s.timeout, idle: s.idle}
		for range 2 {
			conn, err := between.Connect(t.Context())
			switch bad, ok := errors.AsType[*sessionError](err); {
			case c.variable == "" && err == nil:
				_ = conn.Close()
			case !ok || bad.variable != c.variable || !strings.Contains(err.Error(), "pooler"):
				t.Errorf("%s: %v, expected %s to be named", name, err, c.variable)
			}
		}
	}
}

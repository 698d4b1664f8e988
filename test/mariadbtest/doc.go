// Package mariadbtest gives tests a real MariaDB.
//
// It owns a private server for each test process: initialised in a temporary
// directory, listening on a free loopback port, with the durability of
// production (innodb_flush_log_at_trx_commit=1), stopped and removed when the
// process ends. Each test gets its own database:
//
//	func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }
//
//	func TestStore(t *testing.T) {
//		t.Parallel()
//		dsn := mariadbtest.New(t)
//		…
//	}
//
// Tests that kill and restart a database start their own with [Start].
//
// It never skips: without MariaDB a test fails and says what to install. It
// never touches a server that it did not start, except the one named by the
// environment variable LAGERD_TEST_MYSQL_DSN (a server-level DSN with the right
// to create databases), where it creates and drops its own databases only.
//
// The private server is deliberately awkward, as a customer's may be: its time zone is +02:00,
// and its default collation ignores case. Code that needs UTC or exact comparison has to
// request it.
package mariadbtest

package store_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// TestLoggedCallIsSmall: a call in the webhook log takes less than 1.5 KiB of the binary log, even
// if it is written alone and replaces another. Package daemon bounds the calls of strangers.
func TestLoggedCallIsSmall(t *testing.T) {
	t.Parallel()
	server, err := mariadbtest.Start(t.TempDir(), 0, "--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=0")
	if err != nil {
		t.Skipf("NOT TESTED: the binary log: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	must(t, s.Migrate(t.Context()))
	size := func() (bytes int) {
		for _, row := range s.Rows(t.Context(), "SHOW BINARY LOGS") {
			n, err := strconv.Atoi(row[1])
			must(t, err)
			bytes += n
		}
		return bytes
	}
	const calls = 50
	before := 0
	for round := range 2 {
		before = size()
		for n := range calls {
			must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{{Slot: n, CalledAt: store.At(noon), Method: "DELETE", Remote: strings.Repeat("f", 64),
				Number: strings.Repeat(fmt.Sprint(round), 64), Status: 413, Outcome: "number_too_long", DurationUS: 1e6}}))
		}
	}
	each := (size() - before) / calls
	t.Logf("a call takes %d bytes", each)
	if each > 1536 {
		t.Errorf("a call takes %d bytes of the binary log", each)
	}
}

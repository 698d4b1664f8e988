package cli_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"lagerd/cli"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// BenchmarkStatus runs `lagerd status` with 10,000 shops on MariaDB, from the command line to the
// last line.
func BenchmarkStatus(b *testing.B) {
	i := lagerdtest.Install(b, lagerdtest.Setup{DSN: mariadbtest.New(b), REST: "http://127.0.0.1:9", Extra: "lease: {beat: 1m, ttl: 10m}\n"})
	run := func(args ...string) (string, int) {
		var out strings.Builder
		code := cli.Main(context.WithoutCancel(b.Context()), cli.Process{Args: append([]string{"--config", i.Config}, args...), Env: i.Env, Stdin: os.Stdin, Stdout: &out, Stderr: &out})
		return out.String(), code
	}
	if out, code := run("migrate"); code != 0 {
		b.Fatal(out)
	}
	db := i.Database()
	defer db.Close()
	lagerdtest.StoreShops(b, db, 10_000)
	at := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	if _, err := db.Exec("INSERT INTO instances (instance, beat, beat_at, host, pid, version, started_at) VALUES ('me', 1, '" + at + "', 'here', 1, 'v1', '" + at + "')"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if out, code := run("status"); code != 3 || !strings.HasPrefix(out, "NEEDS A PERSON (") || !strings.Contains(out, "10000 shops: ") {
			b.Fatalf("exit %d\n%s", code, out)
		}
	}
}

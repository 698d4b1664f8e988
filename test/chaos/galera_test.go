package chaos_test

import (
	"context"
	"database/sql"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

var nodes = flag.String("chaos.nodes", "", "DSNs of two nodes of a Galera cluster, separated by a blank, without a database")

// TestGalera runs a storm with two lagerd, each on its own node of a running cluster. There
// rows are locked on one node only, and conflicts show at commit.
func TestGalera(t *testing.T) {
	dsns := strings.Fields(*nodes)
	if len(dsns) != 2 {
		t.Skip("NOT TESTED: Galera: -chaos.nodes does not name two nodes of a cluster")
	}
	const name = "lagerd_chaos"
	for n := range dsns {
		parsed, err := mysql.ParseDSN(dsns[n])
		must(t, err)
		if n == 0 {
			server, err := sql.Open("mysql", dsns[n])
			must(t, err)
			for _, statement := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name} {
				_, err := server.ExecContext(t.Context(), statement)
				must(t, err)
			}
			must(t, server.Close())
		}
		parsed.DBName, parsed.ParseTime, parsed.Loc = name, true, time.UTC
		dsns[n] = parsed.FormatDSN()
	}
	rnd := rand.New(rand.NewPCG(*chance, 3))
	f := prepareOn(t, dsns, 5, 120, "", "--lose", "0.4", "--double", "0.1", "--late", "0.1", "--late-by", "3s", "--reorder", "0.1", "--read-lag", "100ms")
	survivable := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return f.name == "kill -9 of the database" })

	began := time.Now()
	ctx, stop := context.WithTimeout(t.Context(), *length)
	defer stop()
	wait := f.trade(ctx, 150*time.Millisecond, rnd)
	counts := f.storm(ctx, survivable, rnd)
	wait()
	f.sent.running.Wait()
	stormed := time.Since(began)
	took, lost := f.settle(equalWithin)
	for _, l := range f.lagerds {
		l.note()
	}
	// Each node numbers rows with its own increment, so the audit's order of writes would
	// be meaningless here.
	f.report(report{storm: stormed, settled: took, lost: lost, faults: counts})
}

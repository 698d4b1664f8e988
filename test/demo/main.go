// Command demo shows lagerd at work on one machine: it starts a sandbox with two shops at
// e-conomic and one whose stock is kept at Rackbeat, and lagerd on the embedded database, trades while a share of the webhooks is lost, and
// shows live what was hinted, what was missed and how long each change took to reach the
// database. It ends by comparing the database with the sandbox, in one line and as its exit
// code.
//
// It uses only lagerd's binary and the two views that are its contract with a shop's software.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	binary := flag.String("lagerd", "bin/lagerd", "the binary to show")
	length := flag.Duration("for", time.Minute, "how long to trade")
	lose := flag.Float64("lose", 0.3, "share of webhooks that are lost")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, options{binary: *binary, length: *length, lose: *lose}, os.Stdout)) //nolint:gocritic // the process ends here
}

func run(ctx context.Context, o options, out *os.File) int {
	d, err := start(ctx, o, out)
	if err != nil {
		fmt.Fprintln(out, "demo:", err)
		return 1
	}
	defer d.stop()
	equal, err := d.show(ctx)
	switch {
	case err != nil:
		fmt.Fprintln(out, "demo:", err)
		return 1
	case !equal:
		return 1
	}
	return 0
}

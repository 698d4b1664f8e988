// Command lagerd keeps a webshop's stock and invoice PDFs in MySQL equal to
// e-conomic, minute by minute. See `lagerd --help`.
package main

import (
	"context"
	"os"

	"lagerd/cli"
)

func main() {
	signals := cli.CatchSignals(os.Args[1:]) // before anything that takes time
	os.Exit(cli.Main(context.Background(), cli.Process{
		Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	}))
}

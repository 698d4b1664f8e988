// Command lagerd makes a webshop's stock and invoice PDFs in MySQL equal to
// what e-conomic says, minute by minute. See `lagerd --help`.
package main

import (
	"context"
	"os"

	"lagerd/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), cli.Process{
		Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}

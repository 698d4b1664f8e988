package lagerdtest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lagerd/cli"
)

// LogVariable names the variable with the file to which the lagerd of Main appends the
// log of `lagerd run`, for who cannot read its standard error meanwhile.
const LogVariable = "LAGERD_TEST_LOG"

// Main runs a package's tests and ends the process. Called by the name of lagerd, as
// Self is and as scripts do, the test binary is lagerd: nothing has to be built, and
// what is covered of it counts. More tests run at once than there are processors: those
// that run lagerd wait most of the time.
func Main(m testscript.TestingM) {
	if err := flag.Set("test.parallel", "8"); err != nil { // -parallel comes after this
		panic(err)
	}
	testscript.Main(m, map[string]func(){"lagerd": lagerd})
}

func lagerd() {
	signals := cli.CatchSignals(os.Args[1:])
	p := cli.Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals}
	if path := os.Getenv(LogVariable); path != "" && signals != nil {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		p.Stderr = f
	}
	os.Exit(cli.Main(context.Background(), p))
}

// Self returns the lagerd that the test binary is; its package calls Main.
func Self(t testing.TB) Binary {
	t.Helper()
	path, err := exec.LookPath("lagerd")
	if err != nil {
		t.Fatalf("does TestMain call lagerdtest.Main? %v", err)
	}
	return Binary(path)
}

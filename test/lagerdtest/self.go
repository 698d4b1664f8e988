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

// LogVariable names the environment variable with the file to which Main's lagerd appends the
// log of `lagerd run`, for tests that cannot read its standard error meanwhile.
const LogVariable = "LAGERD_TEST_LOG"

// Main runs a package's tests and ends the process. Run under the name lagerd, as Self and
// scripts do, the test binary acts as lagerd: nothing has to be built, and coverage includes
// it. More tests run at once than there are processors, since tests that run lagerd mostly
// wait.
func Main(m testscript.TestingM) {
	if err := flag.Set("test.parallel", "8"); err != nil { // -parallel overrides this
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

// Self returns the test binary acting as lagerd; its package must call Main.
func Self(t testing.TB) Binary {
	t.Helper()
	path, err := exec.LookPath("lagerd")
	if err != nil {
		t.Fatalf("does TestMain call lagerdtest.Main? %v", err)
	}
	return Binary(path)
}

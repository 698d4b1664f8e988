package chaos_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"lagerd/cli"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// binary is the lagerd under test, built once for all tests.
var binary lagerdtest.Binary

func TestMain(m *testing.M) {
	// The driver logs every connection that a storm ends.
	if err := mysql.SetLogger(log.New(io.Discard, "", 0)); err != nil {
		fmt.Fprintln(os.Stderr, "quiet the driver:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "lagerd-chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for the binary:", err)
		os.Exit(1)
	}
	if binary, err = lagerdtest.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := mariadbtest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestBinaryIsOfTheseSources links all of lagerd into the test. Otherwise go test would use a
// cached result if lagerd has changed and its tests have not.
func TestBinaryIsOfTheseSources(t *testing.T) {
	var help strings.Builder
	cli.Main(t.Context(), cli.Process{Args: []string{"--help"}, Stdout: &help, Stderr: &help})
	if out, _ := binary.Command(t)(nil, "", "--help"); out != help.String() {
		t.Errorf("the binary prints\n%s\nits sources print\n%s", out, help.String())
	}
}

// Texts in a process's output that tests look for.
const (
	saysFenced = "another lagerd has taken the shop"
	saysRace   = "DATA RACE"
	saysPanic  = "panicked"
)

func newOutput() *lagerdtest.Output {
	return lagerdtest.NewOutput(saysFenced, saysRace, saysPanic)
}

const first = lagerdtest.FirstAgreement

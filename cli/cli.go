package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/systemd"
	"lagerd/terminal"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitNeeds  = 3  // status: something needs a person
	exitConfig = 78 // EX_CONFIG of sysexits.h

	exitAborted = 134 // as a shell reports SIGABRT: systemd's watchdog sends it
)

// exitError is returned by a command that has printed everything itself, to exit with
// that code.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Process is the environment of a command line.
type Process struct {
	Args   []string // without the program's name
	Env    []string // as returned by os.Environ
	Stdin  *os.File
	Stdout io.Writer
	Stderr io.Writer

	// Signals receives what CatchSignals has caught since before the command line was parsed.
	Signals chan os.Signal
}

// commands is the whole command line.
type commands struct {
	Config  *string     `help:"Configuration file." placeholder:"FILE" env:"LAGERD_CONFIG"`
	Version versionFlag `name:"version" hidden:"" help:"Print the version, and exit."`
	HelpAll helpAllFlag `hidden:"" help:"Print all of a command's help, also what does not fit a screen, and exit."`

	Run       runCmd       `cmd:"" help:"Run the daemon."`
	Shops     shopsCmd     `cmd:"" help:"Add, list, change and remove shops."`
	Status    statusCmd    `cmd:"" help:"Show the state of each shop."`
	Why       whyCmd       `cmd:"" help:"Explain an item's stock or an invoice."`
	Invoice   invoiceCmd   `cmd:"" help:"Show an invoice as stored, and write its PDF."`
	Export    exportCmd    `cmd:"" help:"Write a shop's items, history or invoices as CSV or JSON."`
	Webhooks  webhooksCmd  `cmd:"" help:"Show how a shop's webhooks fare; set them up at e-conomic."`
	Web       webCmd       `cmd:"" help:"Let operators and shops' owners see the page."`
	Notify    notifyCmd    `cmd:"" help:"Show whom lagerd has told what; send a test."`
	Reconcile reconcileCmd `cmd:"" help:"Reconcile shops, items or invoices now."`
	Diff      diffCmd      `cmd:"" help:"Show how e-conomic and the database differ; change nothing."`
	Approve   approveCmd   `cmd:"" help:"Approve the losses for which a shop is held."`
	Reload    reloadCmd    `cmd:"" help:"Reload the running lagerd's configuration; fail if it is refused."`
	Check     checkCmd     `cmd:"" help:"Check the configuration, the database and each shop's agreement."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database schema up to date."`
	Move      moveCmd      `cmd:"" help:"Move the embedded database to a MySQL or MariaDB server."`
	Backup    backupCmd    `cmd:"" help:"Write a backup of the embedded database, beside a running lagerd."`
	Keygen    keygenCmd    `cmd:"" help:"Print a new master key."`
	Rekey     rekeyCmd     `cmd:"" help:"Change the master key while lagerd runs."`
	Sandbox   sandboxCmd   `cmd:"" help:"Run a simulated e-conomic and Rackbeat for development and tests."`
	Manual    manualCmd    `cmd:"" hidden:"" help:"Write a man page or a shell's completion."`
	Versions  versionCmd   `cmd:"" name:"version" help:"Print the version."`
}

// call is the context of one command.
type call struct {
	Process
	ctx    context.Context
	config string // file; "": only defaults and environment
	noFile error  // --config or LAGERD_CONFIG is empty

	unescaped    io.Writer // standard output, for what does its own escaping or needs none
	unescapedErr io.Writer // standard error, likewise: the daemon's log, and the meter
	columns      int       // of the terminal that standard output is

	keys *secret.Keys // see masterKey; nil: not needed yet

	interrupted atomic.Bool // see interruptible
}

// Main runs a command line and returns its exit code. Commands write through a
// terminal.Writer: no control character of foreign text reaches a terminal.
func Main(ctx context.Context, p Process) int {
	stdout, stderr := terminal.NewWriter(p.Stdout), terminal.NewWriter(p.Stderr)
	code := run(ctx, p, stdout, stderr)
	// The error can be reported to nobody: at most half a character was not written.
	_, _ = stdout.Flush(), stderr.Flush()
	return code
}

func run(ctx context.Context, p Process, stdout, stderr io.Writer) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("lagerd"),
		kong.Description("Keeps a webshop's stock and invoice PDFs in MySQL equal to e-conomic's, minute by minute."),
		kong.Writers(p.Stdout, p.Stderr), // unwrapped: kong queries the terminal's width
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
		kong.ConfigureHelp(helpOptions()),
		kong.Help(printHelp),
	)
	if err != nil {
		fmt.Fprintln(stderr, "lagerd:", err)
		return exitFailed
	}
	k, err := parser.Parse(p.Args)
	if err != nil || k.Command() != runCommand {
		p.releaseSignals()
	}
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "lagerd:", terminal.Line(err.Error()))
		fmt.Fprintln(stderr, "Try: lagerd --help")
		return exitUsage
	}
	file, noFile := configFile(c.Config, defaultConfig)
	if k.Command() != runCommand {
		ctx = store.By(ctx, actor(p.Env, k.Path))
	}
	command := &call{Process: p, ctx: ctx, config: file, noFile: noFile, unescaped: p.Stdout, unescapedErr: p.Stderr, columns: terminal.Width(p.Stdout)}
	command.Stdout, command.Stderr = stdout, stderr
	err = k.Run(command)
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	var bad *config.Errors
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad):
		fmt.Fprintln(stderr, asErrors(err.Error()))
		return exitConfig
	}
	fmt.Fprintln(stderr, asErrors("lagerd: "+terminal.Line(err.Error())))
	if errors.Is(err, store.ErrMovedAway) || errors.Is(err, store.ErrHalfMoved) { // the configuration names the wrong database
		return exitConfig
	}
	return exitFailed
}

// asErrors returns what went wrong as it is written to standard error: to systemd's journal each line
// with its priority before it (sd-daemon(3)), to anybody else as it is.
func asErrors(text string) string {
	if systemd.NewJournal() == nil {
		return text
	}
	prefix := fmt.Sprintf("<%d>", systemd.Priority(logrus.ErrorLevel))
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
}

const defaultConfig = "/etc/lagerd/lagerd.yaml"

// configFile returns the file to read: the one named, else the one a package installs if
// it exists, else "". An installed file that cannot be checked counts as existing, and an
// empty name is an error.
func configFile(named *string, installed string) (string, error) {
	if named != nil {
		if strings.TrimSpace(*named) == "" {
			return "", &config.Errors{Problems: []config.Problem{{Key: "--config (LAGERD_CONFIG)", What: "expected a file name, got nothing: set it, or remove the flag and unset the variable"}}}
		}
		return kong.ExpandPath(*named), nil
	}
	if _, err := os.Stat(installed); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return installed, nil
}

// meter returns a meter of something long. End it before anything else is written.
func (c *call) meter() *terminal.Meter { return terminal.NewMeter(c.unescapedErr, c.Stderr) }

func (c *call) load() (config.Config, error) {
	if c.noFile != nil {
		return config.Config{}, c.noFile
	}
	return config.Load(c.config, c.Env)
}

// waitsFor is how long a command waits for the database to accept a connection, and
// readsFor how long a read-only command waits for an answer.
const (
	waitsFor = 5 * time.Second
	readsFor = 15 * time.Second
)

// open opens the configured database for a command that writes to it, and migrates its
// schema if the configuration says so. It does not create a database.
func (c *call) open() (config.Config, *store.Store, error) {
	cfg, err := c.load()
	if err != nil {
		return cfg, nil, err
	}
	s, err := c.openStore(cfg, true)
	return cfg, s, err
}

// openOrCreate is open for the first command of a new installation: it creates the
// embedded database if it does not exist yet, and says so.
func (c *call) openOrCreate() (config.Config, *store.Store, error) {
	cfg, err := c.load()
	if err != nil {
		return cfg, nil, err
	}
	s, err := c.openStore(cfg, false)
	if err == nil && s.Created() {
		fmt.Fprintf(c.Stderr, "Note: the embedded database %s did not exist and has been created. (To use a MySQL or MariaDB server, set database.dsn.)\n", s.Path())
	}
	return cfg, s, err
}

// openDatabase opens the configured database without migrating it. With existing, an
// embedded one must exist; otherwise it is created. An answer timeout of 0 is the store's
// default.
func openDatabase(ctx context.Context, cfg config.Config, existing bool, answer time.Duration) (*store.Store, error) {
	s, err := store.Open(ctx, store.Options{DSN: cfg.Database.DSN.Reveal(), Path: cfg.Database.Path, Existing: existing, MaxConnections: cfg.Database.MaxConnections,
		ConnectTimeout: waitsFor, ResponseTimeout: answer})
	if errors.Is(err, fs.ErrPermission) && cfg.Database.DSN.IsZero() {
		err = fmt.Errorf("%w: run `sudo -u lagerd lagerd …`: commands read the same files as the service", err)
	}
	return s, err
}

// openToRead is open for a read-only command: it does not migrate.
func (c *call) openToRead() (config.Config, *store.Store, error) {
	cfg, err := c.load()
	if err != nil {
		return cfg, nil, err
	}
	s, err := openToRead(c.ctx, cfg)
	return cfg, s, err
}

func openToRead(ctx context.Context, cfg config.Config) (*store.Store, error) {
	s, err := openDatabase(ctx, cfg, true, readsFor)
	if err != nil {
		return nil, err
	}
	if err := s.CheckSchema(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c *call) openStore(cfg config.Config, existing bool) (*store.Store, error) {
	s, err := openDatabase(c.ctx, cfg, existing, 0)
	if err != nil {
		return nil, err
	}
	if s.Embedded() || cfg.Database.Migrate == config.MigrateAuto {
		err = c.migrate(s)
	}
	if err == nil {
		err = s.CheckSchema(c.ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

type sandboxCmd struct {
	sandbox.Options
}

// Help says where the two services are, and how the world behind them is changed.
func (sandboxCmd) Help() string {
	return "The agreements are numbered from 100001, with the grant tokens sandbox-grant-1 and so on. With --rackbeat=N the last N of them " +
		"keep their stock at Rackbeat: agreement 100003 has the key sandbox-rackbeat-3 and the account 700003. Their items have the same numbers there; " +
		"what is sold there is booked as an invoice at e-conomic.\n\n" +
		"e-conomic's API is at the address itself (economic.rest_url: http://127.0.0.1:8490), Rackbeat's below /api/ (rackbeat.url: http://127.0.0.1:8490/api/). " +
		"The control API below /sandbox/ changes the world: it trades, sets up webhooks, makes either service misbehave in one of the ways that real ones do or may do, " +
		"and shows what is true. For example:\n\n" +
		"  curl -d '{\"lines\":[{\"number\":\"00001\",\"quantity\":2}]}' http://127.0.0.1:8490/sandbox/agreements/100003/rackbeat/sell\n" +
		"  curl -X PUT -d '{\"integerNumbers\":true,\"partial\":\"always\"}' http://127.0.0.1:8490/sandbox/rackbeat/faults\n" +
		"  curl http://127.0.0.1:8490/sandbox/agreements/100003/rackbeat/truth\n\n" +
		"GET /sandbox/faults and GET /sandbox/rackbeat/faults name all faults. An agreement's own are at /sandbox/agreements/N/faults and /sandbox/agreements/N/rackbeat/faults."
}

func (s sandboxCmd) Run(c *call) error {
	ctx, stop := signal.NotifyContext(c.ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return sandbox.Run(ctx, s.Options, c.Stdout)
}

// now is the command line's clock.
func now() time.Time { return time.Now() }

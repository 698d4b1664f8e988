package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lagerd/reload"
	"lagerd/terminal"
)

// runtimeDirectory is where lagerd.service keeps what lives as long as the service.
const runtimeDirectory = "/run/lagerd"

type reloadCmd struct {
	Timeout time.Duration `help:"How long to wait for the verdict." default:"90s"`
}

func (reloadCmd) Help() string {
	return "Has the lagerd that systemd runs on this machine reload its configuration, waits for the verdict, and exits with it: " +
		"0 if the new configuration is in force, 1 if it was refused and the old one stays in force. `systemctl reload lagerd` runs it. " +
		"It opens neither the configuration nor the database."
}

// Run asks for a reload and prints the verdict.
func (cmd reloadCmd) Run(c *call) error {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, cmd.Timeout, fmt.Errorf("no answer within %s", cmd.Timeout))
	defer cancel()
	directory := c.variable("RUNTIME_DIRECTORY")
	if directory == "" {
		directory = runtimeDirectory
	}
	pid := 0
	if text := c.variable("MAINPID"); text != "" {
		var err error
		if pid, err = strconv.Atoi(text); err != nil || pid <= 1 {
			return fmt.Errorf("MAINPID: expected the number of lagerd's process, got %q", text)
		}
	}
	verdict, err := reload.FileIn(directory).Ask(ctx, pid)
	if err != nil {
		return err
	}
	if verdict.Error != "" {
		fmt.Fprintln(c.Stderr, asErrors("lagerd: the reload failed, and the old configuration stays in force: "+strings.TrimSpace(verdict.Error)))
		return exitError(exitFailed)
	}
	fmt.Fprintln(c.Stdout, "The configuration is reloaded.")
	for _, note := range verdict.Notes {
		fmt.Fprintln(c.Stderr, "Note:", terminal.Line(note))
	}
	return nil
}

// variable returns an environment variable, "" if it is not set.
func (c *call) variable(name string) string {
	for _, kv := range c.Env {
		if value, ok := strings.CutPrefix(kv, name+"="); ok {
			return value
		}
	}
	return ""
}

package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/terminal"
)

// oneLine returns an error as one line. Of an invalid configuration it is the problems alone.
func oneLine(err error) string {
	bad, ok := errors.AsType[*config.Errors](err)
	if !ok {
		return terminal.Line(err.Error())
	}
	var lines []string
	for _, p := range bad.Problems {
		lines = append(lines, p.String())
	}
	return terminal.Line(strings.Join(lines, "\n"))
}

// alive reports whether the loops turn, each within its own bound. Waiting for e-conomic, for the
// database, or for a tick is life.
func (d *daemon) alive() bool {
	return len(d.hangs()) == 0
}

// hangs returns the loops that do not turn, by what they do.
func (d *daemon) hangs() []string {
	loops := d.others()
	if !d.heeds() {
		loops = append(loops, "heeding signals")
	}
	return loops
}

// heeds reports whether the main loop turns.
func (d *daemon) heeds() bool {
	return d.now().Unix()-d.lastLoop.Load() < int64(4*loopEvery/time.Second)
}

// summary returns the line that `systemctl status` shows.
func (d *daemon) summary() string {
	line := d.engine.Going().String()
	if do := d.config.Load().Economic.TokenMissing(); do != "" {
		line = "NO APP SECRET TOKEN: webhooks are kept, nothing is read from e-conomic: " + do
	}
	if r := d.refusal.Load(); r != nil {
		line += fmt.Sprintf("; the reload at %s failed, and the configuration from before it is in force: %s", r.at.Format(time.TimeOnly), oneLine(r.err))
	}
	return line
}

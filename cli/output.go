package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// standardOutput is the name of a file that means standard output.
const standardOutput = "-"

// output is where a command writes data for another program: standard output, or a file that
// appears whole or not at all, with mode 0600.
type output struct {
	io.Writer

	path string   // "": standard output
	temp *os.File // what is to become the file; nil once it is kept or discarded
}

// output opens a file, or standard output for "-". On a terminal what is written is escaped, like
// all output. Keep it or discard it.
func (c *call) output(file string) (*output, error) {
	if file == standardOutput {
		if c.onTerminal() {
			return &output{Writer: c.Stdout}, nil
		}
		return &output{Writer: c.unescaped}, nil
	}
	out, err := outputFile(file)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: let your shell write it: run the command with '-' instead of the file, and > %s", err, file)
	}
	return out, err
}

// outputFile opens a file to write to.
func outputFile(file string) (*output, error) {
	fail := func(err error) (*output, error) { return nil, fmt.Errorf("create %s: %w", file, err) }
	switch info, err := os.Lstat(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fail(err)
	case !info.Mode().IsRegular():
		return fail(fmt.Errorf("expected the name of a new or regular file, and this is none (mode %s): '-' is standard output", info.Mode()))
	}
	// In the same directory, so that it can be renamed. CreateTemp makes it with mode 0600.
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return fail(err)
	}
	return &output{Writer: temp, path: file, temp: temp}, nil
}

// onTerminal reports whether standard output is a terminal.
func (c *call) onTerminal() bool {
	f, ok := c.unescaped.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// named reports whether it is a file.
func (o *output) named() bool { return o.path != "" }

// incomplete says what is left of an export that failed.
func (o *output) incomplete() string {
	if o.named() {
		return fmt.Sprintf(": %s was not written", o.path)
	}
	return ": the output is incomplete"
}

// keep makes the file appear, in place of one that was there.
func (o *output) keep() error {
	if o.temp == nil {
		return nil
	}
	err := errors.Join(o.temp.Sync(), o.temp.Close())
	if err == nil {
		err = os.Rename(o.temp.Name(), o.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", o.path, err), os.Remove(o.temp.Name()))
	}
	o.temp = nil
	return syncDirectory(filepath.Dir(o.path))
}

// discard leaves no file. It does nothing after keep.
func (o *output) discard() error {
	if o.temp == nil {
		return nil
	}
	err := errors.Join(o.temp.Close(), os.Remove(o.temp.Name()))
	o.temp = nil
	return err
}

// syncDirectory makes a rename in a directory durable.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

package daemon

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Place is where lagerd runs, as far as it is known: what tells its instances from those on other
// machines.
type Place struct {
	StateDirectory string // "": it has none
	Machine, Boot  string // hashes of the machine id and the boot id; "": not known
}

// PlaceOf returns where this process runs. systemd passes the ids, since a hardened unit cannot read
// the boot id; otherwise they are read from their files.
func PlaceOf(variable func(string) string, read func(file string) ([]byte, error)) Place {
	dir, _, _ := strings.Cut(variable("STATE_DIRECTORY"), ":")
	id := func(name, file string) string {
		text := variable(name)
		if text == "" {
			raw, err := read(file)
			if err != nil {
				return ""
			}
			text = string(raw)
		}
		return hashedID(text)
	}
	return Place{StateDirectory: dir, Machine: id("LAGERD_MACHINE_ID", "/etc/machine-id"), Boot: id("LAGERD_BOOT_ID", "/proc/sys/kernel/random/boot_id")}
}

// hashedID returns the hash of a machine or boot id, which are not to be shown to others as they are
// (machine-id(5)), or "" if the text is none.
func hashedID(text string) string {
	const size = 16
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
	if err != nil || len(raw) != size {
		return ""
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("lagerd"))
	return hex.EncodeToString(mac.Sum(nil)[:size])
}

// identity is the lock of a state directory, held for as long as the process lives.
type identity struct {
	file *os.File
	name string // of the directory: random, and bound to the file that it is in
}

// errTaken is returned when another process holds the lock.
var errTaken = errors.New("another lagerd is running with this state directory: give each its own (STATE_DIRECTORY)")

// openIdentity locks the state directory, and names it if it has no name yet. The name is bound to
// its file: a directory that was copied, with the file in it, gets another name.
func openIdentity(dir string) (*identity, error) {
	file, err := os.OpenFile(filepath.Join(dir, "identity"), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the state directory's identity: %w", err)
	}
	name, err := lockIdentity(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &identity{file: file, name: name}, nil
}

func lockIdentity(file *os.File) (name string, err error) {
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return "", errTaken
		}
		return "", fmt.Errorf("lock the state directory's identity: %w", err)
	}
	locked, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("read the state directory's identity: %w", err)
	}
	// Whoever opens it after us must get the file that we have locked.
	if current, err := os.Lstat(file.Name()); err != nil || !os.SameFile(current, locked) {
		return "", errors.New("the state directory's identity was replaced just now")
	}
	inode, ok := locked.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.New("the state directory's identity has no inode")
	}
	const longest = 256
	raw, err := io.ReadAll(io.LimitReader(file, longest))
	if err != nil {
		return "", fmt.Errorf("read the state directory's identity: %w", err)
	}
	bound := fmt.Sprintf("%d:%d", inode.Dev, inode.Ino)
	if name, its := boundTo(string(raw), bound); its {
		return name, nil
	}
	name = rand.Text() + " " + bound
	if err := rewrite(file, name+"\n"); err != nil {
		return "", fmt.Errorf("write the state directory's identity: %w", err)
	}
	return name, nil
}

// idLength is how many characters rand.Text returns.
const idLength = 26

// boundTo returns the name in an identity file, and whether it was made for this very file.
func boundTo(text, bound string) (name string, so bool) {
	id, its, _ := strings.Cut(strings.TrimSuffix(text, "\n"), " ")
	if len(id) != idLength || its != bound {
		return "", false
	}
	return id + " " + its, true
}

func rewrite(file *os.File, text string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return file.Sync()
}

// release lets another process lock the directory.
func (i *identity) release() {
	if i != nil {
		_ = i.file.Close()
	}
}

// identify locks the state directory, if there is one. Without the lock lagerd works as well: after
// an unclean end its shops wait for lease.ttl.
func (o Options) identify() *identity {
	const waits = "if this lagerd dies, its shops wait for lease.ttl before the next one takes them"
	if o.Place.StateDirectory == "" {
		return nil
	}
	i, err := openIdentity(o.Place.StateDirectory)
	if err != nil {
		o.Log.WithError(err).Warn("the state directory is not this lagerd's own: " + waits)
		return nil
	}
	if o.Place.Machine == "" || o.Place.Boot == "" {
		o.Log.Warn("the machine id or the boot id is not known (LAGERD_MACHINE_ID, LAGERD_BOOT_ID): " + waits)
	}
	return i
}

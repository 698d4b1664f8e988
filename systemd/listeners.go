package systemd

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listeners returns the sockets that systemd opened for this process, all under the given name
// (FileDescriptorName= in the socket unit; one for each ListenStream=), or none. A socket of
// another name, or of another kind, is an error: nobody would answer its callers. Listeners must
// be called at most once: it consumes all sockets and unsets their environment variables.
func Listeners(name string) (listeners []net.Listener, err error) {
	files := activation.Files(true)
	defer func() {
		for _, file := range files { // a listener has its own descriptor
			_ = file.Close()
		}
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			listeners = nil
		}
	}()
	var others []string
	for _, file := range files {
		if file.Name() != name && !slices.Contains(others, file.Name()) {
			others = append(others, file.Name())
		}
	}
	if len(others) > 0 {
		return nil, fmt.Errorf("systemd opened a socket that lagerd does not serve (%s): in the socket unit, set FileDescriptorName=%s, or remove its ListenStream=", strings.Join(others, ", "), name)
	}
	for _, file := range files {
		l, err := net.FileListener(file)
		if err != nil {
			return listeners, fmt.Errorf("use a socket %q that systemd opened: %w: only ListenStream= can be served", name, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

package machine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

// A Host is one Debian machine: a container that systemd-nspawn boots, a plain container
// without systemd, or a virtual machine.
type Host struct {
	network.Station
	Shell
	Name  string
	Suite debian.Suite // which Debian it runs

	network *network.Network
	root    string // the lower directory of the overlay
	dir     string // upper, work, merged: the overlay; console.log

	mu    sync.Mutex
	life  *life // nil while the host is down
	disk  *disk // of a virtual machine; nil of a container
	boots int

	ownDisk bool // what a container writes is on a disk whose power can fail

	// Limits hold it to a part of this machine, from its next boot on; nil: to nothing.
	Limits *Limits
	// MayTunnel has it make network interfaces of its own, from its next boot on.
	MayTunnel bool
	// MayContain has it run containers of its own, from its next boot on.
	MayContain bool
}

// ErrDown is the error of everything that needs a running host.
var ErrDown = errors.New("the host is down")

// Add adds a host to a network; it is down. Name is its host name, and is part of interface
// and directory names: letters, digits, hyphens. Its disk and its console lie in dir.
func Add(ctx context.Context, n *network.Network, name, dir, root string, suite debian.Suite) (*Host, error) {
	s, err := n.AddStation(ctx, name)
	if err != nil {
		return nil, err
	}
	h := &Host{Station: s, Name: name, Suite: suite, network: n, root: root, dir: dir}
	h.Shell = Shell{h}
	return h, h.furnish()
}

// furnish writes what makes one copy of the root different from the others.
func (h *Host) furnish() error {
	id := make([]byte, 16)
	rand.Read(id)
	v4, v6 := h.Resolver()
	servers := fmt.Sprintf("nameserver %v\n", v4)
	if v6.IsValid() {
		servers += fmt.Sprintf("nameserver %v\n", v6)
	}
	files := map[string]string{
		"machine-id":  hex.EncodeToString(id) + "\n",
		"hostname":    h.Name + "\n",
		"hosts":       fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n", h.Name),
		"resolv.conf": servers + "options timeout:2 attempts:2\n",
	}
	for _, sub := range []string{"upper/etc", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.dir, "upper/etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// PostfixUnit is the systemd unit that Postfix runs in here.
func (h *Host) PostfixUnit() string { return h.Suite.PostfixUnit() }

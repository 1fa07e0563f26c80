package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// A Host is one Debian machine of the lab.
type Host struct {
	Station
	Name string

	lab *Lab
	dir string // upper, work, merged: the overlay; console.log

	mu      sync.Mutex
	machine *machine // nil while the host is down
	disk    *disk    // of a virtual machine; nil of a container
	boots   int
}

// ErrDown is the error of everything that needs a running host.
var ErrDown = errors.New("the host is down")

// StartHost adds a host to the lab and boots it. Name is its host name, and is
// part of interface and directory names: letters, digits, hyphens.
func (l *Lab) StartHost(ctx context.Context, name string) (*Host, error) {
	s, err := l.AddStation(ctx, name)
	if err != nil {
		return nil, err
	}
	h := &Host{Station: s, Name: name, lab: l, dir: filepath.Join(l.dir, "hosts", name)}
	if err := h.furnish(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	return h, h.Boot(ctx)
}

// furnish writes what makes one copy of the root different from the others.
func (h *Host) furnish() error {
	id := make([]byte, 16)
	rand.Read(id)
	v4, v6 := h.lab.addrs(bridgeAddr)
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
func (h *Host) PostfixUnit() string { return h.lab.suite.PostfixUnit() }

// Exec runs a command on the host, as root. An exit status other than 0 is not
// an error.
func (h *Host) Exec(ctx context.Context, stdin io.Reader, command ...string) (Result, error) {
	m, err := h.running()
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", h.Name, err)
	}
	args := append([]string{
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
	}, command...)
	var res Result
	if m.shell != nil {
		res, err = m.remote(ctx, stdin, args...)
	} else if m.root != "" {
		res, err = runCommand(ctx, stdin, "chroot", append([]string{m.root}, args...)...)
	} else {
		enter := []string{"-t", strconv.Itoa(m.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"}
		res, err = runCommand(ctx, stdin, "nsenter", append(enter, args...)...)
	}
	if err != nil {
		return res, fmt.Errorf("on %s, %s: %w", h.Name, commandLine(command[0], command[1:]), err)
	}
	return res, nil
}

// Run is Exec for commands that have to succeed. It returns standard output.
func (h *Host) Run(ctx context.Context, command ...string) (string, error) {
	res, err := h.Exec(ctx, nil, command...)
	if err != nil {
		return res.Stdout, err
	}
	if err := res.failure(command[0], command[1:]); err != nil {
		return res.Stdout, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return res.Stdout, nil
}

// Script runs lines of sh, stopping at the first that fails.
func (h *Host) Script(ctx context.Context, lines string) (string, error) {
	return h.Run(ctx, "sh", "-euc", lines)
}

// ReadFile returns a file of the host, up to 16 MiB.
func (h *Host) ReadFile(ctx context.Context, name string) (string, error) {
	return h.Run(ctx, "cat", "--", name)
}

// writeScript makes a file of standard input, without /dev/stdin, which takes /proc.
const writeScript = `mkdir -p "$(dirname "$1")"; rm -f "$1"; cat >"$1"; chmod "$2" "$1"`

// WriteFile writes a file on the host, and its directory if need be.
func (h *Host) WriteFile(ctx context.Context, name string, mode os.FileMode, content io.Reader) error {
	res, err := h.Exec(ctx, content, "sh", "-ec", writeScript, "write", name, fmt.Sprintf("%o", mode.Perm()))
	if err != nil {
		return err
	}
	return res.failure("write", []string{name})
}

// InstallDeb installs a package file with apt. The lab has no way to the
// outside: what it depends on has to be in the root, which is built from the
// Depends of debian/control.
func (h *Host) InstallDeb(ctx context.Context, file string) error {
	res, err := h.apt(ctx, file)
	if err != nil {
		return err
	}
	return res.failure("apt-get", []string{"install", filepath.Base(file)})
}

// apt copies a package file to the host and has apt install it.
func (h *Host) apt(ctx context.Context, file string) (Result, error) {
	f, err := os.Open(file)
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	name := path.Join("/var/cache/apt/archives", filepath.Base(file))
	if err := h.WriteFile(ctx, name, 0o644, f); err != nil {
		return Result{}, fmt.Errorf("copying the package to %s: %w", h.Name, err)
	}
	return h.Exec(ctx, nil, "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", name)
}

// Journal returns what journalctl prints with these arguments.
func (h *Host) Journal(ctx context.Context, args ...string) (string, error) {
	return h.Run(ctx, append([]string{"journalctl", "--no-pager"}, args...)...)
}

// Broken lists the units that failed or that systemd had to start again: a
// unit that crash-loops is never in the state "failed".
func (h *Host) Broken(ctx context.Context) ([]string, error) {
	out, err := h.Run(ctx, "systemctl", "show", "--type=service", "--property=Id,ActiveState,NRestarts", "*")
	if err != nil {
		return nil, err
	}
	var broken []string
	for block := range strings.SplitSeq(out, "\n\n") {
		var id string
		var bad bool
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Id":
				id = value
			case "ActiveState":
				bad = bad || value == "failed"
			case "NRestarts":
				bad = bad || value != "0"
			}
		}
		if bad {
			broken = append(broken, id)
		}
	}
	return broken, nil
}

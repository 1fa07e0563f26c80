package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"chatmaild/testdata/lab/program"
)

// A Shell runs commands on a host, and knows what one does with them.
type Shell struct{ host *Host }

// Exec runs a command on the host, as root. An exit status other than 0 is not
// an error.
func (s Shell) Exec(ctx context.Context, stdin io.Reader, command ...string) (program.Result, error) {
	m, err := s.host.running()
	if err != nil {
		return program.Result{}, fmt.Errorf("%s: %w", s.host.Name, err)
	}
	args := append([]string{
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
	}, command...)
	var res program.Result
	if m.shell != nil {
		res, err = m.remote(ctx, stdin, args...)
	} else if m.root != "" {
		res, err = program.Execute(ctx, stdin, "chroot", append([]string{m.root}, args...)...)
	} else {
		enter := []string{"-t", strconv.Itoa(m.leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--"}
		res, err = program.Execute(ctx, stdin, "nsenter", append(enter, args...)...)
	}
	if err != nil {
		return res, fmt.Errorf("on %s, %s: %w", s.host.Name, program.Line(command[0], command[1:]), err)
	}
	return res, nil
}

// Run is Exec for commands that have to succeed. It returns standard output.
func (s Shell) Run(ctx context.Context, command ...string) (string, error) {
	res, err := s.Exec(ctx, nil, command...)
	if err != nil {
		return res.Stdout, err
	}
	if err := res.Failure(command[0], command[1:]); err != nil {
		return res.Stdout, fmt.Errorf("on %s: %w", s.host.Name, err)
	}
	return res.Stdout, nil
}

// Script runs lines of sh, stopping at the first that fails.
func (s Shell) Script(ctx context.Context, lines string) (string, error) {
	return s.Run(ctx, "sh", "-euc", lines)
}

// ReadFile returns a file of the host, up to 16 MiB.
func (s Shell) ReadFile(ctx context.Context, name string) (string, error) {
	return s.Run(ctx, "cat", "--", name)
}

// writeScript makes a file of standard input, without /dev/stdin, which takes /proc.
const writeScript = `mkdir -p "$(dirname "$1")"; rm -f "$1"; cat >"$1"; chmod "$2" "$1"`

// WriteFile writes a file on the host, and its directory if need be.
func (s Shell) WriteFile(ctx context.Context, name string, mode os.FileMode, content io.Reader) error {
	res, err := s.Exec(ctx, content, "sh", "-ec", writeScript, "write", name, fmt.Sprintf("%o", mode.Perm()))
	if err != nil {
		return err
	}
	return res.Failure("install", []string{name})
}

// InstallDeb installs a package file with apt. The lab has no way to the
// outside: what it depends on has to be in the root, which is built from the
// Depends of debian/control.
func (s Shell) InstallDeb(ctx context.Context, file string) error {
	res, err := s.TryInstall(ctx, file)
	if err != nil {
		return err
	}
	return res.Failure("apt-get", []string{"install", filepath.Base(file)})
}

// TryInstall copies a package file to the host and has apt install it. That apt fails is not
// an error.
func (s Shell) TryInstall(ctx context.Context, file string) (program.Result, error) {
	f, err := os.Open(file)
	if err != nil {
		return program.Result{}, err
	}
	defer f.Close()
	name := path.Join("/var/cache/apt/archives", filepath.Base(file))
	if err := s.WriteFile(ctx, name, 0o644, f); err != nil {
		return program.Result{}, fmt.Errorf("copying the package to %s: %w", s.host.Name, err)
	}
	return s.Exec(ctx, nil, "apt-get", "install", "--yes", "--quiet", "--no-install-recommends", name)
}

// Journal returns what journalctl prints with these arguments.
func (s Shell) Journal(ctx context.Context, args ...string) (string, error) {
	return s.Run(ctx, append([]string{"journalctl", "--no-pager"}, args...)...)
}

// Broken lists the units that failed or that systemd had to start again: a
// unit that crash-loops is never in the state "failed".
func (s Shell) Broken(ctx context.Context) ([]string, error) {
	out, err := s.Run(ctx, "systemctl", "show", "--type=service", "--property=Id,ActiveState,NRestarts", "*")
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

// TrustRoot makes the host trust a root certificate, as any program sees it.
func (s Shell) TrustRoot(ctx context.Context, name string, root []byte) error {
	if err := s.WriteFile(ctx, "/usr/local/share/ca-certificates/"+name+".crt", 0o644, strings.NewReader(string(root))); err != nil {
		return err
	}
	_, err := s.Run(ctx, "update-ca-certificates")
	return err
}

package machine

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

const (
	vmMemory = "1G"
	vmDisk   = "4G" // sparse

	// vmBootTimeout is for a whole relay beside other labs: 90 s were too short there.
	vmBootTimeout = 6 * time.Minute

	// vmModules is where Debian has the modules of the kernel linux.uml; IPv6 is
	// one of them.
	vmModules = "/usr/lib/uml/modules"

	sshDialTimeout = 2 * time.Second
	sshPoll        = 200 * time.Millisecond
	upPoll         = time.Second
	jobsTimeout    = 20 * time.Second
)

// diskScript makes the image of a file system of what the overlay of a host
// shows. Arguments: lower, upper, work, merged, image, size.
const diskScript = `set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
truncate -s "$6" "$5"
mke2fs -q -t ext4 -d "$4" "$5"`

// virtualScript becomes process 1 of a namespace of its own. All of the virtual
// machine's processes – each of its programs is one of ours, which the kernel
// traces – are in it, and go with it. The machine's memory is a file. Its
// arguments are a library to preload and the kernel's.
const virtualScript = `set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
library=$1; shift
LD_PRELOAD=$library TMPDIR=/mnt linux.uml uml_dir=/mnt "$@" || echo "the kernel ended: $?"`

// virtualUnit does what systemd-nspawn does for a container: its network. Values:
// directory of modules, IPv4 and IPv6 with the lengths of their prefixes.
const virtualUnit = `[Unit]
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mkdir -p /lib/modules
ExecStart=mount -t hostfs -o %s none /lib/modules
ExecStart=/lib/systemd/systemd-modules-load
ExecStart=ip link set lo up
ExecStart=ip link set vec0 name eth0
ExecStart=ip link set eth0 up
ExecStart=ip addr add %v/%d dev eth0
ExecStart=ip addr add %v/%d dev eth0 nodad
`

// A disk is what a virtual machine starts from, and how one gets into it.
type disk struct {
	image string
	key   ssh.Signer
}

// Virtualize makes a host that is down a virtual machine, with a kernel and a
// clock of its own: User-mode Linux, which is a program and needs nothing that a
// virtual machine may not have itself. What was on the host's disk is on its
// own from then on. It boots in some 12 s and is half as fast as a container.
func (h *Host) Virtualize(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != nil || h.disk != nil {
		return fmt.Errorf("making %s virtual: it is up, or virtual already", h.Name)
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return err
	}
	files := map[string]string{
		"root/.ssh/authorized_keys":              string(ssh.MarshalAuthorizedKey(key.PublicKey())),
		"etc/modules-load.d/lab.conf":            "ipv6\n",
		"etc/systemd/system/lab-virtual.service": fmt.Sprintf(virtualUnit, vmModules, h.IPv4, network.PrefixLen4, h.IPv6, network.PrefixLen6),
	}
	upper := filepath.Join(h.dir, "upper")
	for name, text := range files {
		path := filepath.Join(upper, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	d := &disk{image: filepath.Join(h.dir, "disk"), key: key}
	_, err = program.Run(ctx, "unshare", "-m", "--propagation", "private", "sh", "-c", diskScript, "disk",
		h.root, upper, filepath.Join(h.dir, "work"), filepath.Join(h.dir, "merged"), d.image, vmDisk)
	if err != nil {
		return fmt.Errorf("making the disk of %s: %w", h.Name, err)
	}
	if err := h.network.AddTap(ctx, h.Station); err != nil {
		return err
	}
	h.disk = d
	return nil
}

// bootVirtual starts the virtual machine and waits until systemd says that all is
// up, or as far up as it gets.
func (h *Host) bootVirtual(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, vmBootTimeout)
	defer cancel()
	library, err := xstateLibrary(ctx)
	if err != nil {
		return err
	}
	cmd := exec.Command("nsenter", "--net="+h.network.Bridge().Path(),
		"unshare", "-m", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", virtualScript, "virtual", library,
		"umid="+h.Name, "mem="+vmMemory, "ubd0="+h.disk.image, "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1",
		fmt.Sprintf("vec0:transport=tap,ifname=%s,depth=128,gro=1,mac=02:00:00:00:01:%02x", h.Tap(), h.IPv4.As4()[3]),
		"quiet", "systemd.wants=lab-virtual.service", "systemd.mask=kmod-static-nodes.service")
	m, err := launch(h, cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("booting %s: %w", h.Name, err)
	}
	if err = h.awaitShell(ctx, m); err == nil {
		err = m.awaitUp(ctx)
	}
	if err == nil {
		// IPv6 is a module of this kernel: until it was there, systemd refused units that
		// listen on it, and it has not looked again since.
		_, err = m.remote(ctx, nil, "systemctl", "daemon-reexec")
	}
	if err != nil {
		m.kill()
		return fmt.Errorf("booting %s: %w; its console:\n%s", h.Name, err, h.Console())
	}
	h.life = m
	return nil
}

// awaitUp waits until systemd starts nothing any more. It asks again and again, so that it can
// say how far that got.
func (m *life) awaitUp(ctx context.Context) error {
	start := time.Now()
	for {
		state, err := m.remote(ctx, nil, "systemctl", "is-system-running")
		up := strings.TrimSpace(state.Stdout)
		if err == nil && up != "initializing" && up != "starting" {
			return nil
		}
		select {
		case <-ctx.Done():
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobsTimeout)
			defer cancel()
			jobs, _ := m.remote(within, nil, "systemctl", "list-jobs", "--no-pager")
			return fmt.Errorf("%w: %v after it let us in, systemd is %q (%v), and waits for:\n%s", ctx.Err(), time.Since(start).Round(time.Second), up, err, jobs.Stdout)
		case <-time.After(upPoll):
		}
	}
}

// awaitShell waits until the machine lets us in by ssh.
func (h *Host) awaitShell(ctx context.Context, m *life) error {
	config := &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(h.disk.key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // nobody else is on the bridge
	}
	address := net.JoinHostPort(h.IPv4.String(), "22")
	for {
		var conn net.Conn
		err := h.network.Bridge().Do(func() (err error) {
			dialer := net.Dialer{Timeout: sshDialTimeout}
			conn, err = dialer.DialContext(ctx, "tcp", address)
			return err
		})
		if err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			secure, channels, requests, handshake := ssh.NewClientConn(conn, address, config)
			if stop() && handshake == nil {
				m.shell = ssh.NewClient(secure, channels, requests)
				return nil
			}
			conn.Close()
			err = handshake
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-m.ended:
			return errors.New("it ended")
		case <-time.After(sshPoll):
		}
	}
}

// remote is runCommand in a virtual machine.
func (m *life) remote(ctx context.Context, stdin io.Reader, command ...string) (program.Result, error) {
	session, err := m.shell.NewSession()
	if err != nil {
		return program.Result{}, err
	}
	defer session.Close()
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	var stdout, stderr program.Buffer
	session.Stdin, session.Stdout, session.Stderr = stdin, &stdout, &stderr
	quoted := make([]string, len(command))
	for i, word := range command {
		quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	err = session.Run(strings.Join(quoted, " "))
	res := program.Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit, ok := errors.AsType[*ssh.ExitError](err); ok && ctx.Err() == nil {
		res.Code = exit.ExitStatus()
		if exit.Signal() != "" {
			res.Code = -1
		}
		return res, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("running %s: %w%s", program.Line(command[0], command[1:]), err, res.Detail())
	}
	return res, err
}

// SetClock sets the clock of a virtual machine: so far ahead of this machine's, or
// behind it.
func (h *Host) SetClock(ctx context.Context, ahead time.Duration) error {
	h.mu.Lock()
	virtual := h.disk != nil
	h.mu.Unlock()
	if !virtual {
		return fmt.Errorf("setting the clock of %s: it is this machine's", h.Name)
	}
	now := time.Now().Add(ahead)
	_, err := h.Run(ctx, "date", "--utc", fmt.Sprintf("--set=@%d.%09d", now.Unix(), now.Nanosecond()))
	return err
}

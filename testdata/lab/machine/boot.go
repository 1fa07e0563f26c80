package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/program"
)

const (
	// Signals by which systemd, as process 1, powers off and reboots
	// (systemd(1)); SIGRTMIN is 34 for programs with glibc.
	sigPowerOff = syscall.Signal(34 + 4)

	bootTimeout     = 90 * time.Second
	shutdownTimeout = 100 * time.Second // above systemd's 90 s for one unit
)

// bootScript becomes systemd-nspawn. In its private mount namespace lie a pure
// cgroup v2 tree, which systemd wants whatever the machine has, and the overlay,
// which so goes away with the last process. Arguments: cgroup, lower, upper,
// work, merged, then nspawn's.
const bootScript = `set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$1"
echo $$ > "/sys/fs/cgroup/$1/cgroup.procs"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$3,workdir=$4" "$5"
shift 5
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0 exec systemd-nspawn "$@"`

// A life is one run of a host, from power on to power off.
type life struct {
	cmd    *exec.Cmd
	leader int             // a container's process 1, as we see it
	shell  *ssh.Client     // a virtual machine's
	root   string          // of one that is a directory
	ended  <-chan struct{} // closed once systemd-nspawn, or the kernel, has ended
}

// Boot starts the host and waits until systemd says that all is up.
func (h *Host) Boot(ctx context.Context) error {
	if err := boot(ctx, h); err != nil || h.Limits == nil {
		return err
	}
	return bindMeminfo(ctx, h)
}

func boot(ctx context.Context, h *Host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != nil {
		return fmt.Errorf("booting %s: it is up", h.Name)
	}
	if h.disk != nil {
		return h.bootVirtual(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	h.boots++
	name := cgroupName(h)
	// An abstract address: a path could be longer than a socket's may be.
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: fmt.Sprintf("@%s-%d", name, h.boots), Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("booting %s: %w", h.Name, err)
	}
	defer notify.Close()
	stop := context.AfterFunc(ctx, func() { notify.Close() })
	defer stop()

	merged := filepath.Join(h.dir, "merged")
	boot, writable := h.own("sh", "-c", bootScript, "boot")
	boot = limited(h, append([]string{"unshare", "-m", "--propagation", "private"}, boot...)...)
	cmd := exec.Command(boot[0], append(boot[1:],
		name, h.root, filepath.Join(writable, "upper"), filepath.Join(writable, "work"), merged,
		"--directory="+merged, "--boot", "--machine="+name, "--hostname="+h.Name, "--register=no", "--keep-unit",
		"--network-namespace-path="+h.Path(), "--resolv-conf=off", "--timezone=off",
		"--link-journal=no", "--console=pipe", "--notify-ready=yes")...)
	if h.MayTunnel {
		cmd.Args = append(cmd.Args, "--capability=CAP_NET_ADMIN", "--bind=/dev/net/tun")
	}
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
	if h.MayContain {
		cmd.Args = append(cmd.Args, "--capability=all", "--system-call-filter=@keyring bpf")
	}
	if h.MayTunnel {
		// It forwards, which its own /proc/sys/net has to say; read-only otherwise.
		cmd.Env = append(cmd.Env, "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network")
	}
	m, err := launch(h, cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("booting %s: %w", h.Name, err)
	}
	go func() {
		<-m.ended
		notify.Close() // wakes the wait below when the boot was interrupted
	}()
	if m.leader, err = awaitReady(notify); err != nil {
		m.kill()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("booting %s: %w; its console:\n%s", h.Name, err, h.Console())
	}
	h.life = m
	return nil
}

// launch starts what the host consists of, with what it says on the console. It gets a signal
// at our end.
func launch(h *Host, cmd *exec.Cmd, death syscall.Signal) (*life, error) {
	console, err := os.OpenFile(h.ConsolePath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	cmd.Stdout, cmd.Stderr = console, console
	ended, err := program.Start(cmd, death)
	return &life{cmd: cmd, ended: ended}, err
}

// awaitLeader looks for process 1 until it is there: leader returns 0 before. The host can be
// killed meanwhile.
func awaitLeader(h *Host, m *life, leader func() int) error {
	h.mu.Lock()
	h.life = m
	h.mu.Unlock()
	for m.leader = leader(); m.leader == 0; m.leader = leader() {
		select {
		case <-m.ended:
			return fmt.Errorf("it ended at once: %s", h.Console())
		case <-time.After(poll):
		}
	}
	return nil
}

// awaitReady reads the messages of sd_notify(3) until READY=1.
func awaitReady(notify *net.UnixConn) (leader int, err error) {
	buf := make([]byte, 4096)
	for {
		n, _, err := notify.ReadFromUnix(buf)
		if err != nil {
			return 0, errors.New("it did not get ready")
		}
		for line := range strings.Lines(string(buf[:n])) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "X_NSPAWN_LEADER_PID":
				if leader, err = strconv.Atoi(value); err != nil {
					return 0, fmt.Errorf("systemd-nspawn names %q as process 1", value)
				}
			case "READY":
				if leader == 0 {
					return 0, errors.New("systemd-nspawn did not name process 1")
				}
				return leader, nil
			}
		}
	}
}

// Shutdown powers the host off in order. What is on its disk stays.
func (h *Host) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.life
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := m.powerOff(ctx); err != nil {
		return fmt.Errorf("shutting %s down: %w", h.Name, err)
	}
	h.life = nil
	select {
	case <-m.ended:
		return nil
	case <-ctx.Done():
		m.kill()
		return fmt.Errorf("shutting %s down: %w; its console:\n%s", h.Name, ctx.Err(), h.Console())
	}
}

// Reboot is a whole cycle: down in order, and up again from the same disk.
func (h *Host) Reboot(ctx context.Context) error {
	if err := h.Shutdown(ctx); err != nil {
		return err
	}
	return h.Boot(ctx)
}

// Kill pulls the plug: no process of the host gets to do anything more.
func (h *Host) Kill() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.life
	if m == nil {
		return nil
	}
	h.life = nil
	m.kill()
	return nil
}

// Console is the end of what the host wrote to its console.
func (h *Host) Console() string {
	text, err := os.ReadFile(h.ConsolePath())
	if err != nil {
		return err.Error()
	}
	return program.Tail(string(text), 40)
}

// ConsolePath is the file of all that it wrote.
func (h *Host) ConsolePath() string { return filepath.Join(h.dir, "console.log") }

func (h *Host) running() (*life, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == nil {
		return nil, ErrDown
	}
	return h.life, nil
}

// Leader is process 1 of a container, as this machine numbers it.
func (h *Host) Leader() (int, error) {
	m, err := h.running()
	if err == nil && m.shell != nil {
		err = errors.New("the processes of a virtual machine are its own")
	}
	if err != nil {
		return 0, err
	}
	return m.leader, nil
}

func (m *life) powerOff(ctx context.Context) error {
	if m.shell == nil {
		return syscall.Kill(m.leader, sigPowerOff)
	}
	// It may be off before ssh has said how the command ended.
	_, err := m.remote(ctx, nil, "systemctl", "--no-block", "poweroff")
	if _, ok := errors.AsType[*ssh.ExitMissingError](err); ok {
		return nil
	}
	return err
}

func (m *life) kill() {
	if m.root != "" {
		// All that runs in the directory is supervise's, which ends it.
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-m.ended:
			return
		case <-time.After(stopTimeout):
		}
	}
	if m.leader != 0 && m.root == "" {
		endAll(m.leader)
	}
	m.cmd.Process.Kill()
	<-m.ended
}

// endAll kills a host's process 1, which may outlive what started it, and waits until it has
// ended. That is after all others: until then they have their ports.
func endAll(leader int) {
	fd, err := unix.PidfdOpen(leader, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd)
	_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	for end := time.Now().Add(stopTimeout); time.Now().Before(end); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(end).Milliseconds()))
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

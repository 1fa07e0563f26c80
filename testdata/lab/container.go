package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// containerScript becomes process 1 of a plain container, as a runtime makes one: namespaces
// of its own, a /dev of a few devices, an empty /run and /tmp, and no capabilities but those
// that Docker gives. There is no systemd. Arguments: network namespace, host name,
// capabilities, lower, upper, work, merged, then the program.
const containerScript = `set -e
netns=$1; hostname "$2"; caps=$3
grep -q '^ *0 *0 *4294967295$' /proc/self/uid_map || userxattr=,userxattr # those of a user namespace
mount -t overlay overlay -o "lowerdir=$4,upperdir=$5,workdir=$6$userxattr" "$7"
cd "$7"
shift 7
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do : >dev/$node; mount --bind /dev/$node dev/$node; done
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mkdir dev/shm
exec nsenter --net="$netns" -- setpriv --bounding-set "$caps" -- chroot . "$@"`

// directoryScript becomes process 1 of a relay in a directory: a copy of the root, with what
// makes it different from others. Arguments: lower, upper, directory, then the program.
const directoryScript = `set -e
[ -e "$3/etc/machine-id" ] || cp --archive --reflink=auto --no-target-directory "$1" "$3"
cp -r "$2/." "$3"
rm -rf "$3/run"
mkdir "$3/run"
mkdir -p "$3/dev/shm"
root=$3
shift 3
exec chroot "$root" "$@"`

// dockerCapabilities are those of a container that Docker runs and nobody has given any
// more (github.com/moby/profiles, capabilities.go), for setpriv(1).
const dockerCapabilities = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap," +
	"+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap"

const (
	containerPoll = 100 * time.Millisecond
	// containerStop is longer than anything of a relay may take to end.
	containerStop = 2 * time.Minute
)

// A Container is a relay under "chatmaild supervise", in a plain container.
type Container struct {
	*Relay

	// Of one that was made from an image.
	volume  string
	runtime Runtime
	bundle  string // what it runs
	pulled  int    // how often an image was unpacked

	// Of one that Podman runs.
	podmanRoot string
	podmanRun  []string // the command
}

// hostLabel is the name of the host of a domain's relay.
func hostLabel(domain string) string {
	label, _, _ := strings.Cut(strings.Trim(domain, "_[]"), ".")
	return label
}

// addUnbooted is a host whose systemd is not started.
func (l *Lab) addUnbooted(ctx context.Context, label string) (*Host, error) {
	s, err := l.AddStation(ctx, label)
	if err != nil {
		return nil, err
	}
	h := &Host{Station: s, Name: label, lab: l, dir: filepath.Join(l.dir, "hosts", label)}
	if err := h.furnish(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	return h, nil
}

// StartContainer makes a relay of a domain as StartRelay does, but in a container without
// systemd.
func (l *Lab) StartContainer(ctx context.Context, domain, deb string, settings ...string) (*Container, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	h, err := l.addUnbooted(ctx, hostLabel(domain))
	if err != nil {
		return nil, err
	}
	c := &Container{Relay: &Relay{Host: h, Domain: domain}}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"adding its addresses to the DNS", c.publishAddresses},
		{"starting an empty container", func(context.Context) error { return c.run("sleep", "infinity") }},
		{"installing the package", func(ctx context.Context) error { return c.InstallDeb(ctx, deb) }},
		{"writing its config", func(ctx context.Context) error { return c.configure(ctx, settings) }},
		{"ending it", func(context.Context) error { return c.Kill() }},
		{"starting it as a relay", c.Boot},
		{"adding its DKIM key to the DNS", c.publishKey},
	} {
		fmt.Fprintf(l.log, "container %s: %s\n", domain, step.what)
		if err := step.do(ctx); err != nil {
			return c, fmt.Errorf("container %s: %s: %w", domain, step.what, err)
		}
	}
	return c, nil
}

// run starts the container with a program as process 1.
func (c *Container) run(program ...string) error {
	console, err := os.OpenFile(c.consolePath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	at := func(name string) string { return filepath.Join(c.dir, name) }
	args := append([]string{
		"--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private",
		"sh", "-c", containerScript, "container", netnsPath(c.netns), c.Name, dockerCapabilities,
		c.lab.root, at("upper"), at("work"), at("merged"),
	}, program...)
	cmd, death, root := exec.Command("unshare", args...), syscall.SIGKILL, ""
	if c.lab.way == Directory {
		root = at("merged")
		cmd = exec.Command("sh", append([]string{"-c", directoryScript, "directory", c.lab.root, at("upper"), root}, program...)...)
		death = syscall.SIGTERM // supervise ends what it has started
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = console, console
	ended, err := startBound(cmd, death)
	if err != nil {
		return err
	}
	m := &machine{cmd: cmd, ended: ended, root: root}
	c.mu.Lock()
	c.machine = m
	c.mu.Unlock()
	for m.leader == 0 {
		select {
		case <-ended:
			return fmt.Errorf("it ended at once: %s", c.Console())
		case <-time.After(containerPoll):
		}
		pid := strconv.Itoa(cmd.Process.Pid)
		if root == "" {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%[1]s/children", pid))
			if err != nil {
				continue
			}
			pid = strings.TrimSpace(string(text))
		}
		// It is process 1 once the script has become the program.
		if name, err := os.ReadFile("/proc/" + pid + "/comm"); pid != "" && err == nil && strings.TrimSpace(string(name)) == filepath.Base(program[0]) {
			m.leader, err = strconv.Atoi(pid)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Boot starts the relay and waits until it says that it is well.
func (c *Container) Boot(ctx context.Context) error {
	start := func() error { return c.run("/usr/sbin/chatmaild", "supervise") }
	if c.volume != "" {
		start = c.runImage
	}
	if err := start(); err != nil {
		return err
	}
	for {
		res, err := c.Exec(ctx, nil, "chatmaild", "status", "--health")
		if err == nil && res.Code == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not well: %w: %s%s\n%s", ctx.Err(), res.Stdout, res.Stderr, c.Console())
		case <-c.machine.ended:
			return fmt.Errorf("it has ended:\n%s", c.Console())
		case <-time.After(containerPoll):
		}
	}
}

// Stop asks the relay to end, and returns the exit status of process 1.
func (c *Container) Stop(ctx context.Context) (status int, err error) {
	m, err := c.running()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, containerStop)
	defer cancel()
	if err := syscall.Kill(m.leader, syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-m.ended:
	case <-ctx.Done():
		return 0, errors.Join(fmt.Errorf("it does not end: %w:\n%s", ctx.Err(), c.Console()), c.Kill())
	}
	c.mu.Lock()
	c.machine = nil
	c.mu.Unlock()
	return m.cmd.ProcessState.ExitCode(), nil
}

// Diagnose writes what one wants to see after a failure.
func (c *Container) Diagnose(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, command := range [][]string{{"chatmaild", "status"}, {"postqueue", "-p"}, {"ps", "-ef"}} {
		res, err := c.Exec(ctx, nil, command...)
		fmt.Fprintf(w, "--- %s: %s: %v\n%s%s", c.Domain, strings.Join(command, " "), err, res.Stdout, res.Stderr)
	}
	text, err := os.ReadFile(c.consolePath())
	fmt.Fprintf(w, "--- %s: console %v\n%s", c.Domain, err, tail(string(text), 300))
}

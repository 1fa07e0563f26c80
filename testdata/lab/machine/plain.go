package machine

import (
	"context"
	"errors"
	"fmt"
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

// directoryScript becomes process 1 of a host that is a directory: a copy of the root, with what
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

// DockerCapabilities are those of a container that Docker runs and nobody has given any
// more (github.com/moby/profiles, capabilities.go), for setpriv(1).
const DockerCapabilities = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap," +
	"+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap"

const (
	// poll is how often we look whether process 1 is there.
	poll = 100 * time.Millisecond
	// stopTimeout is longer than anything of a relay may take to end.
	stopTimeout = 2 * time.Minute
)

// StartPlain starts the host as a plain container, with a program as process 1; where it has
// no network namespace, as a directory, in which the program has to end what it starts.
func (h *Host) StartPlain(words ...string) error {
	at := func(name string) string { return filepath.Join(h.dir, name) }
	args := append([]string{
		"--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private",
		"sh", "-c", containerScript, "container", h.Path(), h.Name, DockerCapabilities,
		h.root, at("upper"), at("work"), at("merged"),
	}, words...)
	cmd, death, root := exec.Command("unshare", args...), syscall.SIGKILL, ""
	if h.Netns == "" {
		root = at("merged")
		cmd = exec.Command("sh", append([]string{"-c", directoryScript, "directory", h.root, at("upper"), root}, words...)...)
		death = syscall.SIGTERM
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	m, err := launch(h, cmd, death)
	if err != nil {
		return err
	}
	m.root = root
	return awaitLeader(h, m, func() int {
		pid := strconv.Itoa(cmd.Process.Pid)
		if root == "" {
			children, _ := os.ReadFile(fmt.Sprintf("/proc/%s/task/%[1]s/children", pid))
			pid = strings.TrimSpace(string(children))
		}
		// It is process 1 once the script has become the program.
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil || strings.TrimSpace(string(name)) != filepath.Base(words[0]) {
			return 0
		}
		leader, _ := strconv.Atoi(pid)
		return leader
	})
}

// Stop asks process 1 of a plain container to end, and returns its exit status.
func (h *Host) Stop(ctx context.Context) (status int, err error) {
	m, err := h.running()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := syscall.Kill(m.leader, syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-m.ended:
	case <-ctx.Done():
		return 0, errors.Join(fmt.Errorf("it does not end: %w:\n%s", ctx.Err(), h.Console()), h.Kill())
	}
	h.mu.Lock()
	h.life = nil
	h.mu.Unlock()
	return m.cmd.ProcessState.ExitCode(), nil
}

// Ended is closed once the host is down; of one that is down it is nil.
func (h *Host) Ended() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life == nil {
		return nil
	}
	return h.life.ended
}

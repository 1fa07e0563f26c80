package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Way is how a relay runs on this machine.
type Way string

const (
	// Machine boots a Debian with systemd, as the tests do.
	Machine Way = "machine"
	// Namespaces is a container below "chatmaild supervise", in a user namespace of ours.
	Namespaces Way = "namespaces"
	// Directory is a chroot below "chatmaild supervise". Network and processes are those of
	// this machine, and /proc is not there: only who may mount can bring it.
	Directory Way = "directory"
)

// Ways are all of them, the best first.
func Ways() []Way { return []Way{Machine, Namespaces, Directory} }

// String says it to people.
func (w Way) String() string {
	return map[Way]string{
		Machine:    "a Debian with systemd is booted",
		Namespaces: "a container without systemd, in a user namespace",
		Directory:  "a directory without systemd, with this machine's network at 127.77.0.2",
	}[w]
}

// ChooseWay returns the best way that this machine allows, or $DEMO if that is set. The
// error says of each way why it is not possible.
func ChooseWay(ctx context.Context) (Way, error) {
	possible := map[Way]func(context.Context) error{Machine: Rights, Namespaces: mayNamespaces, Directory: mayDirectory}
	if chosen := Way(os.Getenv("DEMO")); chosen != "" {
		if !slices.Contains(Ways(), chosen) {
			return "", fmt.Errorf("DEMO=%s: want one of %q", string(chosen), Ways())
		}
		return chosen, possible[chosen](ctx)
	}
	why := []error{errors.New("the demo cannot run on this machine")}
	for _, w := range Ways() {
		err := possible[w](ctx)
		if err == nil {
			return w, nil
		}
		why = append(why, fmt.Errorf("  as a %s: %w", string(w), err))
	}
	return "", errors.Join(why...)
}

// userNamespaceEnv says that this process is in the user namespace of Enter.
const userNamespaceEnv = "CHATMAILD_LAB_USER_NAMESPACE"

// mayNamespaces tries in a user namespace what a container takes. Where /proc is partly hidden, as
// in Docker's containers, the kernel refuses to mount another.
func mayNamespaces(ctx context.Context) error {
	if Inside() {
		return nil
	}
	cmd := inUserNamespace(ctx, "unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--propagation", "private",
		"sh", "-ec", "mount -t tmpfs tmpfs /mnt; mkdir /mnt/proc; mount -t proc proc /mnt/proc; ip link add v0 type veth; chown 1:1 /mnt")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("no user namespaces: %w%s", err, ": "+strings.TrimSpace(string(out)))
	}
	return nil
}

// inUserNamespace is a command in a user namespace with many users. Root's has all of them;
// another user's those that /etc/subuid gives, by newuidmap(1).
func inUserNamespace(ctx context.Context, name string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		return exec.CommandContext(ctx, "unshare", append([]string{"--user", "--map-root-user", "--map-auto", "--mount", name}, args...)...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1<<32 - 1 - 1<<31}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: all, GidMappings: all, GidMappingsEnableSetgroups: true,
	}
	return cmd
}

// Inside reports whether this process is in a user namespace of Enter.
func Inside() bool { return os.Getenv(userNamespaceEnv) != "" }

// Enter runs this program again in a user namespace, with these arguments, and returns its
// exit status. With network it has the machine's, and else one of its own: only in that can
// ip-netns(8) go back and forth.
func Enter(ctx context.Context, network bool, args ...string) (status int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args = append([]string{program}, args...)
	if !network {
		args = append([]string{"unshare", "--net"}, args...)
	}
	cmd := inUserNamespace(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), userNamespaceEnv+"=1", "DEMO="+string(Namespaces))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// A ^C goes to all of the terminal's processes; it ends by itself.
	cmd.Cancel = func() error { return nil }
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// isolateRuns gives a user namespace a /run of its own, where ip-netns(8) makes its files.
func isolateRuns() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the machine's mounts alone: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting a /run: %w", err)
	}
	return nil
}

// directoryRights are the capabilities that the directory takes; Docker gives all of them.
var directoryRights = []right{
	{"CAP_CHOWN", unix.CAP_CHOWN}, {"CAP_DAC_OVERRIDE", unix.CAP_DAC_OVERRIDE}, {"CAP_FOWNER", unix.CAP_FOWNER},
	{"CAP_KILL", unix.CAP_KILL}, {"CAP_MKNOD", unix.CAP_MKNOD}, {"CAP_NET_BIND_SERVICE", unix.CAP_NET_BIND_SERVICE},
	{"CAP_SETGID", unix.CAP_SETGID}, {"CAP_SETUID", unix.CAP_SETUID}, {"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT},
}

// relayPorts are what a relay listens on.
var relayPorts = []int{25, 80, 143, 443, 465, 587, 993, 3478, 8443, 10025, 10026, 10080, 10081, 10465, 10993}

// mayDirectory tells whether a chroot will do.
func mayDirectory(context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("not root")
	}
	lacking, err := lacks(directoryRights)
	if err != nil {
		return err
	}
	if lacking != nil {
		return fmt.Errorf("%s missing", strings.Join(lacking, " and "))
	}
	for _, port := range relayPorts {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			return fmt.Errorf("a relay's port is taken: %w", err)
		}
		l.Close()
	}
	return nil
}

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Runtime starts containers by the OCI's runtime specification.
type Runtime string

// Those of Debian.
const (
	Crun Runtime = "crun"
	Runc Runtime = "runc"
)

// runtimeScript becomes crun or runc, in a pure cgroup v2 tree, whatever the machine has.
// Arguments: the bundle, the file for the process ID, the container's name, where the
// runtime keeps its state, then the runtime with its flags.
const runtimeScript = `set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd "$1"
pid=$2 name=$3 state=$4
shift 4
exec "$@" --root "$state" run --pid-file "$pid" "$name"`

// imageCapabilities are those that packaging/container gives, and no more.
var imageCapabilities = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL
	CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT`)

// Image returns the OCI image in the checkout's build directory.
func Image() (string, error) {
	dir, err := ModuleDir()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "build", "chatmaild_*_"+runtime.GOARCH+".oci.tar"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d images in build/; run: make image", len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// StartImage makes a relay of a domain from the OCI image by a runtime: with a root that is
// read-only, and a volume, in which the lines of settings are the configuration.
func (l *Lab) StartImage(ctx context.Context, runtime Runtime, domain, image, volume string, settings ...string) (*Container, error) {
	h, err := l.addUnbooted(ctx, string(runtime)+"-"+hostLabel(domain))
	if err != nil {
		return nil, err
	}
	c := &Container{Relay: &Relay{Host: h, Domain: domain}, volume: volume, runtime: runtime}
	for _, do := range []func(context.Context) error{
		c.publishAddresses,
		func(context.Context) error { return c.writeConfig(settings) },
		func(ctx context.Context) error { return c.Pull(ctx, image) },
		c.Boot,
		c.publishKey,
	} {
		if err := do(ctx); err != nil {
			return c, fmt.Errorf("container %s: %w", domain, err)
		}
	}
	return c, nil
}

// Pull unpacks an image for the next start; the volume stays.
func (c *Container) Pull(ctx context.Context, image string) error {
	c.pulled++
	dir := filepath.Join(c.dir, fmt.Sprintf("image-%d", c.pulled))
	layout := filepath.Join(dir, "layout")
	if err := os.MkdirAll(layout, 0o755); err != nil {
		return err
	}
	if _, err := run(ctx, "tar", "-xf", image, "-C", layout); err != nil {
		return err
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(image), "chatmaild_"), "_")
	c.bundle = filepath.Join(dir, "bundle")
	if _, err := run(ctx, "umoci", "unpack", "--image", layout+":"+version, c.bundle); err != nil {
		return err
	}
	return c.configureRuntime()
}

// configureRuntime writes what a runtime makes of packaging/container/compose.yaml
// (github.com/opencontainers/runtime-spec, config.md).
func (c *Container) configureRuntime() error {
	path := filepath.Join(c.bundle, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec map[string]any
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	process, ok := spec["process"].(map[string]any)
	if !ok {
		return errors.New("the image has no process")
	}
	process["terminal"], process["noNewPrivileges"] = false, false
	process["capabilities"] = map[string][]string{"bounding": imageCapabilities, "effective": imageCapabilities, "permitted": imageCapabilities}
	process["rlimits"] = []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": 16384, "hard": 16384}}
	spec["root"] = map[string]any{"path": "rootfs", "readonly": true}
	spec["hostname"] = c.Name
	mount := func(at, kind, from string, options ...string) map[string]any {
		return map[string]any{"destination": at, "type": kind, "source": from, "options": options}
	}
	spec["mounts"] = []any{
		mount("/proc", "proc", "proc"),
		mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=65536k"),
		mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
		mount("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"),
		mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev"),
		mount("/data", "bind", c.volume, "rbind", "rw"),
		mount("/etc/resolv.conf", "bind", filepath.Join(c.dir, "upper/etc/resolv.conf"), "bind", "ro"),
		mount("/etc/hosts", "bind", filepath.Join(c.dir, "upper/etc/hosts"), "bind", "ro"),
	}
	spec["linux"] = map[string]any{"namespaces": []any{
		map[string]any{"type": "pid"}, map[string]any{"type": "ipc"}, map[string]any{"type": "uts"}, map[string]any{"type": "mount"},
		map[string]any{"type": "network", "path": netnsPath(c.netns)},
	}}
	if text, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// runImage has the runtime, or Podman, start the image.
func (c *Container) runImage() error {
	console, err := os.OpenFile(c.consolePath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer console.Close()
	pidFile := c.bundle + ".pid"
	program := []string{string(c.runtime)}
	if c.runtime == Crun {
		program = append(program, "--cgroup-manager=disabled")
	}
	cmd := exec.Command("unshare", append([]string{
		"-m", "--propagation", "private", "sh", "-c", runtimeScript, "runtime",
		c.bundle, pidFile, fmt.Sprintf("%s-%s-%d-%d", c.lab.id, c.Name, c.pulled, time.Now().UnixNano()),
		filepath.Join(c.dir, string(c.runtime)),
	}, program...)...)
	if c.podmanRoot != "" {
		pidFile = c.shared("pid")
		cmd = c.podman(c.podmanRun...)
	}
	cmd.Stdout, cmd.Stderr = console, console
	ended, err := startTethered(cmd)
	if err != nil {
		return err
	}
	m := &machine{cmd: cmd, ended: ended, detached: true}
	for m.leader == 0 {
		select {
		case <-ended:
			return fmt.Errorf("it ended at once: %s", c.Console())
		case <-time.After(containerPoll):
		}
		if text, err := os.ReadFile(pidFile); err == nil {
			m.leader, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	if err := os.Remove(pidFile); err != nil {
		return err
	}
	c.mu.Lock()
	c.machine = m
	c.mu.Unlock()
	return nil
}

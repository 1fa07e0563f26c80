package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatmaild/testdata/lab/program"
)

// runtimeScript becomes crun, which wants a pure cgroup v2 tree, whatever the machine has.
// Arguments: the bundle, the file for the process ID, the container's name, and where crun
// keeps its state.
const runtimeScript = `set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd "$1"
exec crun --root "$4" --cgroup-manager=disabled run --pid-file "$2" "$3"`

// imageCapabilities are those that packaging/container gives, and no more.
var imageCapabilities = strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL
	CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT`)

// An Image is a host that an OCI runtime starts: with a root that is read-only, and a volume
// at /data.
type Image struct {
	*Host
	// Volume is the directory of the volume.
	Volume string

	bundle string // what crun runs
	pulled int    // how often an image was unpacked
}

// Pull unpacks an image for the next start; the volume stays.
func (m *Image) Pull(ctx context.Context, image string) error {
	m.pulled++
	dir := filepath.Join(m.dir, fmt.Sprintf("image-%d", m.pulled))
	layout := filepath.Join(dir, "layout")
	if err := os.MkdirAll(layout, 0o755); err != nil {
		return err
	}
	if _, err := program.Run(ctx, "tar", "-xf", image, "-C", layout); err != nil {
		return err
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(image), "chatmaild_"), "_")
	m.bundle = filepath.Join(dir, "bundle")
	if _, err := program.Run(ctx, "umoci", "unpack", "--image", layout+":"+version, m.bundle); err != nil {
		return err
	}
	return m.configureRuntime()
}

// configureRuntime writes what a runtime makes of packaging/container/compose.yaml
// (github.com/opencontainers/runtime-spec, config.md).
func (m *Image) configureRuntime() error {
	path := filepath.Join(m.bundle, "config.json")
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
	spec["hostname"] = m.Name
	mount := func(at, kind, from string, options ...string) map[string]any {
		return map[string]any{"destination": at, "type": kind, "source": from, "options": options}
	}
	spec["mounts"] = []any{
		mount("/proc", "proc", "proc"),
		mount("/dev", "tmpfs", "tmpfs", "nosuid", "mode=755", "size=65536k"),
		mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
		mount("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"),
		mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev"),
		mount("/data", "bind", m.Volume, "rbind", "rw"),
		mount("/etc/resolv.conf", "bind", filepath.Join(m.dir, "upper/etc/resolv.conf"), "bind", "ro"),
		mount("/etc/hosts", "bind", filepath.Join(m.dir, "upper/etc/hosts"), "bind", "ro"),
	}
	spec["linux"] = map[string]any{"namespaces": []any{
		map[string]any{"type": "pid"}, map[string]any{"type": "ipc"}, map[string]any{"type": "uts"}, map[string]any{"type": "mount"},
		map[string]any{"type": "network", "path": m.Path()},
	}}
	if text, err = json.Marshal(spec); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// Start has crun start the image.
func (m *Image) Start() error {
	pidFile := m.bundle + ".pid"
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", runtimeScript, "runtime",
		m.bundle, pidFile, fmt.Sprintf("%s-%s-%d-%d", m.network.ID, m.Name, m.pulled, time.Now().UnixNano()),
		filepath.Join(m.dir, "crun"))
	l, err := launch(m.Host, cmd, syscall.SIGKILL)
	if err != nil {
		return err
	}
	err = awaitLeader(m.Host, l, func() int {
		text, _ := os.ReadFile(pidFile)
		leader, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return leader
	})
	return errors.Join(err, os.Remove(pidFile))
}

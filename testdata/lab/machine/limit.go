package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits hold a container to a part of this machine. It is not a virtual machine of that
// size: the kernel itself, its page tables and what it keeps for each device are this
// machine's, and so is what reads and writes the disk; but the page cache, sockets and what
// else the kernel keeps for the container's processes count. There is no swap. What else runs
// on its processors has to wait for it.
type Limits struct {
	Memory     int64  // bytes
	Processors string // of this machine, as in "0" or "0-1"
}

// limitScript puts itself under the limits and becomes what boots the host. Controllers are
// in hierarchies of their own (cgroup v1), or in the one in which bootScript makes the host's
// cgroup, by the same name (v2). Arguments: name, memory, processors, then the program.
const limitScript = `set -e
name=$1 memory=$2 processors=$3; shift 3
cd /sys/fs/cgroup
if [ -e cgroup.controllers ]; then
	echo "+memory +cpuset +cpu" >cgroup.subtree_control
	mkdir -p "$name"
	echo "$memory" >"$name/memory.max"
	echo 0 >"$name/memory.swap.max"
	echo "$processors" >"$name/cpuset.cpus"
	echo 10000 >"$name/cpu.weight"
else
	mkdir -p "memory/$name" "cpuset/$name" "cpu/$name"
	echo "$memory" >"memory/$name/memory.limit_in_bytes"
	echo 0 >"memory/$name/memory.swappiness"
	echo "$processors" >"cpuset/$name/cpuset.cpus"
	cat cpuset/cpuset.mems >"cpuset/$name/cpuset.mems"
	echo 262144 >"cpu/$name/cpu.shares"
	for controller in memory cpuset cpu; do echo $$ >"$controller/$name/cgroup.procs"; done
fi
cd /
exec "$@"`

const cgroups = "/sys/fs/cgroup"

// limited is a command under the host's limits, if it has any.
func limited(h *Host, boot ...string) []string {
	if h.Limits == nil {
		return boot
	}
	return append([]string{"sh", "-c", limitScript, "limit", cgroupName(h), strconv.FormatInt(h.Limits.Memory, 10), h.Limits.Processors}, boot...)
}

// cgroupName is the name of the host's cgroup.
func cgroupName(h *Host) string { return h.network.ID + "-" + h.Name }

// removeLimits removes the cgroups of the hierarchies of cgroup v1, of a run with this id.
func removeLimits(id string) error {
	found, err := filepath.Glob(filepath.Join(cgroups, "*", id+"-*"))
	for _, dir := range found {
		if rmErr := unix.Rmdir(dir); rmErr != nil && !errors.Is(rmErr, unix.ENOENT) {
			err = errors.Join(err, fmt.Errorf("removing cgroup %s: %w", dir, rmErr))
		}
	}
	return err
}

// SetProcessors has a host with limits run on other processors. What has begun keeps its idea of
// how many there are.
func SetProcessors(h *Host, processors string) error {
	if h.Limits == nil {
		return fmt.Errorf("%s has no limits", h.Name)
	}
	file := filepath.Join(cgroups, "cpuset", cgroupName(h), "cpuset.cpus")
	if _, err := os.Stat(file); err != nil {
		file = filepath.Join(cgroups, cgroupName(h), "cpuset.cpus")
	}
	return os.WriteFile(file, []byte(processors), 0o644)
}

// A Memory is how a host is doing under its limit, in bytes.
type Memory struct {
	Limit, Used int64
	// Cache is the part of what is used that the kernel gives back at once: pages of files that
	// nobody has used of late.
	Cache int64
	// Killed is how many processes were killed for want of memory.
	Killed int64
}

// Available is what processes can still have.
func (m Memory) Available() int64 { return m.Limit - m.Used + m.Cache }

// ReadMemory reads how a host with limits is doing.
func ReadMemory(h *Host) (m Memory, err error) {
	if h.Limits == nil {
		return m, fmt.Errorf("%s has no limits", h.Name)
	}
	m.Limit = h.Limits.Memory
	dir := filepath.Join(cgroups, "memory", cgroupName(h))
	names := [4]string{"memory.usage_in_bytes", "total_inactive_file", "memory.oom_control", "memory.stat"}
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join(cgroups, cgroupName(h))
		names = [4]string{"memory.current", "inactive_file", "memory.events", "memory.stat"}
	}
	text, err := os.ReadFile(filepath.Join(dir, names[0]))
	if err == nil {
		m.Used, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	if err == nil {
		m.Cache, err = keyed(filepath.Join(dir, names[3]), names[1])
	}
	if err == nil {
		m.Killed, err = keyed(filepath.Join(dir, names[2]), "oom_kill")
	}
	return m, err
}

// keyed is a number behind a word, in a file of such lines.
func keyed(file, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), key+" "); ok {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s: %w", file, key, fs.ErrNotExist)
}

// meminfo is where a host with limits has what its /proc/meminfo says: a container sees this
// machine's otherwise.
const meminfo = "/run/lab-meminfo"

// ShowMemory has the programs of a host with limits see its memory, as it is now, in
// /proc/meminfo.
func ShowMemory(h *Host) error {
	leader, err := h.Leader()
	if err != nil {
		return err
	}
	m, err := ReadMemory(h)
	if err != nil {
		return err
	}
	kib := func(n int64) int64 { return max(n, 0) >> 10 }
	text := fmt.Sprintf("MemTotal: %d kB\nMemFree: %d kB\nMemAvailable: %d kB\nBuffers: 0 kB\nCached: %d kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
		kib(m.Limit), kib(m.Limit-m.Used), kib(m.Available()), kib(m.Cache))
	return os.WriteFile(fmt.Sprintf("/proc/%d/root%s", leader, meminfo), []byte(text), 0o644)
}

// bindMeminfo puts it in its place; the host is up.
func bindMeminfo(ctx context.Context, h *Host) error {
	if err := ShowMemory(h); err != nil {
		return err
	}
	_, err := h.Run(ctx, "mount", "--bind", meminfo, "/proc/meminfo")
	return err
}

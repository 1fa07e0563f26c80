// Package machine tells how the machine is doing, as far as new accounts are
// concerned: Linux's /proc/loadavg and /proc/meminfo (proc(5)), or sysinfo(2) where there
// is no /proc; the free space of a file system (statfs(2)); and whether a file forbids new
// accounts.
package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"chatmaild/auth"
	"chatmaild/store/disk"
	"chatmaild/store/nocreate"
)

// fresh is for how long a measurement holds.
const fresh = time.Second

// Machine measures this machine, at most once a second. Its methods may be called
// concurrently.
type Machine struct {
	Mailboxes string // a directory on the file system in question
	NoCreate  string // the file that forbids new accounts while it exists
	Now       func() time.Time

	mu   sync.Mutex
	at   time.Time
	last auth.State
}

var _ auth.Machine = (*Machine)(nil)

// State implements auth.Machine. The nocreate file is looked for each time.
func (m *Machine) State() (auth.State, error) {
	forbidden, err := nocreate.Pulled(m.NoCreate)
	if err != nil {
		return auth.State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if age := m.Now().Sub(m.at); age < 0 || age >= fresh {
		s, err := measure(m.Mailboxes)
		if err != nil {
			return auth.State{}, err
		}
		m.last, m.at = s, m.Now()
	}
	s := m.last
	s.Forbidden = forbidden
	return s, nil
}

func measure(dir string) (s auth.State, err error) {
	s.Load, s.Memory, err = readProc()
	if errors.Is(err, fs.ErrNotExist) {
		// A plain chroot has no /proc.
		s.Load, s.Memory, err = sysinfo()
	}
	if err != nil {
		return s, fmt.Errorf("measuring the machine: %w", err)
	}
	usage, err := disk.Of(dir)
	s.Disk = usage.Free
	return s, err
}

// readProc returns the load average of one minute, and the bytes of memory available.
func readProc() (load float64, memory int64, err error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, 0, err
	}
	if load, err = parseLoad(string(text)); err != nil {
		return 0, 0, err
	}
	if text, err = os.ReadFile("/proc/meminfo"); err != nil {
		return 0, 0, err
	}
	memory, err = parseMemory(string(text), "MemAvailable")
	return load, memory, err
}

// Memory is how much memory the machine has, in bytes; in a container, how much that may have
// (memory.max of cgroup v2).
func Memory() (int64, error) {
	total, err := total()
	if err != nil {
		return 0, fmt.Errorf("measuring the machine: %w", err)
	}
	limit, _ := os.ReadFile("/sys/fs/cgroup/memory.max") // a whole machine has none
	return atMost(total, string(limit)), nil
}

// atMost is total, or a limit below it as the kernel writes it: a number, or "max".
func atMost(total int64, limit string) int64 {
	if n, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err == nil && n < total {
		return n
	}
	return total
}

func total() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if errors.Is(err, fs.ErrNotExist) {
		var info syscall.Sysinfo_t
		if err := syscall.Sysinfo(&info); err != nil {
			return 0, fmt.Errorf("sysinfo: %w", err)
		}
		return int64(info.Totalram * uint64(info.Unit)), nil
	}
	if err != nil {
		return 0, err
	}
	return parseMemory(string(text), "MemTotal")
}

// sysinfo is readProc by sysinfo(2), which does not know how much of the page cache could
// be given back: what it says is available is the least that can be.
func sysinfo() (load float64, memory int64, err error) {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return 0, 0, fmt.Errorf("sysinfo: %w", err)
	}
	free := (info.Freeram + info.Bufferram) * uint64(info.Unit)
	return float64(info.Loads[0]) / loadUnit, int64(free), nil
}

// loadUnit is what a load of 1 is in sysinfo(2): 1 << SI_LOAD_SHIFT of linux/sysinfo.h.
const loadUnit = 1 << 16

// parseLoad returns the load average of one minute from /proc/loadavg.
func parseLoad(text string) (float64, error) {
	first, _, _ := strings.Cut(text, " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil || load < 0 {
		return 0, fmt.Errorf("/proc/loadavg begins with %.20q, want a number", first)
	}
	return load, nil
}

// parseMemory returns the bytes that /proc/meminfo has of a kind.
func parseMemory(text, kind string) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, kind+":")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			return 0, fmt.Errorf("/proc/meminfo has %s: %.20q, want kB", kind, strings.TrimSpace(value))
		}
		return kib << 10, nil
	}
	return 0, errors.New("/proc/meminfo has no " + kind)
}

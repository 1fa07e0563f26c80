// Package machine tells how the machine is doing, as far as new accounts are
// concerned: Linux's /proc/loadavg and /proc/meminfo (proc(5)), the free space of
// a file system (statfs(2)), and whether a file forbids new accounts.
package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatmaild/auth"
	"chatmaild/store/disk"
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
	forbidden, err := exists(m.NoCreate)
	if err != nil {
		return auth.State{}, fmt.Errorf("looking for the nocreate file: %w", err)
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

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func measure(dir string) (s auth.State, err error) {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return s, fmt.Errorf("reading the load: %w", err)
	}
	if s.Load, err = parseLoad(string(load)); err != nil {
		return s, err
	}
	memory, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return s, fmt.Errorf("reading the memory in use: %w", err)
	}
	if s.Memory, err = parseMemory(string(memory)); err != nil {
		return s, err
	}
	usage, err := disk.Of(dir)
	s.Disk = usage.Free
	return s, err
}

// parseLoad returns the load average of one minute from /proc/loadavg.
func parseLoad(text string) (float64, error) {
	first, _, _ := strings.Cut(text, " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil || load < 0 {
		return 0, fmt.Errorf("/proc/loadavg begins with %.20q, want a number", first)
	}
	return load, nil
}

// parseMemory returns the bytes that /proc/meminfo calls available.
func parseMemory(text string) (int64, error) {
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "MemAvailable:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			return 0, fmt.Errorf("/proc/meminfo has MemAvailable: %.20q, want kB", strings.TrimSpace(value))
		}
		return kib << 10, nil
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}

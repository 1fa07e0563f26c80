// Package usage reads what the services of a host take: processor time, memory, processes,
// descriptors. It looks from outside, at the host's cgroups and at /proc, so that nothing runs
// on the host for that.
package usage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/machine"
)

// A Usage is what the services took at one moment.
type Usage struct {
	At       time.Time
	Services map[string]Service // by name, without what systemd needs of it
}

// A Service is what the processes of one unit take.
type Service struct {
	CPU      time.Duration // that all of them, and those before them, have used
	Programs map[string]Program
}

// A Program is what the processes of one service take that run the same program.
type Program struct {
	Processes, Descriptors int
	// PSS is the proportional set size in bytes: what processes share counts once.
	PSS int64
}

// Read reads what the services of a container take.
func Read(h *machine.Host) (Usage, error) { return read(h, true) }

// ReadCPU is Read without the processes, which are many.
func ReadCPU(h *machine.Host) (Usage, error) { return read(h, false) }

func read(h *machine.Host, processes bool) (Usage, error) {
	u := Usage{At: time.Now(), Services: map[string]Service{}}
	leader, err := h.Leader()
	if err != nil {
		return u, err
	}
	slice := fmt.Sprintf("/proc/%d/root/sys/fs/cgroup/system.slice", leader)
	err = filepath.WalkDir(slice, func(dir string, d fs.DirEntry, err error) error {
		if gone(err) && dir != slice {
			return nil
		}
		if err != nil || !d.IsDir() || !strings.HasSuffix(dir, ".service") {
			return err
		}
		s := Service{Programs: map[string]Program{}}
		if s.CPU, err = cpu(dir); err == nil && processes {
			err = s.add(dir)
		}
		if err != nil && !gone(err) {
			return err
		}
		u.Services[shortName(filepath.Base(dir))] = s
		return nil
	})
	return u, err
}

// gone tells whether a process or a cgroup has just ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV)
}

// shortName is a service's without what systemd needs of it.
func shortName(service string) string {
	name := strings.TrimPrefix(strings.TrimSuffix(service, ".service"), "chatmaild-")
	return strings.TrimSuffix(name, "@-")
}

// cpu is the processor time of a cgroup.
func cpu(dir string) (time.Duration, error) {
	micros, err := value(filepath.Join(dir, "cpu.stat"), "usage_usec")
	return time.Duration(micros) * time.Microsecond, err
}

// add counts the processes of a cgroup and of those below it. A unit's are all in it, but for
// units that delegate.
func (s Service) add(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for pid := range strings.FieldsSeq(string(text)) {
			if err := s.count("/proc/" + pid); err != nil && !gone(err) {
				return err
			}
		}
		return nil
	})
}

// count adds one process.
func (s Service) count(proc string) error {
	name, err := os.ReadFile(proc + "/comm")
	if err != nil {
		return err
	}
	kib, err := value(proc+"/smaps_rollup", "Pss:")
	if err != nil {
		return err
	}
	descriptors, err := os.ReadDir(proc + "/fd")
	if err != nil {
		return err
	}
	program := strings.TrimSpace(string(name))
	p := s.Programs[program]
	s.Programs[program] = Program{p.Processes + 1, p.Descriptors + len(descriptors), p.PSS + kib<<10}
	return nil
}

// value is a number behind a word, in a file of such lines.
func value(file, key string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == key {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s: %w", file, key, fs.ErrNotExist) // as of a process that is ending
}

// Sum is what all processes of the service take.
func (s Service) Sum() (sum Program) {
	for _, p := range s.Programs {
		sum = sum.plus(p)
	}
	return sum
}

func (p Program) plus(q Program) Program {
	return Program{p.Processes + q.Processes, p.Descriptors + q.Descriptors, p.PSS + q.PSS}
}

// Sum is what all processes of all services take.
func (u Usage) Sum() (sum Program) {
	for _, s := range u.Services {
		sum = sum.plus(s.Sum())
	}
	return sum
}

// CPU is the processor time of all services.
func (u Usage) CPU() (sum time.Duration) {
	for _, s := range u.Services {
		sum += s.CPU
	}
	return sum
}

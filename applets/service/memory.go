package service

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// A daemon that had more than busyFaults pages mapped since it last gave memory back has
// something to give: what work took, or what the runtime's own collection did, which comes
// every two minutes. It gives it back when it has computed for no more than restCPU
// within restInterval.
const (
	restInterval = 10 * time.Second
	restCPU      = 20 * time.Millisecond
	busyFaults   = 128
)

// usage is what a daemon has used since it started: processor time, and the page faults that
// needed no reading (getrusage(2)).
type usage struct {
	cpu    time.Duration
	faults int64
}

// rest calls free after each time of work, until ctx is done. look reads the usage. By
// itself the runtime keeps what work took for long: the next collection may be minutes
// away, and what it frees goes back at leisure.
func rest(ctx context.Context, look func() usage, free func()) {
	tick := time.NewTicker(restInterval)
	defer tick.Stop()
	before := look()
	for freed := before; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look()
		if now.cpu-before.cpu <= restCPU && now.faults-freed.faults > busyFaults {
			free()
			now = look() // free has its own share
			freed = now
		}
		before = now
	}
}

// ownUsage never fails: getrusage has nothing to complain of.
func ownUsage() usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return usage{}
	}
	return usage{time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Minflt}
}

// unmapProgram unmaps this program's code and constants (madvise(2), MADV_DONTNEED). The
// daemons, the jobs and the commands are one program, and starting reads a piece of each
// package in it: 13 MB are mapped then, of which an idle daemon needs 5. A page that is needed
// after all is mapped again from the page cache; the others no longer look like
// memory in use, and the kernel drops them first.
func unmapProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer smaps.Close()
	var mapping string // of the program, if nothing can be written to it
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Bytes()
		if name, amount, _ := bytes.Cut(line, []byte(":")); len(name) > 0 && !bytes.ContainsRune(name, '-') {
			// No page of it was written, by a dynamic linker for instance: nothing is lost.
			if mapping != "" && string(name) == "Anonymous" && string(bytes.TrimSpace(amount)) == "0 kB" {
				if err := unmap(mapping); err != nil {
					return err
				}
			}
			continue
		}
		mapping = "" // another one begins (proc(5))
		if bytes.HasSuffix(line, []byte(" "+program)) {
			if fields := strings.Fields(string(line)); !strings.Contains(fields[1], "w") {
				mapping = fields[0]
			}
		}
	}
	return lines.Err()
}

// unmap takes a mapping as proc(5) has it: its first address and that behind it, in hex.
func unmap(mapping string) error {
	var start, end uintptr
	if _, err := fmt.Sscanf(mapping, "%x-%x", &start, &end); err != nil {
		return fmt.Errorf("/proc/self/smaps: mapping %q: %w", mapping, err)
	}
	if _, _, err := syscall.Syscall(syscall.SYS_MADVISE, start, end-start, syscall.MADV_DONTNEED); err != 0 {
		return os.NewSyscallError("madvise", err)
	}
	return nil
}

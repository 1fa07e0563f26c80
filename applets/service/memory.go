package service

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A daemon that has allocated more than busyAlloc bytes since it last gave memory back has
// worked; it gives its memory back when it allocates restAlloc at most within restInterval.
const (
	restInterval = 10 * time.Second
	busyAlloc    = 1 << 20
	restAlloc    = 256 << 10
)

// rest calls free after each time of work, until ctx is done. allocated is how many
// bytes were ever taken from the heap. By itself the runtime keeps what work took for
// long: the next collection may be minutes away, and what it frees goes back at leisure.
func rest(ctx context.Context, allocated func() uint64, free func()) {
	tick := time.NewTicker(restInterval)
	defer tick.Stop()
	before := allocated()
	for freed := before; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := allocated()
		if now-before <= restAlloc && now-freed > busyAlloc {
			free()
			freed = now
		}
		before = now
	}
}

// allocated is read with the world stopped, for microseconds every restInterval. Package
// runtime/metrics, which need not stop it, costs each daemon 33 KiB.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
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

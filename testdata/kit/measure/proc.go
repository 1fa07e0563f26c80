package measure

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// What follows reads what a process takes, in proc(5).

// memory is a figure in KiB, in MiB.
func memory(pid int, file, key string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/%s has no %s", pid, file, key)
}

// cpu is the processor time that all threads of a process have used, to 10 ms.
func cpu(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// Behind the name, which may have blanks and parentheses, utime and stime are the 12th
	// and the 13th.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err // USER_HZ is 100
}

// switches is how often threads of a process that still run have given up a processor by
// themselves, to wait. Each time, they have been woken before, or are woken later.
func switches(pid int) (int, error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, thread := range threads {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread.Name()))
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(text), "\nvoluntary_ctxt_switches:")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return 0, fmt.Errorf("/proc/%d/task/%s/status has no voluntary_ctxt_switches", pid, thread.Name())
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

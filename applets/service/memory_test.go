package service

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRest has a daemon work, twice all at once and once little by little: memory is given
// back once after each, and neither while it works nor while it has nothing to give.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cpu, faults, freed atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		go rest(ctx, func() usage { return usage{time.Duration(cpu.Load()), faults.Load()} }, func() {
			cpu.Add(int64(restCPU))
			faults.Add(busyFaults)
			freed.Add(1)
		})
		synctest.Wait() // it has looked
		const work = restCPU + 1
		for i, step := range []struct {
			cpu    time.Duration
			faults int64
			want   int64 // so often until then
		}{
			{0, 0, 0}, {work, busyFaults + 1, 0}, {restCPU, 0, 1}, {0, 0, 1}, {work, 5 * busyFaults, 1}, {work, 0, 1}, {restCPU, 0, 2}, {restCPU, 0, 2},
			{restCPU, busyFaults / 2, 2}, {0, busyFaults / 2, 2}, {0, 1, 3}, {work, 0, 3}, {0, 0, 3},
		} {
			cpu.Add(int64(step.cpu))
			faults.Add(step.faults)
			time.Sleep(restInterval)
			synctest.Wait()
			if freed := freed.Load(); freed != step.want {
				t.Errorf("step %d: memory was given back %d times, want %d", i+1, freed, step.want)
			}
		}
		stop()
	})
}

// TestOwnUsage has this process compute and take memory.
func TestOwnUsage(t *testing.T) {
	before := ownUsage()
	memory, err := syscall.Mmap(-1, 0, 64*os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	if err := syscall.Madvise(memory, syscall.MADV_NOHUGEPAGE); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	until := time.Now().Add(20 * time.Millisecond)
	for time.Now().Before(until) {
	}
	after := ownUsage()
	if got := after.faults - before.faults; got < 64 {
		t.Errorf("%d page faults, want 64 at least", got)
	}
	if after.cpu <= before.cpu {
		t.Errorf("%v of processor time after %v", after.cpu, before.cpu)
	}
}

// TestUnmapProgram has fewer pages of files mapped afterwards, and continues.
func TestUnmapProgram(t *testing.T) {
	mapped := func() int { // proc(5): the third number is resident pages of files
		t.Helper()
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.Atoi(strings.Fields(string(statm))[2])
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	before := mapped()
	if err := unmapProgram(); err != nil {
		t.Fatal(err)
	}
	if after := mapped(); after > before*3/4 {
		t.Errorf("%d of %d pages are still mapped, want three quarters at most", after, before)
	}
}

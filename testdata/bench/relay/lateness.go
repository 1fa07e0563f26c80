package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// lateEvery is how often it is looked how late this program runs.
const lateEvery = 10 * time.Millisecond

// A lateness is how late the people are: what this program has to wait for a processor is in
// each of their times, and not the relay's.
type lateness struct {
	mu    sync.Mutex
	waits []late
}

// late is one wait that took longer than it should have.
type late struct {
	at time.Time
	by time.Duration
}

// run measures until ctx ends.
func (l *lateness) run(ctx context.Context) {
	for ctx.Err() == nil {
		start := time.Now()
		time.Sleep(lateEvery)
		now := time.Now()
		l.mu.Lock()
		l.waits = append(l.waits, late{now, max(0, now.Sub(start)-lateEvery)})
		l.mu.Unlock()
	}
}

// since returns those after a moment.
func (l *lateness) since(moment time.Time) (all []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _ := slices.BinarySearchFunc(l.waits, moment, func(w late, at time.Time) int { return w.at.Compare(at) })
	for _, w := range l.waits[first:] {
		all = append(all, w.by)
	}
	return all
}

// ownTime is the processor time that this program has used.
func ownTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

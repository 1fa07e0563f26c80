package network

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread that has joined the station's network namespace. Sockets
// stay in the namespace in which they were made, so f need only make them; it
// must not start goroutines that make more. The thread is not used again.
func (s Station) Do(f func() error) error {
	if s.Netns == "" {
		return f() // this machine's own
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(s.Path())
		if err != nil {
			done <- fmt.Errorf("entering the network namespace: %w", err)
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("entering the network namespace %s: %w", s.Netns, err)
			return
		}
		done <- f()
	}()
	return <-done
}

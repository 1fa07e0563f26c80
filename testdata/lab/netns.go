package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNetns calls f on a thread that has joined the network namespace. Sockets
// stay in the namespace in which they were made, so f need only make them; it
// must not start goroutines that make more. The thread is not used again.
// The namespace "" is the one that we are in.
func inNetns(name string, f func() error) error {
	if name == "" {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(netnsPath(name))
		if err != nil {
			done <- fmt.Errorf("entering the network namespace: %w", err)
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("entering the network namespace %s: %w", name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

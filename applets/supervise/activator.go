package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// activationPause is how long a service that did not start, although a client connected, is left
// alone.
const activationPause = time.Second

// activator starts a service when there is something to read at one of its sockets. It does
// not look while the service runs: each connection would wake us as well.
type activator struct {
	super *Supervisor
	log   *slog.Logger
	alarm [2]int // a pipe that ends a wait

	mu      sync.Mutex
	sockets []*socket
	busy    map[string]bool // services that are being started
}

func newActivator(super *Supervisor) (*activator, error) {
	a := &activator{super: super, log: super.log, busy: map[string]bool{}}
	if err := unix.Pipe2(a.alarm[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	go a.loop()
	return a, nil
}

// wake has it look again at who waits.
func (a *activator) wake() { _, _ = unix.Write(a.alarm[1], []byte{0}) }

func (a *activator) add(so *socket) {
	a.mu.Lock()
	a.sockets = append(a.sockets, so)
	a.mu.Unlock()
	a.wake()
}

func (a *activator) remove(so *socket) {
	a.mu.Lock()
	a.sockets = slices.DeleteFunc(a.sockets, func(other *socket) bool { return other == so })
	a.mu.Unlock()
	a.wake()
}

func (a *activator) loop() {
	for {
		fds := []unix.PollFd{{Fd: int32(a.alarm[0]), Events: unix.POLLIN}}
		var names []string
		for _, so := range a.waiting() {
			so.mu.Lock()
			if so.file != nil {
				fds = append(fds, unix.PollFd{Fd: int32(so.file.Fd()), Events: unix.POLLIN})
				names = append(names, so.service())
			}
			so.mu.Unlock()
		}
		if _, err := unix.Poll(fds, -1); err != nil {
			continue // a signal
		}
		var drained [64]byte
		_, _ = unix.Read(a.alarm[0], drained[:])
		for i, fd := range fds[1:] {
			if fd.Revents&unix.POLLIN != 0 {
				a.activate(names[i])
			}
		}
	}
}

// open are the sockets that listen.
func (a *activator) open() []*socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sockets)
}

// waiting are the sockets whose services do not run.
func (a *activator) waiting() []*socket {
	return slices.DeleteFunc(a.open(), func(so *socket) bool {
		so.mu.Lock()
		name := so.service()
		so.mu.Unlock()
		a.mu.Lock()
		busy := a.busy[name]
		a.mu.Unlock()
		sv, err := a.super.service(name)
		return busy || err != nil || !sv.idle()
	})
}

func (a *activator) activate(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy[name] {
		return
	}
	a.busy[name] = true
	go func() {
		err := a.super.activate(context.Background(), name)
		if errors.Is(err, errStopping) {
			return // and stays busy
		}
		if err != nil {
			a.log.Error("a part of the relay does not start", "unit", name, "error", err)
		}
		if sv, err := a.super.service(name); err != nil || sv.idle() {
			time.Sleep(activationPause)
		}
		a.mu.Lock()
		delete(a.busy, name)
		a.mu.Unlock()
		a.wake()
	}()
}

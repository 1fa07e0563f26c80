// Package service is the operating system's side of a daemon: its listener, its
// messages to systemd, its log, and the order in which it starts and stops.
//
// A daemon starts by listening (on the socket that systemd hands over under the
// daemon's name, else on one of its own), says READY=1, serves, and on SIGTERM
// says STOPPING=1, accepts no more and finishes what it has accepted.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// DefaultDrain is how long a daemon may take to finish what it has accepted.
// It is less than systemd's TimeoutStopSec in our units (90 s).
const DefaultDrain = 60 * time.Second

// Service is a daemon with one listener.
type Service struct {
	// Name is the daemon's name and that of its systemd socket
	// (FileDescriptorName=).
	Name string
	// Address is where to listen if systemd hands over no listener.
	Address Address
	// Serve accepts until ctx is done and then returns as soon as all that
	// was accepted is finished. It closes the listener.
	Serve func(ctx context.Context, l net.Listener) error
	// Background, if set, runs beside Serve and ends when ctx is done. If it
	// fails, the daemon fails.
	Background func(ctx context.Context) error
	// Drain bounds the time between SIGTERM and the end; 0 means DefaultDrain.
	Drain time.Duration
	Log   *slog.Logger
}

// Run runs the service until ctx is done and everything accepted is finished.
// It fails when it cannot listen, when serving fails, or when it did not finish
// in time.
func (s *Service) Run(ctx context.Context) error {
	l, err := listen(s.Name, s.Address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	tasks := []func(context.Context) error{
		func(ctx context.Context) error { return s.Serve(ctx, l) },
	}
	if s.Background != nil {
		tasks = append(tasks, s.Background)
	}
	done := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() { done <- task(ctx) }()
	}
	s.notify(daemon.SdNotifyReady)
	s.Log.Info("started", "listen", l.Addr().String())

	drain := make(<-chan time.Time)
	stopping := ctx.Done()
	var failure error
	for running := len(tasks); running > 0; {
		select {
		case err := <-done:
			running--
			if err != nil && !errors.Is(err, context.Canceled) && failure == nil {
				failure = err
			}
			if ctx.Err() == nil && failure == nil {
				failure = errors.New("stopped serving without having been asked to")
			}
			cancel()
		case <-stopping:
			stopping = nil
			s.notify(daemon.SdNotifyStopping)
			drain = time.After(s.drain())
		case <-drain:
			return fmt.Errorf("not everything was finished %v after the request to stop", s.drain())
		}
	}
	s.Log.Info("stopped")
	return failure
}

func (s *Service) drain() time.Duration {
	if s.Drain > 0 {
		return s.Drain
	}
	return DefaultDrain
}

// notify tells systemd; without systemd it does nothing.
func (s *Service) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Log.Warn("cannot notify systemd", "state", state, "error", err)
	}
}

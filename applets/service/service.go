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
	"runtime/debug"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"chatmaild/applets/service/metric"
)

// DefaultDrain is how long a daemon may take to finish what it has accepted.
// It is less than systemd's TimeoutStopSec in our units (90 s).
const DefaultDrain = 60 * time.Second

// Endpoint is where a daemon listens, and what it does there.
type Endpoint struct {
	// Name is that of the systemd socket (FileDescriptorName=).
	Name string
	// Address is where to listen if systemd hands over no listener.
	Address Address
	// Handed is an endpoint that is served only if systemd hands over its listener: on a port
	// that a daemon may not listen on itself. It has no Address.
	Handed bool
	// Serve accepts until ctx is done and then returns as soon as all that
	// was accepted is finished. It closes the listener.
	Serve func(ctx context.Context, l net.Listener) error
	// Datagrams takes the place of Serve at a unix socket for datagrams.
	Datagrams func(ctx context.Context, c *net.UnixConn) error
	// Packets takes the place of Serve at a UDP port.
	Packets func(ctx context.Context, c net.PacketConn) error
}

func (e *Endpoint) run(ctx context.Context, s socket) error {
	switch {
	case e.Datagrams != nil:
		return e.Datagrams(ctx, s.datagrams)
	case e.Packets != nil:
		return e.Packets(ctx, s.packets)
	}
	return e.Serve(ctx, s.listener)
}

// Service is a daemon. Its first endpoint has the daemon's name; without Serve it
// has none.
type Service struct {
	Name    string
	Address Address
	Serve   func(ctx context.Context, l net.Listener) error
	// More are the endpoints beside the first. It fails if one of them fails.
	More []Endpoint
	// Background, if set, runs beside Serve and ends when ctx is done. If it
	// fails, the daemon fails.
	Background func(ctx context.Context) error
	// InUse, if set, says how many use the daemon: one that its sockets start ends when
	// there has been none for five minutes.
	InUse func() int
	// Drain bounds the time between SIGTERM and the end; 0 means DefaultDrain.
	Drain time.Duration
	Log   *slog.Logger

	// Metrics, if set, are served to anyone who connects to MetricsSocket, which
	// is created for that.
	Metrics       *metric.Set
	MetricsSocket string
}

// Run runs the service until ctx is done and everything accepted is finished.
// It fails when it cannot listen, when serving fails, or when it did not finish
// in time.
func (s *Service) Run(ctx context.Context) error {
	endpoints := s.More
	if s.Serve != nil {
		endpoints = append([]Endpoint{{Name: s.Name, Address: s.Address, Serve: s.Serve}}, s.More...)
	}
	endpoints, sockets, err := listenAll(endpoints)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var tasks []func(context.Context) error
	for i, e := range endpoints {
		tasks = append(tasks, func(ctx context.Context) error { return e.run(ctx, sockets[i]) })
	}
	if s.Background != nil {
		tasks = append(tasks, s.Background)
	}
	done := make(chan error, len(tasks))
	for _, task := range tasks {
		go func() { done <- task(ctx) }()
	}
	if s.InUse != nil {
		go func() {
			untilIdle(ctx, s.InUse)
			cancel()
		}()
	}
	if s.Metrics != nil {
		closeMetrics := s.tellMetrics(ctx)
		defer func() { cancel(); closeMetrics() }()
	}
	s.notify(daemon.SdNotifyReady)
	if len(sockets) > 0 {
		s.Log.Info("started", "listen", sockets[0].addr().String())
	} else {
		s.Log.Info("started")
	}

	// Starting leaves more behind than serving takes, and no collection may come for
	// hours: an idle daemon does not even fill its smallest heap. Its code stays mapped
	// until the first connections to other servers have needed it, too.
	debug.FreeOSMemory()
	defer time.AfterFunc(restInterval, s.unmap).Stop()
	go rest(ctx, ownUsage, func() {
		debug.FreeOSMemory() // which maps the collector: first
		s.unmap()
	})

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

func (s *Service) unmap() {
	if err := unmapProgram(); err != nil {
		s.Log.Debug("the program stays mapped", "error", err)
	}
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

// Ready tells the program that started this one that it serves, if it wants to know.
func Ready() { _, _ = daemon.SdNotify(false, daemon.SdNotifyReady) }

// Alive tells systemd that the daemon does its work, if the unit has WatchdogSec=.
func Alive() {
	// One that does not hear it starts the daemon again.
	_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
}

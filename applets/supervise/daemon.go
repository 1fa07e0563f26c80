package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"chatmaild/applets/supervise/unit"
)

// How soon a service that failed is started again: after its RestartSec=, then twice that,
// and so on up to maxDelay, until it has run for steady. One whose unit limits its starts
// (StartLimitIntervalSec=) is not slowed down, but given up.
const (
	maxDelay = 30 * time.Second
	steady   = time.Minute
)

// daemon keeps a service running. One goroutine does all that changes it.
type daemon struct {
	super    *Supervisor
	requests chan request

	record
	interrupt context.CancelFunc // of the start in progress; guarded by record.mu

	// Of the goroutine alone.
	life     *life // nil while it does not run
	again    <-chan time.Time
	failures int         // since it was steady
	starts   []time.Time // of late
}

type request struct {
	do   func(context.Context) error
	ctx  context.Context
	done chan error
}

func newDaemon(super *Supervisor, u *unit.Unit) *daemon {
	s := &daemon{super: super, record: record{unit: u, now: status{state: inactive}}, requests: make(chan request)}
	go s.loop()
	return s
}

func (s *daemon) loop() {
	for {
		var ended <-chan struct{}
		var silent <-chan time.Time
		if s.life != nil {
			ended, silent = s.life.main.Ended(), s.life.silent
		}
		select {
		case r := <-s.requests:
			r.done <- s.interruptible(r.ctx, r.do)
		case <-ended:
			s.ended()
		case <-silent:
			s.super.log.Error("a daemon has stopped working, and is killed", "unit", s.life.unit.Name, "silent", s.life.unit.Watchdog)
			_ = s.life.main.Signal(syscall.SIGABRT)
			s.life.silent = nil
		case <-s.again:
			s.again = nil
			_ = s.interruptible(context.Background(), s.launch) // which logs it, and tries again
		}
	}
}

// interruptible does something that stop may interrupt.
func (s *daemon) interruptible(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.interrupt = cancel
	s.mu.Unlock()
	return do(ctx)
}

func (s *daemon) ask(ctx context.Context, do func(context.Context) error) error {
	r := request{do, ctx, make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *daemon) start(ctx context.Context) error {
	return s.ask(ctx, func(ctx context.Context) error {
		if s.life != nil {
			return nil
		}
		s.again, s.failures, s.starts = nil, 0, nil
		return s.launch(ctx)
	})
}

func (s *daemon) stop(ctx context.Context) error {
	s.mu.Lock()
	if s.interrupt != nil && s.now.state == activating {
		s.interrupt()
	}
	s.mu.Unlock()
	return s.ask(ctx, func(context.Context) error {
		s.again = nil
		if s.life == nil {
			s.set(inactive)
			return nil
		}
		s.set(deactivating)
		err := s.life.end()
		s.life = nil
		s.set(inactive)
		return err
	})
}

func (s *daemon) reload(ctx context.Context) error {
	return s.ask(ctx, func(ctx context.Context) error {
		u := s.current()
		if s.life == nil {
			return nil
		}
		if len(u.Reload) == 0 {
			return errNoReload
		}
		for _, c := range u.Reload {
			if err := s.life.command(ctx, c, u.StartTimeout); err != nil {
				return err
			}
		}
		s.mu.Lock()
		s.now.changed = now()
		s.mu.Unlock()
		return nil
	})
}

func (s *daemon) set(to state) {
	s.mu.Lock()
	s.now.set(to)
	s.mu.Unlock()
	s.super.activator.wake()
}

// idle reports whether a connection to one of its sockets has to start the service.
func (s *daemon) idle() bool { return s.look().state == inactive }

// launch starts the service, unless one of its conditions does not hold.
func (s *daemon) launch(ctx context.Context) error {
	u := s.current()
	if met, err := conditions(u.Conditions); err != nil || !met {
		s.set(inactive)
		return err
	}
	s.set(activating)
	s.starts = append(s.starts, time.Now())
	l, err := begin(ctx, s.super, u)
	if err != nil {
		s.decide(u, l, err)
		return fmt.Errorf("%s: %w", u.Name, err)
	}
	if u.Type == "oneshot" {
		s.set(inactive)
		return nil
	}
	s.life = l
	s.set(active)
	return nil
}

// ended is called when the main process has, by itself.
func (s *daemon) ended() {
	l := s.life
	s.life = nil
	err := l.main.Err()
	if time.Since(l.began) > steady {
		s.failures = 0
	}
	l.clear()
	s.decide(l.unit, l, err)
}

// decide has a service that has ended start again, or not. l is nil if it had no main
// process.
func (s *daemon) decide(u *unit.Unit, l *life, err error) {
	clean := err == nil
	status := -1
	if l != nil && l.main != nil {
		select {
		case <-l.main.Ended():
			st := l.main.Status()
			if st.Exited() {
				status = st.ExitStatus()
			}
			// The signals that systemd takes for an orderly end (systemd.service(5)).
			clean = clean || st.Signaled() && slices.Contains([]syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE}, st.Signal())
		default:
		}
	}
	log := s.super.log.With("unit", u.Name)
	switch {
	case errors.Is(err, context.Canceled):
		s.set(inactive)
	case slices.Contains(u.PreventRestart, status):
		log.Error("a part of the relay has failed, and is not started again", "status", status)
		s.giveUp(u)
	case u.Restart == "always", u.Restart == "on-failure" && !clean:
		delay, enough := s.delay(u)
		if enough {
			log.Error("a part of the relay fails again and again, and is given up", "error", err)
			s.giveUp(u)
			return
		}
		log.Warn("a part of the relay has ended, and is started again", "error", err, "in", delay)
		s.again = time.After(delay)
		s.mu.Lock()
		s.now.restarts++
		s.mu.Unlock()
		s.set(activating)
	case clean:
		s.set(inactive)
	default:
		log.Error("a part of the relay has failed", "error", err)
		s.giveUp(u)
	}
}

// delay is how long to wait before the next start, unless there were enough.
func (s *daemon) delay(u *unit.Unit) (wait time.Duration, enough bool) {
	if u.StartInterval > 0 {
		s.starts = slices.DeleteFunc(s.starts, func(t time.Time) bool { return time.Since(t) > u.StartInterval })
		return u.RestartDelay, len(s.starts) >= u.StartLimit
	}
	s.starts = nil
	wait = min(u.RestartDelay<<s.failures, maxDelay)
	if wait < maxDelay {
		s.failures++
	}
	return wait, false
}

// giveUp closes the sockets, so that clients are refused at once.
func (s *daemon) giveUp(u *unit.Unit) {
	s.set(failed)
	for _, name := range s.super.socketsFor(u) {
		if p, err := s.super.part(name); err == nil {
			if err := p.stop(context.Background()); err != nil {
				s.super.log.Error("cannot close a socket", "unit", name, "error", err)
			}
		}
	}
}

package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"sync"

	"chatmaild/applets/supervise/unit"
)

// A part of the relay is what a unit stands for.
type part interface {
	// start returns once the part is active, or is skipped by one of its conditions.
	start(ctx context.Context) error
	// stop returns once it is inactive.
	stop(ctx context.Context) error
	// look is its state.
	look() status
	// renew has its next start be that of the unit as it is now.
	renew(*unit.Unit)
}

// Supervisor keeps the units of a relay.
type Supervisor struct {
	helpers
	dirs      []string // of units
	run       string   // in place of /run
	stateDir  string
	log       *slog.Logger
	began     moment
	activator *activator
	disabled  *names

	mu       sync.Mutex
	alias    map[string]string
	units    map[string]*unit.Unit
	parts    map[string]part
	started  []string // in the order in which they did
	stopping bool
}

// journald is the unit whose work is done here: standard output is the journal. It has no
// file, and is as a target that wants nothing.
const journald = "systemd-journald.service"

var errStopping = errors.New("the relay is being stopped")

// part returns that of a name, loaded first if need be.
func (s *Supervisor) part(name string) (part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = s.canonical(name)
	if p := s.parts[name]; p != nil {
		return p, nil
	}
	u, err := load(s.dirs, name)
	if err != nil {
		return nil, err
	}
	p, err := newPart(s, u)
	if err != nil {
		return nil, err
	}
	s.units[name], s.parts[name] = u, p
	return p, nil
}

// canonical is a unit's own name. s.mu is held.
func (s *Supervisor) canonical(name string) string {
	if n, ok := s.alias[name]; ok {
		return n
	}
	return name
}

func newPart(s *Supervisor, u *unit.Unit) (part, error) {
	switch kind := path.Ext(u.Name); kind {
	case ".service":
		return newDaemon(s, u), nil
	case ".socket":
		return &socket{super: s, record: record{unit: u}}, nil
	case ".timer":
		return &waiter{super: s, record: record{unit: u}, wait: timer}, nil
	case ".path":
		return &waiter{super: s, record: record{unit: u}, wait: changes}, nil
	case ".target":
		return &target{super: s, record: record{unit: u}}, nil
	default:
		return nil, fmt.Errorf("%s: units of kind %q are not supported without systemd", u.Name, kind)
	}
}

// service returns the service of a name.
func (s *Supervisor) service(name string) (*daemon, error) {
	p, err := s.part(name)
	if err != nil {
		return nil, err
	}
	if sv, ok := p.(*daemon); ok {
		return sv, nil
	}
	return nil, fmt.Errorf("%s is not a service", name)
}

// start starts a unit, and notes its place in the order.
func (s *Supervisor) start(ctx context.Context, name string) error {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return errStopping
	}
	name = s.canonical(name)
	if !slices.Contains(s.started, name) {
		s.started = append(s.started, name)
	}
	s.mu.Unlock()
	return s.activate(ctx, name)
}

// activate starts a unit that others have asked for: a connection, a timer, a path.
func (s *Supervisor) activate(ctx context.Context, name string) error {
	p, err := s.part(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	stopping := s.stopping
	s.mu.Unlock()
	if stopping {
		return errStopping
	}
	return p.start(ctx)
}

// stop stops a unit, and first what is part of it or cannot be without it.
func (s *Supervisor) stop(ctx context.Context, name string) error {
	p, err := s.part(name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	name = s.canonical(name)
	var with []string
	for _, other := range slices.Backward(s.order()) {
		u := s.units[other]
		if u != nil && other != name && (slices.Contains(u.PartOf, name) || slices.Contains(u.Requires, name)) {
			with = append(with, other)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, other := range with {
		if q, err := s.part(other); err == nil {
			errs = append(errs, q.stop(ctx))
		}
	}
	return errors.Join(append(errs, p.stop(ctx))...)
}

// order is that in which all have started. What others than an admin command have is last,
// such as a daemon that a connection has started. s.mu is held.
func (s *Supervisor) order() []string {
	order := slices.Clone(s.started)
	for name := range s.parts {
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
	}
	return order
}

// stopAll stops everything, the last that was started first.
func (s *Supervisor) stopAll(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	order := s.order()
	s.mu.Unlock()
	var errs []error
	for _, name := range slices.Backward(order) {
		if p, err := s.part(name); err == nil {
			errs = append(errs, p.stop(ctx))
		}
	}
	return errors.Join(errs...)
}

// reload reads the units again, as "systemctl daemon-reload" does. All are read before one
// is exchanged.
func (s *Supervisor) reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]*unit.Unit{}
	for name := range s.units {
		u, err := load(s.dirs, name)
		if err != nil {
			return err
		}
		next[name] = u
	}
	for name, u := range next {
		s.units[name] = u
		s.parts[name].renew(u)
	}
	return nil
}

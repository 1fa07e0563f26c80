package supervise

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// systemctl does what the command of that name does, as far as admin commands use it.
func (s *Supervisor) systemctl(ctx context.Context, args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("a verb is missing")
	}
	verb, names := args[0], args[1:]
	if verb == "show" {
		return s.show(names)
	}
	if verb == "daemon-reload" {
		return "", s.reload()
	}
	do, ok := map[string]func(context.Context, string) error{
		"start": s.start, "stop": s.stop,
		"restart":     func(ctx context.Context, name string) error { return s.restart(ctx, name, true) },
		"try-restart": func(ctx context.Context, name string) error { return s.restart(ctx, name, false) },
		"reload":      s.reloadUnit,
		"try-reload-or-restart": func(ctx context.Context, name string) error {
			if err := s.reloadUnit(ctx, name); !errors.Is(err, errNoReload) {
				return err
			}
			return s.restart(ctx, name, false)
		},
		"enable":  func(_ context.Context, name string) error { return s.enable(name, true) },
		"disable": func(_ context.Context, name string) error { return s.enable(name, false) },
	}[verb]
	if !ok {
		return "", fmt.Errorf("%s is not supported without systemd", verb)
	}
	var errs []error
	for _, name := range names {
		if err := do(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", verb, name, err))
		}
	}
	return "", errors.Join(errs...)
}

// restart stops a unit and starts it again: one that does not run only if it is to.
func (s *Supervisor) restart(ctx context.Context, name string, always bool) error {
	p, err := s.part(name)
	if err != nil {
		return err
	}
	if st := p.look().state; !always && st != active && st != activating {
		return nil
	}
	return errors.Join(p.stop(ctx), s.start(ctx, name))
}

// errNoReload says that a unit cannot be reloaded.
var errNoReload = errors.New("it cannot be reloaded")

// reloadUnit reloads a service that runs; others are left alone.
func (s *Supervisor) reloadUnit(ctx context.Context, name string) error {
	sv, err := s.service(name)
	if err != nil {
		return err
	}
	return sv.reload(ctx)
}

// enable notes whether a unit is to start with the relay. Unless it was disabled, it is.
func (s *Supervisor) enable(name string, yes bool) error {
	if _, err := s.part(name); err != nil {
		return err
	}
	s.mu.Lock()
	name = s.canonical(name)
	s.mu.Unlock()
	return s.disabled.set(name, !yes)
}

// show prints properties of units, or of all, as "systemctl show" does.
func (s *Supervisor) show(args []string) (string, error) {
	var properties, units []string
	for i, arg := range args {
		if list, ok := strings.CutPrefix(arg, "--property="); ok {
			properties = strings.Split(list, ",")
		} else if arg == "--" {
			units = args[i+1:]
			break
		} else if arg != "--timestamp=us+utc" {
			return "", fmt.Errorf("show %s is not supported without systemd", arg)
		}
	}
	if units == nil {
		return assignments(properties, func(name string) (string, bool) {
			base, monotonic := strings.CutSuffix(name, "Monotonic")
			return s.began.format(monotonic), base == "UserspaceTimestamp"
		})
	}
	var blocks []string
	for _, name := range units {
		block, err := s.describe(name, properties)
		if err != nil {
			return "", err
		}
		blocks = append(blocks, block)
	}
	return strings.Join(blocks, "\n"), nil
}

func (s *Supervisor) describe(name string, properties []string) (string, error) {
	loaded, file, st := "loaded", "enabled", status{state: inactive}
	if p, err := s.part(name); errors.Is(err, errNoUnit) {
		loaded, file = "not-found", ""
	} else if err != nil {
		return "", err
	} else if st = p.look(); st.state == "" {
		st.state = inactive
	}
	s.mu.Lock()
	if s.disabled.has(s.canonical(name)) {
		file = "disabled"
	}
	s.mu.Unlock()
	return assignments(properties, func(property string) (string, bool) {
		switch property {
		case "Id":
			return name, true
		case "LoadState":
			return loaded, true
		case "UnitFileState":
			return file, true
		}
		return st.property(property)
	})
}

func assignments(names []string, value func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, name := range names {
		v, ok := value(name)
		if !ok {
			return "", fmt.Errorf("the property %s is not supported without systemd", name)
		}
		fmt.Fprintf(&b, "%s=%s\n", name, v)
	}
	return b.String(), nil
}

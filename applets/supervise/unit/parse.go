package unit

import (
	"fmt"
	"path"
	"strings"
)

// File is one of those that make up a unit.
type File struct {
	Path string // for errors
	Text string
}

// Parse reads a unit: its own file first, then its drop-ins in their order.
func Parse(name string, files ...File) (*Unit, error) {
	u := newUnit(name)
	for _, f := range files {
		if err := u.read(f); err != nil {
			return nil, err
		}
	}
	if path.Ext(name) == ".service" && len(u.Start) != 1 {
		return nil, fmt.Errorf("%s has %d lines ExecStart=, want 1", name, len(u.Start))
	}
	if path.Ext(name) == ".socket" && u.Listen == "" {
		return nil, fmt.Errorf("%s listens nowhere", name)
	}
	return u, nil
}

func (u *Unit) read(f File) error {
	section, number := "", 0
	for line := range strings.Lines(f.Text) {
		number++
		line = strings.TrimSpace(line)
		fail := func(err error) error { return fmt.Errorf("%s:%d: %w", f.Path, number, err) }
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if strings.HasSuffix(line, `\`) {
			return fail(fmt.Errorf("a line that continues on the next is not supported"))
		}
		if line[0] == '[' {
			section = line
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fail(fmt.Errorf("%q is not an assignment", line))
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		name := section + " " + key
		if _, without := meaningless[name]; without {
			continue
		}
		set, ok := directives[name]
		if !ok {
			return fail(fmt.Errorf("%s= in %s is not supported without systemd", key, section))
		}
		if err := set(u, value); err != nil {
			return fail(fmt.Errorf("%s=%s: %w", key, value, err))
		}
	}
	return nil
}

package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/supervise/control"
	"chatmaild/store/safefs"
)

// systemdTime is how systemctl writes a time with --timestamp=us+utc.
const systemdTime = "Mon 2006-01-02 15:04:05.999999 MST"

// Systemd is that of a machine.
type Systemd struct{ Host }

// Systemd is the machine's.
func (h Host) Systemd() Systemd { return Systemd{h} }

// Supervised reports whether "chatmaild supervise" is in systemd's place, as in a
// container.
func (s Systemd) Supervised() bool {
	return s.Command == nil && control.Present(s.path(control.Socket))
}

// Unit is the state of a systemd unit, as systemctl(1) shows it.
type Unit struct {
	Name     string
	Load     string // loaded, not-found, masked …
	Active   string // active, inactive, failed, activating …
	Enabled  string // enabled, disabled, static …
	Restarts int    // by systemd itself, after failures
	Since    time.Time
	Reloaded time.Time // when it was last started or reloaded
}

// Units asks systemd for the state of units, one for each name.
func (s Systemd) Units(ctx context.Context, names ...string) ([]Unit, error) {
	args := append([]string{
		"show", "--timestamp=us+utc",
		"--property=Id,LoadState,ActiveState,UnitFileState,NRestarts,ActiveEnterTimestamp,StateChangeTimestamp", "--",
	}, names...)
	// One call for all of them: status asks for some thirty.
	out, err := s.systemctl(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("asking systemd: %w", err)
	}
	units := parseUnits(out)
	if len(units) != len(names) {
		// As in a chroot, where systemctl does nothing and reports success.
		return nil, errors.New("asking systemd: it does not answer, and chatmaild supervise does not run")
	}
	return units, nil
}

// parseUnits parses the output of systemctl show: blocks of assignments with an
// empty line between two units.
func parseUnits(out string) []Unit {
	var units []Unit
	for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
		var u Unit
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Id":
				u.Name = value
			case "LoadState":
				u.Load = value
			case "ActiveState":
				u.Active = value
			case "UnitFileState":
				u.Enabled = value
			case "NRestarts":
				u.Restarts, _ = strconv.Atoi(value)
			case "ActiveEnterTimestamp":
				u.Since, _ = time.Parse(systemdTime, value)
			// A reload passes through the state "reloading", so the last change is its end.
			case "StateChangeTimestamp":
				u.Reloaded, _ = time.Parse(systemdTime, value)
			}
		}
		units = append(units, u)
	}
	return units
}

// Older reports whether one of the files was written after the unit started, or was
// reloaded. Such a unit has not read the file. What systemd itself reads of a unit counts
// from its start.
func (s Systemd) Older(u Unit, files []string) (bool, error) {
	for _, f := range files {
		info, err := safefs.Stat(s.path(f))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("checking a file: %w", err)
		}
		read := u.Reloaded
		if read.Before(u.Since) || strings.HasPrefix(f, "/etc/systemd/") {
			read = u.Since
		}
		if info.ModTime().After(read) {
			return true, nil
		}
	}
	return false, nil
}

// Systemctl runs systemctl with a verb on units.
func (s Systemd) Systemctl(ctx context.Context, verb string, units ...string) error {
	_, err := s.systemctl(ctx, append([]string{verb}, units...)...)
	return err
}

// systemctl runs the command of that name, or has "chatmaild supervise" do the same where
// that is in systemd's place.
func (s Systemd) systemctl(ctx context.Context, args ...string) (string, error) {
	if s.Supervised() {
		ctx, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		return control.Call(ctx, s.path(control.Socket), args)
	}
	return s.run(ctx, "systemctl", args...)
}

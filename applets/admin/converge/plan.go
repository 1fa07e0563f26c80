package converge

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// Plan is all that has to change on a machine.
type Plan struct {
	Sysctls     []host.Sysctl
	Directories []desired.Directory
	Files       []host.Change
	Units       []UnitStep
	Edited      []string  // of Files, those that were edited by hand since run wrote them
	handover    *handover // of signing, from OpenDKIM; nil if there is none
	wanted      []desired.File
	now         time.Time
}

// UnitStep is something to do with a systemd unit.
type UnitStep struct {
	Verb string // of systemctl: enable, start, reload, restart, stop
	Unit string
	Why  string
}

// Empty reports whether there is nothing to change.
func (p *Plan) Empty() bool {
	return len(p.Sysctls)+len(p.Directories)+len(p.Files)+len(p.Units) == 0 && p.handover == nil
}

// Show prints what Apply would do.
func (p *Plan) Show(w io.Writer) {
	if p.Empty() {
		fmt.Fprintln(w, "nothing to do: this machine matches the configuration")
	}
	for _, s := range p.Sysctls {
		fmt.Fprintf(w, "set %s from %d to %d\n", s.Name, s.Have, s.Wanted)
	}
	for _, f := range p.Directories {
		fmt.Fprintf(w, "create directory %s (%v %s:%s)\n", f.Path, f.Mode, f.Owner, f.Group)
	}
	for _, c := range p.Files {
		if slices.Contains(p.Edited, c.File.Path) {
			fmt.Fprintf(w, "%s was edited by hand:\n", c.File.Path)
		}
		fmt.Fprint(w, c.Diff())
	}
	if p.handover != nil {
		p.handover.show(w)
	}
	for _, s := range p.Units {
		fmt.Fprintf(w, "%s %s (%s)\n", s.Verb, s.Unit, s.Why)
	}
}

// Apply does it. Until the servers have accepted their configurations nothing is
// restarted; if one does not, every file is put back.
//
// A kernel parameter that cannot be set is only a warning: in a container that is up to its
// host. Directories come before the files in them, files before the units that read them.
func (p *Plan) Apply(ctx context.Context, machine host.Host, progress io.Writer) error {
	for _, s := range p.Sysctls {
		if err := machine.SetSysctl(s); err != nil {
			fmt.Fprintf(progress, "! cannot set %s to %d: %v\n", s.Name, s.Wanted, err)
		}
	}
	for _, f := range p.Directories {
		if err := machine.MakeDirectory(f); err != nil {
			return err
		}
	}
	if len(p.Files) > 0 {
		if err := p.write(ctx, machine, progress); err != nil {
			return err
		}
	}
	if err := p.remember(machine); err != nil {
		return err
	}
	for _, steps := range together(p.Units) {
		for _, s := range steps {
			fmt.Fprintf(progress, "  %s %s (%s)\n", s.Verb, s.Unit, s.Why)
		}
		if err := do(ctx, machine, steps); err != nil {
			return command.WithHint(err, "%s; then fix the cause and run this again", desired.Look(steps[0].Unit))
		}
	}
	if p.handover != nil {
		return p.handover.end(ctx, machine, progress)
	}
	return nil
}

// write replaces the files, and has the servers check what they will read. systemd reads
// its own at once, since a check may depend on it.
func (p *Plan) write(ctx context.Context, machine host.Host, progress io.Writer) error {
	kept := desired.Backup(p.now)
	if err := machine.Keep(kept, p.Files); err != nil {
		return err
	}
	if err := p.writeAll(machine, progress, func(f desired.File) bool { return !postfixReads(f) }); err != nil {
		return p.undo(machine, err)
	}
	if p.touches("/etc/systemd/") {
		if err := machine.Systemd().Systemctl(ctx, "daemon-reload"); err != nil {
			return p.undo(machine, err)
		}
	}
	if p.handover != nil {
		if err := p.handover.begin(ctx, machine, progress); err != nil {
			return p.undo(machine, err)
		}
	}
	if err := p.writeAll(machine, progress, postfixReads); err != nil {
		return p.undo(machine, err)
	}
	if !p.touches("/etc/postfix/", "/etc/dovecot/", "/etc/nginx/") {
		return nil
	}
	if err := machine.CheckConfigs(ctx); err != nil {
		return p.undo(machine, err)
	}
	return nil
}

// postfixReads reports whether a file is one that each process of Postfix reads when it
// starts, reload or not.
func postfixReads(f desired.File) bool {
	return f.Path == desired.PostfixMain || f.Path == desired.PostfixMaster
}

// writeAll writes those of the files that which picks.
func (p *Plan) writeAll(machine host.Host, progress io.Writer, which func(desired.File) bool) error {
	for _, c := range p.Files {
		if !which(c.File) {
			continue
		}
		fmt.Fprintf(progress, "  write %s\n", c.File.Path)
		if err := machine.Write(c.File); err != nil {
			return err
		}
	}
	return nil
}

// undo restores the files after a failure, which stays the error.
func (p *Plan) undo(machine host.Host, cause error) error {
	if err := machine.Undo(p.Files); err != nil {
		return fmt.Errorf("%w; restoring the previous files failed, too: %w", cause, err)
	}
	return command.WithHint(cause, "the previous files were restored; nothing was restarted")
}

// touches reports whether a file below one of the prefixes changes.
func (p *Plan) touches(prefixes ...string) bool {
	for _, c := range p.Files {
		for _, prefix := range prefixes {
			if strings.HasPrefix(c.File.Path, prefix) {
				return true
			}
		}
	}
	return false
}

// together joins the steps that one call of systemctl does: the sockets of a service. They
// are next to each other.
func together(steps []UnitStep) (calls [][]UnitStep) {
	for _, s := range steps {
		if n := len(calls); n > 0 && s.binds() && s.Verb == calls[n-1][0].Verb && calls[n-1][0].binds() &&
			desired.SocketService(s.Unit) == desired.SocketService(calls[n-1][0].Unit) {
			calls[n-1] = append(calls[n-1], s)
			continue
		}
		calls = append(calls, []UnitStep{s})
	}
	return calls
}

// binds reports whether a step binds a socket.
func (s UnitStep) binds() bool {
	return strings.HasSuffix(s.Unit, ".socket") && (s.Verb == "start" || s.Verb == "restart")
}

// bindAttempts is how often sockets are bound: a client that connects to another socket of
// the same service meanwhile starts that again.
const bindAttempts = 5

// do does steps by one call of systemctl. Sockets can be bound only while their service is
// down; systemd says otherwise: "Socket service … already active, refusing".
func do(ctx context.Context, machine host.Host, steps []UnitStep) error {
	var units []string
	for _, s := range steps {
		units = append(units, s.Unit)
	}
	if opens(steps) {
		return open(ctx, machine, units)
	}
	if !steps[0].binds() {
		return machine.Systemd().Systemctl(ctx, steps[0].Verb, units...)
	}
	return bind(ctx, func() error {
		if err := machine.Systemd().Systemctl(ctx, "stop", desired.SocketService(units[0])); err != nil {
			return err
		}
		return machine.Systemd().Systemctl(ctx, steps[0].Verb, units...)
	})
}

// bind tries to bind sockets, at most bindAttempts times.
func bind(ctx context.Context, try func() error) (err error) {
	for range bindAttempts {
		if err = try(); err == nil || ctx.Err() != nil {
			break
		}
	}
	return err
}

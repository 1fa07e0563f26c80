package admin

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/command"
)

// backups is the folder in which run keeps the files that it replaces.
const backups = "/var/backups/chatmaild"

// plan is all that has to change on a machine.
type plan struct {
	sysctls []host.Sysctl
	folders []wanted.Folder
	files   []host.Change
	units   []unitStep
	now     time.Time
}

// unitStep is something to do with a systemd unit.
type unitStep struct {
	verb string // of systemctl: enable, start, restart
	unit string
	why  string
}

func (p *plan) empty() bool {
	return len(p.sysctls)+len(p.folders)+len(p.files)+len(p.units) == 0
}

// show prints what apply would do.
func (p *plan) show(w io.Writer) {
	if p.empty() {
		fmt.Fprintln(w, "nothing to do: this machine is what the configuration says")
	}
	for _, s := range p.sysctls {
		fmt.Fprintf(w, "set %s from %d to %d\n", s.Name, s.Have, s.Wanted)
	}
	for _, f := range p.folders {
		fmt.Fprintf(w, "make folder %s (%v %s:%s)\n", f.Path, f.Mode, f.Owner, f.Group)
	}
	for _, c := range p.files {
		fmt.Fprint(w, c.Diff())
	}
	for _, s := range p.units {
		fmt.Fprintf(w, "%s %s (%s)\n", s.verb, s.unit, s.why)
	}
}

// apply does it. Until the servers have accepted their configurations nothing is
// restarted; if one does not, every file is put back.
func (p *plan) apply(ctx context.Context, machine host.Host, progress io.Writer) error {
	for _, s := range p.sysctls {
		if err := machine.SetSysctl(s); err != nil {
			fmt.Fprintf(progress, "! cannot set %s to %d: %v\n", s.Name, s.Wanted, err)
		}
	}
	for _, f := range p.folders {
		if err := machine.MakeFolder(f); err != nil {
			return err
		}
	}
	if len(p.files) > 0 {
		if err := p.write(ctx, machine, progress); err != nil {
			return err
		}
	}
	for _, s := range p.units {
		fmt.Fprintf(progress, "  %s %s (%s)\n", s.verb, s.unit, s.why)
		if err := do(ctx, machine, s); err != nil {
			return command.WithHint(err, "journalctl -u %s -n 50; then mend the cause and run this again", s.unit)
		}
	}
	return nil
}

func (p *plan) write(ctx context.Context, machine host.Host, progress io.Writer) error {
	kept := filepath.Join(backups, p.now.UTC().Format("20060102T150405.000Z"))
	if err := machine.Keep(kept, p.files); err != nil {
		return err
	}
	for _, c := range p.files {
		fmt.Fprintf(progress, "  write %s\n", c.File.Path)
		if err := machine.Write(c.File); err != nil {
			return p.undo(machine, err)
		}
	}
	if p.touches("/etc/systemd/") {
		if err := machine.Systemctl(ctx, "daemon-reload"); err != nil {
			return p.undo(machine, err)
		}
	}
	if !p.touches("/etc/postfix/", "/etc/dovecot/", "/etc/nginx/", "/etc/opendkim", "/etc/dkimkeys/") {
		return nil
	}
	if err := machine.CheckConfigs(ctx); err != nil {
		return p.undo(machine, err)
	}
	return nil
}

func (p *plan) undo(machine host.Host, cause error) error {
	if err := machine.Undo(p.files); err != nil {
		return fmt.Errorf("%w; and putting the former files back failed: %w", cause, err)
	}
	return command.WithHint(cause, "the former files are back and nothing was restarted")
}

// touches reports whether a file below one of the prefixes changes.
func (p *plan) touches(prefixes ...string) bool {
	for _, c := range p.files {
		for _, prefix := range prefixes {
			if strings.HasPrefix(c.File.Path, prefix) {
				return true
			}
		}
	}
	return false
}

// do does a step. A socket can be bound anew only while its service is down.
func do(ctx context.Context, machine host.Host, s unitStep) error {
	if daemon, ok := strings.CutSuffix(s.unit, ".socket"); ok && s.verb == "restart" {
		if s.unit == wanted.Recipients {
			daemon = "chatmaild-doveauth"
		}
		if err := machine.Systemctl(ctx, "stop", daemon+".service"); err != nil {
			return err
		}
	}
	return machine.Systemctl(ctx, s.verb, s.unit)
}

package converge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/config"
	"chatmaild/packaging/postfix"
)

// openDKIM signed what left before the transport did.
const openDKIM = "opendkim.service"

// A handover takes signing from OpenDKIM to the transport while mail passes, in such an
// order that no message leaves unsigned and none is deferred:
//
//  1. Postfix passes what leaves to the transport, while OpenDKIM still signs what comes.
//     The transport leaves alone what has our signature.
//  2. No process of Postfix is left that would send mail past the transport: the plan's
//     configuration replaces the former one, and what comes is no longer signed.
//  3. No process of Postfix is left that asks OpenDKIM: it stops, and its key becomes
//     root's, from whom the transport has it (LoadCredential=).
type handover struct {
	main, master host.Change // of Postfix's configuration
	key          []desired.File
	directory    []desired.Directory
}

// plannedHandover returns nil where OpenDKIM does not sign, and else takes out of the plan
// what must not change before OpenDKIM has stopped.
func plannedHandover(ctx context.Context, p *Planner, todo *Plan) (*handover, error) {
	change := func(path string) host.Change {
		i := slices.IndexFunc(todo.Files, func(c host.Change) bool { return c.File.Path == path })
		if i < 0 {
			return host.Change{}
		}
		return todo.Files[i]
	}
	h := &handover{main: change(desired.PostfixMain), master: change(desired.PostfixMaster)}
	units, err := p.Machine.Systemd().Units(ctx, openDKIM, p.Machine.PostfixInstance())
	if err != nil {
		return nil, err
	}
	running := units[0].Active == "active" && units[1].Active == "active"
	if !running || !postfix.Milter(h.main.Former) || !config.Signs(p.Conf) {
		return nil, nil
	}
	todo.Files = slices.DeleteFunc(todo.Files, func(c host.Change) bool {
		key := strings.HasPrefix(c.File.Path, desired.DKIMDir+"/") && c.File.Secret
		if key {
			h.key = append(h.key, c.File)
		}
		return key
	})
	todo.Directories = slices.DeleteFunc(todo.Directories, func(d desired.Directory) bool {
		if d.Path == desired.DKIMDir {
			h.directory = append(h.directory, d)
		}
		return d.Path == desired.DKIMDir
	})
	return h, nil
}

// begin is step 1, and waits for what step 2 needs.
func (h *handover) begin(ctx context.Context, machine host.Host, progress io.Writer) error {
	fmt.Fprintf(progress, "  take signing over from OpenDKIM: %s signs, too\n", desired.Transport)
	between := []desired.File{h.main.File, h.master.File}
	between[0].Content = postfix.Between(h.main.Former, h.main.File.Content)
	between[1].Content = postfix.BetweenServices(h.master.Former, h.master.File.Content)
	if len(h.master.File.Content) == 0 { // it need not change
		between = between[:1]
	}
	for _, unit := range []string{desired.TransportSocket, desired.Transport} {
		if err := machine.Systemd().Systemctl(ctx, "start", unit); err != nil {
			return err
		}
	}
	for _, f := range between {
		if err := machine.Write(f); err != nil {
			return err
		}
	}
	return machine.Postfix().Reload(ctx)
}

// end is step 3. The filter gives up the connections that it keeps to processes of Postfix
// with the former configuration.
func (h *handover) end(ctx context.Context, machine host.Host, progress io.Writer) error {
	fmt.Fprintf(progress, "  stop and disable %s (%s signs)\n", openDKIM, desired.Transport)
	if err := machine.Systemd().Systemctl(ctx, "restart", "chatmaild-filtermail-out.service"); err != nil {
		return err
	}
	if err := retire(ctx, machine); err != nil {
		return err
	}
	for _, d := range h.directory {
		if err := machine.MakeDirectory(d); err != nil {
			return err
		}
	}
	for _, f := range h.key {
		if err := host.Chown(machine.Tree, f); err != nil {
			return err
		}
	}
	return nil
}

// retire has OpenDKIM not start again, and stops it.
func retire(ctx context.Context, machine host.Host) error {
	if err := machine.Systemd().Systemctl(ctx, "disable", openDKIM); err != nil {
		return err
	}
	return machine.Systemd().Systemctl(ctx, "stop", openDKIM)
}

// show says what the handover does, for --dry-run.
func (h *handover) show(w io.Writer) {
	fmt.Fprintf(w, "take signing over from OpenDKIM: %s signs\nstop and disable %s (%[1]s signs)\n", desired.Transport, openDKIM)
}

// retirement is what ends an OpenDKIM that run configured, where it need not hand over: mail
// is off, or a run was interrupted.
func retirement(ctx context.Context, p *Planner, files []desired.File) ([]UnitStep, error) {
	there, err := p.Machine.Exists(openDKIMConf)
	if err != nil || there && len(files) == 0 {
		return nil, err
	}
	units, err := p.Machine.Systemd().Units(ctx, openDKIM)
	if err != nil {
		return nil, err
	}
	var steps []UnitStep
	why := desired.Transport + " signs"
	if units[0].Load == "loaded" && units[0].Enabled == "enabled" {
		steps = append(steps, UnitStep{"disable", openDKIM, why})
	}
	if units[0].Active == "active" {
		steps = append(steps, UnitStep{"stop", openDKIM, why})
	}
	return steps, nil
}

// openDKIMConf is that of Debian's package.
const openDKIMConf = "/etc/opendkim.conf"

// formerSigner are the files of an OpenDKIM that run configured. Another one, or one that the
// operator configured since, is none of ours.
func formerSigner(p *Planner) ([]desired.File, error) {
	text, err := p.Machine.ReadFile(openDKIMConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading OpenDKIM's configuration: %w", err)
	}
	if !desired.Written(text) {
		return nil, nil
	}
	var files []desired.File
	for _, path := range []string{openDKIMConf, desired.DKIMDir + "/chatmaild.keytable", desired.DKIMDir + "/chatmaild.signingtable",
		"/etc/systemd/system/opendkim.service.d/chatmaild-log.conf"} {
		files = append(files, desired.File{Path: path, Absent: true})
	}
	return files, nil
}

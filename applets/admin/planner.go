package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/wanted"
	"chatmaild/applets/config"
)

// sysctlFile is the package's sysctl.d(5) file.
const sysctlFile = "/usr/lib/sysctl.d/50-chatmaild.conf"

// The units that run looks after, in the order in which they start: sockets
// first, because the servers talk to them from their first moment on.
var (
	socketUnits = []string{
		"chatmaild-doveauth.socket", wanted.Recipients, "chatmaild-metadata.socket", "chatmaild-lastlogin.socket",
		"chatmaild-filtermail-out.socket", "chatmaild-filtermail-in.socket", "chatmaild-web.socket",
		"chatmaild-metrics.socket",
	}
	serviceUnits = []string{
		"chatmaild-doveauth.service", "chatmaild-metadata.service", "chatmaild-lastlogin.service",
		"chatmaild-filtermail-out.service", "chatmaild-filtermail-in.service", "chatmaild-web.service",
		"chatmaild-metrics.service",
	}
	mailUnits = []string{wanted.Postfix, wanted.Dovecot}
)

// planner finds out what has to change. It changes nothing itself.
type planner struct {
	conf       *config.Config
	configPath string
	version    string
	machine    host.Host
	now        time.Time
	yielding   []string // programs that give up their ports before the plan is done
}

// relay plans the whole relay.
func (p *planner) relay(ctx context.Context) (*plan, error) {
	if err := p.machine.RequireDebian(); err != nil {
		return nil, err
	}
	if err := p.machine.RequirePackages(); err != nil {
		return nil, err
	}
	if err := p.requirePorts(); err != nil {
		return nil, err
	}
	paths, keyFiles, err := p.keyFiles()
	if err != nil {
		return nil, err
	}
	files, err := wanted.Files(p.conf, paths, runtime.NumCPU())
	if err != nil {
		return nil, err
	}
	transports, err := p.transportMap()
	if err != nil {
		return nil, err
	}
	bot, err := p.echoBot()
	if err != nil {
		return nil, err
	}
	botFiles, err := p.echoBotFiles(bot)
	if err != nil {
		return nil, err
	}
	invite := ""
	if bot != nil {
		invite = bot.InviteLink(p.conf.AddressDomain())
	}
	pages, err := p.pages(invite)
	if err != nil {
		return nil, err
	}
	todo := &plan{now: p.now}
	if todo.sysctls, err = p.machine.Sysctls(sysctlFile); err != nil {
		return nil, err
	}
	if todo.folders, err = p.machine.FolderChanges(wanted.Folders(p.conf)); err != nil {
		return nil, err
	}
	if todo.files, err = p.machine.Changes(slices.Concat(keyFiles, []wanted.File{transports}, files, botFiles, pages)); err != nil {
		return nil, err
	}
	todo.units, err = p.unitSteps(ctx, slices.Concat(keyFiles, files, botFiles), todo.files, paths)
	return todo, err
}

// transportMap is the one that is there, or an empty one: Postfix takes no mail
// while it cannot read it.
func (p *planner) transportMap() (wanted.File, error) {
	text, err := p.machine.ReadFile(wanted.TransportMap)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wanted.File{}, fmt.Errorf("reading the rules for destinations: %w", err)
	}
	return wanted.TransportMapFile(text), nil
}

// website plans the web pages alone.
func (p *planner) website() (*plan, error) {
	pages, err := p.pages(p.echoBotInvite())
	if err != nil {
		return nil, err
	}
	changes, err := p.machine.Changes(pages)
	return &plan{files: changes, now: p.now}, err
}

func (p *planner) pages(echoInvite string) ([]wanted.File, error) {
	var override fs.FS
	if p.conf.WWWFolder != "" {
		folder := filepath.Join(p.machine.Root, p.conf.WWWFolder)
		if _, err := os.Stat(folder); err != nil {
			return nil, fmt.Errorf("www_folder: %w", err)
		}
		override = os.DirFS(folder)
	}
	site := wanted.Site(p.conf, p.version)
	site.EchoInvite = echoInvite
	return wanted.Pages(site, override)
}

// unitSteps compares the units with what they should be: enabled, running, and
// not older than anything that they read when they start.
func (p *planner) unitSteps(ctx context.Context, files []wanted.File, changes []host.Change, paths wanted.Paths) ([]unitStep, error) {
	names := slices.Concat([]string{wanted.Journald}, socketUnits, serviceUnits,
		[]string{wanted.Dovecot, wanted.Postfix, wanted.Nginx}, p.botUnits(), p.certificateUnits(), []string{wanted.ClockTimer, wanted.Target})
	_, literal := p.conf.IPv4()
	if !literal {
		names = slices.Insert(names, 0, wanted.OpenDKIM)
	}
	states, err := p.machine.Units(ctx, names...)
	if err != nil {
		return nil, err
	}
	instance, err := p.machine.Units(ctx, wanted.PostfixInstance)
	if err != nil {
		return nil, err
	}
	steps, err := p.stopBot(ctx)
	if err != nil {
		return nil, err
	}
	reads := p.reads(files, paths)
	changed := map[string]bool{}
	for _, c := range changes {
		changed[c.File.Path] = true
	}
	for i, u := range states {
		name := names[i]
		if u.Load != "loaded" {
			return nil, fmt.Errorf("systemd does not know %s (it is %s): is its package installed whole?", name, u.Load)
		}
		if u.Enabled == "disabled" {
			steps = append(steps, unitStep{"enable", name, "to be there after a reboot"})
		}
		older, err := p.machine.Older(u, reads[name])
		if err != nil {
			return nil, err
		}
		switch {
		case u.Active != "active":
			steps = append(steps, unitStep{"start", name, "it is " + u.Active})
		case name == wanted.Postfix && instance[0].Active != "active":
			steps = append(steps, unitStep{"restart", name, wanted.PostfixInstance + " is " + instance[0].Active})
		case slices.ContainsFunc(reads[name], func(f string) bool { return changed[f] }):
			steps = append(steps, unitStep{"restart", name, "its configuration changes"})
		case older:
			steps = append(steps, unitStep{"restart", name, "its configuration is newer than it"})
		case name == wanted.ACME && !keyfiles.Issued(p.conf, p.machine):
			steps = append(steps, unitStep{"restart", name, "to ask for a certificate"})
		}
	}
	return steps, nil
}

// certificateUnits are those that look after a certificate that is not the
// relay's own. They start behind nginx, which hands challenges over.
func (p *planner) certificateUnits() []string {
	switch {
	case p.conf.SelfSigned():
		return nil
	case p.conf.ACME():
		return []string{wanted.CertificatePath, wanted.ACMESocket, wanted.ACME}
	}
	return []string{wanted.CertificatePath}
}

// botUnits is the echo bot's unit, if the relay has one. It starts behind the
// servers that it talks to.
func (p *planner) botUnits() []string {
	if !p.conf.Echobot {
		return nil
	}
	return []string{wanted.Echobot}
}

// stopBot stops an echo bot that the relay is not to have any more.
func (p *planner) stopBot(ctx context.Context) ([]unitStep, error) {
	if p.conf.Echobot {
		return nil, nil
	}
	units, err := p.machine.Units(ctx, wanted.Echobot)
	if err != nil || units[0].Active != "active" {
		return nil, err
	}
	return []unitStep{{"stop", wanted.Echobot, "echobot = false"}}, nil
}

// reads returns, for each unit, the files that it reads when it starts.
func (p *planner) reads(files []wanted.File, paths wanted.Paths) map[string][]string {
	reads := map[string][]string{wanted.OpenDKIM: {paths.DKIMKey}, wanted.ACME: {p.configPath}}
	// Any other certificate changes by itself; wanted.CertificatePath looks after it.
	if p.conf.SelfSigned() {
		for _, name := range wanted.TLSServers() {
			reads[name] = []string{paths.Certificate, paths.PrivateKey}
		}
	}
	for _, name := range slices.Concat(serviceUnits, p.botUnits()) {
		reads[name] = []string{p.configPath}
	}
	for _, f := range files {
		if f.Unit != "" && !slices.Contains(reads[f.Unit], f.Path) {
			reads[f.Unit] = append(reads[f.Unit], f.Path)
		}
	}
	return reads
}

// requirePorts refuses to go on while a port that the relay needs is another
// program's.
func (p *planner) requirePorts() error {
	listeners, err := p.machine.Listeners()
	if err != nil {
		return err
	}
	for _, need := range wanted.Ports(p.conf) {
		for _, l := range listeners {
			if l.Port != need.Port || l.Program == "?" || slices.Contains(need.Programs, l.Program) || slices.Contains(p.yielding, l.Program) {
				continue
			}
			return fmt.Errorf("port %d is needed for %s, but %s (process %d) holds it: stop that program, or move it to another port",
				l.Port, need.Job, l.Program, l.PID)
		}
	}
	return nil
}

package converge

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

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/config"
	"chatmaild/applets/metadata/appversions"
)

// sysctlFile is the package's sysctl.d(5) file.
const sysctlFile = "/usr/lib/sysctl.d/50-chatmaild.conf"

// Planner finds out what has to change. It changes nothing itself.
type Planner struct {
	Conf       *config.Config
	ConfigPath string
	Version    string
	Machine    host.Host
	Now        time.Time
	Boot       bool     // the machine starts: what is disabled stays as it is
	Yielding   []string // programs that give up their ports before the Plan is done
}

// Relay plans the whole relay.
func (p *Planner) Relay(ctx context.Context) (*Plan, error) {
	if err := p.Machine.RequireDebian(); err != nil {
		return nil, err
	}
	if err := p.Machine.RequirePackages(); err != nil {
		return nil, err
	}
	if err := p.requirePorts(); err != nil {
		return nil, err
	}
	paths, keyFiles, err := p.keyFiles()
	if err != nil {
		return nil, err
	}
	copied, err := p.submissionCertificate(paths, keyFiles)
	if err != nil {
		return nil, err
	}
	keyFiles = append(keyFiles, copied)
	version, err := host.Dovecot(ctx, p.Machine)
	if err != nil {
		return nil, err
	}
	addresses, err := host.Addresses()
	if err != nil {
		return nil, err
	}
	memory, err := host.Memory()
	if err != nil {
		return nil, err
	}
	files, err := desired.Files(p.Conf, paths, desired.Machine{
		Release: p.Machine.Release(), Dovecot: version, PostgreSQL: host.PostgreSQL(p.Machine), Processors: runtime.NumCPU(), Memory: memory, Addresses: addresses,
		UnattendedUpgrades: p.Machine.IsFile("/usr/bin/unattended-upgrade"), Needrestart: p.Machine.IsFile("/usr/sbin/needrestart"),
	})
	if err != nil {
		return nil, err
	}
	former, err := formerSigner(p)
	if err != nil {
		return nil, err
	}
	files = append(files, former...)
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
	turn, err := turnFiles(p)
	if err != nil {
		return nil, err
	}
	if p.Conf.AppVersionsFile != "" {
		if _, err := appversions.Check(p.Machine.Root, p.Conf.AppVersionsFile); err != nil {
			return nil, fmt.Errorf("appversions_file: %w", err)
		}
	}
	invite := ""
	if bot != nil {
		invite = bot.InviteLink(p.Conf.AddressDomain())
	}
	pages, err := p.pages(invite)
	if err != nil {
		return nil, err
	}
	todo := &Plan{now: p.Now, wanted: slices.Concat(files, pages)}
	if todo.Sysctls, err = p.Machine.Sysctls(sysctlFile); err != nil {
		return nil, err
	}
	if todo.Directories, err = p.Machine.DirectoryChanges(desired.Directories(p.Conf)); err != nil {
		return nil, err
	}
	if todo.Files, err = p.Machine.Changes(slices.Concat(keyFiles, []desired.File{transports}, files, turn, botFiles, pages)); err != nil {
		return nil, err
	}
	written, err := readRecord(p.Machine.Tree)
	if err != nil {
		return nil, err
	}
	todo.Edited = written.edited(todo.Files)
	if todo.handover, err = plannedHandover(ctx, p, todo); err != nil {
		return nil, err
	}
	if todo.Units, err = p.unitSteps(ctx, slices.Concat(keyFiles, files, turn, botFiles), todo.Files, paths); err != nil {
		return nil, err
	}
	if todo.handover == nil {
		ends, err := retirement(ctx, p, former)
		todo.Units = append(todo.Units, ends...)
		return todo, err
	}
	return todo, nil
}

// transportMap is the one that is there, or an empty one: Postfix takes no mail
// while it cannot read it.
func (p *Planner) transportMap() (desired.File, error) {
	text, err := p.Machine.ReadFile(desired.TransportMap)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return desired.File{}, fmt.Errorf("reading the transport map: %w", err)
	}
	return desired.TransportMapFile(text), nil
}

// Website plans the web pages alone.
func (p *Planner) Website() (*Plan, error) {
	pages, err := p.pages(p.echoBotInvite())
	if err != nil {
		return nil, err
	}
	changes, err := p.Machine.Changes(pages)
	return &Plan{Files: changes, wanted: pages, now: p.Now}, err
}

// pages renders the web pages, with the operator's own in place of ours where there are
// some.
func (p *Planner) pages(echoInvite string) ([]desired.File, error) {
	var override fs.FS
	if p.Conf.WWWFolder != "" {
		dir := filepath.Join(p.Machine.Root, p.Conf.WWWFolder)
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("www_folder: %w", err)
		}
		override = os.DirFS(dir)
	}
	site := desired.Site(p.Conf, p.Version)
	site.EchoInvite = echoInvite
	return desired.Pages(site, override)
}

// requirePorts refuses to continue while a port that the relay needs is another
// program's.
func (p *Planner) requirePorts() error {
	listeners, err := p.Machine.Listeners()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a server that finds its port in use says so
	}
	if err != nil {
		return err
	}
	for _, need := range desired.Ports(p.Conf) {
		for _, l := range listeners {
			// "?" is a program that a container hides; refusing then would be refusing always.
			if l.Port != need.Port || l.Program == "?" || slices.Contains(need.Programs, l.Program) || slices.Contains(p.Yielding, l.Program) ||
				desired.GivesUp(l.Program, l.Port) {
				continue
			}
			return fmt.Errorf("port %d is needed for %s, but %s (process %d) holds it: stop that program, or move it to another port",
				l.Port, need.Job, l.Program, l.PID)
		}
	}
	return nil
}

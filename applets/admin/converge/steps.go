package converge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot"
	"chatmaild/packaging/postfix"
)

// unitSteps compares the units with what they should be: enabled, running, and
// not older than anything that they read when they start.
func (p *Planner) unitSteps(ctx context.Context, files []desired.File, changes []host.Change, paths desired.Paths) ([]UnitStep, error) {
	// In the order of starting: each finds those that it asks. Journald is first, so that the
	// rest is logged as it should be, and the target last, since it wants all of ours.
	services := slices.DeleteFunc(desired.ServiceUnits(), func(name string) bool { return name == desired.FiltermailOut })
	names := slices.Concat([]string{desired.Journald}, desired.ClusterUnits(p.Conf, host.PostgreSQL(p.Machine)), desired.SocketUnits(), services, desired.TransportUnits(p.Conf),
		[]string{desired.Dovecot, desired.Postfix}, desired.Entrances(p.Conf), []string{desired.FiltermailOut, desired.Nginx}, desired.MemberUnits(p.Conf), desired.BotUnits(p.Conf), desired.CertificateUnits(p.Conf), desired.OnDemandSockets(p.Conf), desired.FollowUnits(p.Conf), []string{desired.ClockTimer, desired.QueueWatchPath, desired.Target})
	states, err := p.Machine.Systemd().Units(ctx, names...)
	if err != nil {
		return nil, err
	}
	instance, err := p.Machine.Systemd().Units(ctx, p.Machine.PostfixInstance())
	if err != nil {
		return nil, err
	}
	// Stops come before starts: a port may pass from one to the other.
	steps, err := p.stops(ctx)
	if err != nil {
		return nil, err
	}
	reads := p.reads(files, paths)
	changed := map[string]host.Change{}
	for _, c := range changes {
		changed[c.File.Path] = c
	}
	for i, u := range states {
		name := names[i]
		if u.Load != "loaded" {
			return nil, fmt.Errorf("systemd does not know %s (%s): is its package installed completely?", name, u.Load)
		}
		if p.Boot && u.Enabled == "disabled" {
			continue
		}
		if u.Enabled == "disabled" {
			steps = append(steps, UnitStep{"enable", name, "to start after a reboot"})
		}
		// A run that was interrupted after it wrote the files leaves nothing to write, but servers
		// that still have the former ones.
		older, err := p.Machine.Systemd().Older(u, reads[name])
		if err != nil {
			return nil, err
		}
		switch {
		case u.Active != "active":
			steps = append(steps, UnitStep{"start", name, "it is " + u.Active})
		case name == desired.Postfix && instance[0].Active != "active":
			steps = append(steps, UnitStep{"restart", name, p.Machine.PostfixInstance() + " is " + instance[0].Active})
		case slices.ContainsFunc(reads[name], func(f string) bool { _, ok := changed[f]; return ok }):
			steps = append(steps, UnitStep{verb(name, reads[name], changed), name, "its configuration changed"})
		case older:
			steps = append(steps, UnitStep{"restart", name, "its configuration has changed since it started"})
		case name == desired.ACME && !keyfiles.Issued(p.Conf, p.Machine):
			steps = append(steps, UnitStep{"restart", name, "to request a certificate"})
		}
	}
	if steps, err = running(ctx, p, steps, changed, reads); err != nil {
		return nil, err
	}
	return formerAuth(ctx, p, opened(steps, p.Machine.Systemd().Supervised()))
}

// verb is how a unit that runs gets to read what changes of its files. Only of Postfix, Dovecot
// and PostgreSQL is it known which changes a reload is enough for.
func verb(unit string, files []string, changed map[string]host.Change) string {
	server := strings.HasPrefix(unit, "postgresql@")
	if unit != desired.Postfix && unit != desired.Dovecot && !server {
		return "restart"
	}
	for _, name := range files {
		c, ok := changed[name]
		switch {
		case !ok:
		case strings.HasPrefix(name, "/etc/systemd/"),
			server && !desired.PostgreSQLReloads(c.Former, c.File.Content),
			unit == desired.Dovecot && (name != desired.DovecotConf || !dovecot.Reloads(c.Former, c.File.Content)),
			name == desired.PostfixMain && !postfix.ReloadsMain(c.Former, c.File.Content),
			name == desired.PostfixMaster && !postfix.ReloadsMaster(c.Former, c.File.Content):
			return "restart"
		}
	}
	return "reload"
}

// running adds a restart of each server that runs, by its sockets' leave, with a
// configuration of before.
func running(ctx context.Context, p *Planner, steps []UnitStep, changed map[string]host.Change, reads map[string][]string) ([]UnitStep, error) {
	for _, daemon := range config.OnDemandDaemons(p.Conf) {
		unit := "chatmaild-" + daemon + ".service"
		units, err := p.Machine.Systemd().Units(ctx, unit)
		if err != nil {
			return nil, err
		}
		if units[0].Active != "active" {
			continue
		}
		older, err := p.Machine.Systemd().Older(units[0], append(reads[unit], p.ConfigPath))
		if err != nil {
			return nil, err
		}
		_, secret := changed[config.Turn(p.Conf).Secret()]
		if older || secret && unit == desired.Turn {
			steps = append(steps, UnitStep{"restart", unit, "its configuration has changed since it started"})
		}
	}
	return steps, nil
}

// stops ends what the relay must not have any more: units of earlier versions, and an
// echo bot that the configuration no longer wants.
func (p *Planner) stops(ctx context.Context) ([]UnitStep, error) {
	why := map[string]string{}
	for _, name := range desired.FormerUnits(p.Machine.Release()) {
		why[name] = "this version does not need it"
	}
	if !p.Conf.Echobot {
		why[desired.Echobot] = "echobot = false"
	}
	if !config.Turn(p.Conf).Own() {
		for _, name := range []string{desired.TurnSocket, desired.TurnUDPSocket, desired.Turn} {
			why[name] = "the configuration has no TURN server here"
		}
	}
	if !config.Iroh(p.Conf).Own() {
		for _, name := range []string{desired.IrohSocket, desired.Iroh} {
			why[name] = "the configuration has no iroh relay here"
		}
	}
	if !config.Clustered(p.Conf) {
		why[desired.ClusterTimer] = "the relay is one machine"
	}
	if !p.Conf.Websocket {
		for _, name := range []string{desired.WebsocketSocket, desired.Websocket} {
			why[name] = "websocket = false"
		}
	}
	closed := shut(p.Conf)
	maps.Copy(why, closed)
	if !config.Outward(p.Conf) {
		for _, name := range []string{desired.TransportSocket, desired.Transport} {
			why[name] = `nothing is signed here, and transport = "postfix"`
		}
	}
	names := slices.Sorted(maps.Keys(why))
	units, err := p.Machine.Systemd().Units(ctx, names...)
	if err != nil {
		return nil, err
	}
	var steps []UnitStep
	for i, name := range names {
		// A socket that is enabled would be back after a reboot.
		if units[i].Enabled == "enabled" && closed[name] != "" {
			steps = append(steps, UnitStep{"disable", name, why[name]})
		}
		if units[i].Active == "active" {
			steps = append(steps, UnitStep{"stop", name, why[name]})
		}
	}
	return steps, nil
}

// reads returns, for each unit, the files that it reads when it starts.
func (p *Planner) reads(files []desired.File, paths desired.Paths) map[string][]string {
	reads := map[string][]string{desired.ACME: {p.ConfigPath}}
	// Any other certificate changes by itself; desired.CertificatePath looks after it.
	if p.Conf.SelfSigned() && !p.Conf.ACME() {
		for _, name := range desired.TLSServers() {
			reads[name] = []string{paths.Certificate, paths.PrivateKey}
		}
	}
	for _, name := range slices.Concat(desired.ServiceUnits(), desired.MemberUnits(p.Conf), desired.BotUnits(p.Conf)) {
		reads[name] = []string{p.ConfigPath}
	}
	reads[desired.Transport] = []string{p.ConfigPath, paths.DKIMKey}
	for _, f := range files {
		if f.Unit != "" && !slices.Contains(reads[f.Unit], f.Path) {
			reads[f.Unit] = append(reads[f.Unit], f.Path)
		}
	}
	return reads
}

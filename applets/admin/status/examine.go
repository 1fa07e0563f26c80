package status

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/converge"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/keys"
	"chatmaild/packaging/postfix/queue"
)

// Limits past which status notes it.
const (
	certificateWarning = 14 * 24 * time.Hour
	queueWarning       = 500 // messages
)

// examiner looks at each part of a relay.
type examiner struct {
	conf       *config.Config
	configPath string
	version    string
	machine    host.Host
	now        time.Time
	findings   []finding
}

// examine looks at each part. The order is that of the table: what explains other
// findings comes first.
func (e *examiner) examine(ctx context.Context) []finding {
	e.settled()
	e.findings = append(e.findings, debian(e.machine))
	newVersion(ctx, e)
	capacity(e)
	e.clock(ctx)
	machines(ctx, e)
	e.units(ctx)
	e.ports()
	machines(ctx, e)
	e.nameServers(ctx)
	tunnel(e)
	otherSites(ctx, e)
	e.certificate()
	e.dkim()
	e.queue(ctx)
	otherRelays(ctx, e)
	e.disks()
	e.mailboxes()
	e.accounts()
	e.echoBot(ctx)
	appVersions(e)
	callExaminer{e}.turn(ctx)
	callExaminer{e}.iroh(ctx)
	e.takeover()
	e.pending(ctx)
	return e.findings
}

// say adds a finding. What to do comes as the hint, without a full stop: it is often a
// command.
func (e *examiner) say(part string, l level, hint, format string, args ...any) {
	e.findings = append(e.findings, finding{part, l, fmt.Sprintf(format, args...), hint})
}

// units looks at the services. One that systemd has restarted works now, but its log
// says why it failed.
func (e *examiner) units(ctx context.Context) {
	names := slices.Concat(desired.ClusterUnits(e.conf, host.PostgreSQL(e.machine)), desired.FollowUnits(e.conf), desired.ServiceUnits(), desired.TransportUnits(e.conf), desired.MemberUnits(e.conf), desired.BotUnits(e.conf), desired.CertificateUnits(e.conf), desired.Entrances(e.conf), desired.OnDemandSockets(e.conf), []string{
		desired.ExpireTimer, desired.ClockTimer, desired.QueueWatchPath, desired.Dovecot, e.machine.PostfixInstance(), desired.Nginx,
	})
	units, err := e.machine.Systemd().Units(ctx, names...)
	if err != nil {
		e.say("systemd", trouble, "check: systemctl status", "%v", err)
		return
	}
	// Restarts is systemd's count since the unit was last started by hand.
	for i, u := range units {
		part := strings.TrimSuffix(strings.TrimPrefix(names[i], "chatmaild-"), ".service")
		look := desired.Look(names[i])
		switch {
		case u.Load != "loaded":
			e.say(part, trouble, "is its package installed? try: chatmaild run", "unknown to systemd (%s)", u.Load)
		case u.Active != "active" && u.Restarts > 0:
			e.say(part, trouble, look, "%s, restarted %d times after a failure", u.Active, u.Restarts)
		case u.Active != "active":
			e.say(part, trouble, look, "%s", u.Active)
		case u.Restarts > 0:
			e.say(part, notice, look, "active for %s, restarted %d times after a failure", e.ago(u.Since), u.Restarts)
		default:
			e.say(part, fine, "", "active for %s", e.ago(u.Since))
		}
	}
}

// ports looks for each port that clients or our own programs need, and for whom holds
// it.
func (e *examiner) ports() {
	listeners, err := e.machine.Listeners()
	if errors.Is(err, fs.ErrNotExist) {
		e.say("ports", notice, "", "not checked: %v", err)
		return
	}
	if err != nil {
		e.say("ports", trouble, "", "%v", err)
		return
	}
	var open, closed []string
	for _, p := range desired.Ports(e.conf) {
		i := slices.IndexFunc(listeners, func(l host.Listener) bool { return l.Port == p.Port })
		name := fmt.Sprintf("%d (%s)", p.Port, p.Job)
		switch {
		case i < 0:
			closed = append(closed, name)
		// In a container the processes of others may be hidden.
		case !slices.Contains(p.Programs, listeners[i].Program) && listeners[i].Program != "?":
			closed = append(closed, fmt.Sprintf("%s is held by %s, process %d", name, listeners[i].Program, listeners[i].PID))
		case p.Public:
			open = append(open, fmt.Sprint(p.Port))
		}
	}
	if len(closed) > 0 {
		e.say("ports", trouble, "chatmaild run", "not served: %s", strings.Join(closed, ", "))
		return
	}
	e.say("ports", fine, "", "%s", strings.Join(open, " "))
}

// certificate checks the pair on disk as a client would. Whether one that is about to
// expire is wrong depends on who renews it: ours is renewed automatically.
func (e *examiner) certificate() {
	paths := keyfiles.Paths(e.conf)
	pair, err := keyfiles.ReadPair(e.machine, paths)
	if e.conf.ACME() {
		e.authority(pair)
	}
	if errors.Is(err, fs.ErrNotExist) {
		e.say("certificate", trouble, "chatmaild run", "%v", err)
		return
	}
	if err == nil {
		err = pair.Check(config.Host(e.conf), e.now)
	}
	left := time.Duration(0)
	if err == nil {
		left = pair.NotAfter.Sub(e.now)
	}
	switch {
	case err == nil && e.conf.ACME() && pair.SelfSigned() && e.conf.SelfSigned():
		e.say("certificate", notice, "", "self-signed, which the relay's links tell clients to accept; none from an authority yet")
	case err == nil && e.conf.ACME() && pair.SelfSigned():
		e.say("certificate", trouble, "chatmaild run requests one again", "none yet; the servers use a self-signed one, which clients refuse")
	case err == nil && e.conf.ACME():
		e.say("certificate", fine, "", "valid until %s (%d days)", pair.NotAfter.Format(time.DateOnly), int(left.Hours()/24))
	case err != nil && e.conf.ACME():
		e.say("certificate", trouble, "chatmaild run requests another one", "%v", err)
	case err != nil:
		e.say("certificate", trouble, "replace "+paths.Certificate+", then: chatmaild run", "%v", err)
	case left < certificateWarning:
		e.say("certificate", trouble, "renew "+paths.Certificate+", then: chatmaild run", "expires in %d days", int(left.Hours()/24))
	default:
		e.say("certificate", fine, "", "valid until %s (%d days)", pair.NotAfter.Format(time.DateOnly), int(left.Hours()/24))
	}
}

// authority says how asking for certificates went. While the one in use lasts,
// failing is only worth a note.
func (e *examiner) authority(pair *keys.Certificate) {
	state, err := keyfiles.ACMEState(e.machine, e.conf)
	switch {
	case err != nil:
		e.say("certificate authority", trouble, "chatmaild run", "%v", err)
	case state.Problem != nil:
		worth := notice
		// A third of its life before the end it is asked for; in the last sixth, trying has failed
		// for weeks, and an operator has to act.
		if !e.conf.SelfSigned() && (pair == nil || pair.SelfSigned() || pair.NotAfter.Sub(e.now) < pair.NotAfter.Sub(pair.NotBefore)/6) {
			worth = trouble
		}
		e.say("certificate authority", worth, state.Problem.Advice(), "no new certificate since %s: %s; retried at %s",
			state.Problem.Since.Format(time.DateTime), state.Problem.Detail, state.Next.Format(time.DateTime))
	case !state.Next.IsZero():
		e.say("certificate authority", fine, "", "renewal on %s", state.Next.Format(time.DateTime))
	}
}

// dkim checks the key that the transport signs with; whether DNS has its public half is for
// the command dns.
func (e *examiner) dkim() {
	if _, literal := e.conf.Literal(); literal {
		e.say("DKIM key", fine, "", "not needed: a relay at an IP address does not sign")
		return
	}
	path := keyfiles.DKIM(e.conf)
	text, err := e.machine.ReadFile(path)
	if err == nil {
		_, err = keys.DKIMRecord(text)
	}
	if err != nil {
		e.say("DKIM key", trouble, "chatmaild run", "%v", err)
		return
	}
	e.say("DKIM key", fine, "", "%s, selector %s", path, e.conf.DKIMSelector)
}

// queue counts. A long queue is a note only: mostly it is another relay that is down.
func (e *examiner) queue(ctx context.Context) {
	n := 0
	err := e.machine.Postfix().Each(ctx, func(queue.Message) { n++ })
	switch {
	case err != nil:
		e.say("queue", trouble, "systemctl status "+strings.TrimSuffix(e.machine.PostfixInstance(), ".service"), "%v", err)
	case n > queueWarning:
		e.say("queue", notice, "chatmaild queue shows the destinations", "%d messages", n)
	default:
		e.say("queue", fine, "", "%d messages", n)
	}
	e.destinations()
}

// destinations tells of mail that an operator holds or discards.
func (e *examiner) destinations() {
	text, err := e.machine.ReadFile(desired.TransportMap)
	if err != nil {
		e.say("destinations", trouble, "chatmaild run", "%v", err)
		return
	}
	rules := queue.ParseRules(string(text)).All()
	for _, domain := range slices.Sorted(maps.Keys(rules)) {
		if word := rules[domain].Word(); word != "" {
			e.say("destinations", notice, "chatmaild queue release "+domain+" undoes it", "mail to %s is %s", domain, word)
		}
	}
}

// accounts tells of an emergency brake that may have been forgotten.
func (e *examiner) accounts() {
	if _, err := e.machine.ReadFile(e.conf.NocreateFile); !errors.Is(err, fs.ErrNotExist) {
		e.say("new accounts", notice, "chatmaild nocreate off allows them", "none are created: %s exists", e.conf.NocreateFile)
		return
	}
	e.say("new accounts", fine, "", "are created by their first login")
}

// pending says whether run would change something.
func (e *examiner) pending(ctx context.Context) {
	// The same planner that run has, so the two cannot differ.
	p := converge.Planner{Conf: e.conf, ConfigPath: e.configPath, Version: e.version, Machine: e.machine, Now: e.now}
	todo, err := p.Relay(ctx)
	switch {
	case err != nil:
		e.say("configuration", trouble, "fix that, then: chatmaild run", "%v", err)
	case len(todo.Edited) > 0:
		e.say("configuration", notice, "chatmaild run --dry-run shows the difference; chatmaild run replaces all files, and keeps the former ones",
			"edited by hand, so upgrades change no file: %s", strings.Join(todo.Edited, ", "))
	case !todo.Empty():
		e.say("configuration", notice, "chatmaild run --dry-run shows the difference; chatmaild run applies it",
			"this machine differs from the configuration in %d files and %d units", len(todo.Files), len(todo.Units))
	default:
		e.say("configuration", fine, "", "this machine matches %s", e.configPath)
	}
}

// ago says how long ago since was.
func (e *examiner) ago(since time.Time) string { return command.FormatDuration(e.now.Sub(since)) }

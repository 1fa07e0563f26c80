// Package converge is the command run: it makes this machine what the configuration
// says. (Go has its own use for the name.)
//
// A Planner looks and changes nothing; the Plan that it returns is shown or applied, and
// is empty on a machine that is as it should be. So --dry-run cannot show anything else
// than what a run does, and status can tell whether one is due. It also knows which files
// were edited since run wrote them; an upgrade leaves those alone. Files are kept before
// they are replaced, every server checks its new configuration before any is restarted,
// and if one refuses, all files are put back: a mistake in the configuration never stops
// a relay that works.
//
// Keys are never replaced: clients pin the certificate's, DNS names the one of DKIM, and
// the echo bot's contacts know its own.
//
// The walk of a run:
//
//	flags, chatmail.toml                 command, config
//	may it be done here and now?         admin/statedir, admin/relocation
//	  what the DNS says                  admin/dns; lookup/authoritative
//	what should be here                  admin/desired; the templates in packaging
//	  keys that exist, or new ones       admin/keyfiles; keys
//	what is here                         admin/host: files, units, ports; store/safefs
//	the difference                       Planner
//	shown, or applied                    Plan; admin/host
//	a certificate is awaited             admin/keyfiles, written by acme/renewal
package converge

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/dns"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/qr"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/statedir"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/auth/mailaddr"
)

// options are the flags of run.
type options struct {
	dryRun       bool
	disableMail  bool
	websiteOnly  bool
	skipDNSCheck bool
	checkConfig  bool
	stateOnly    bool
	ifRunning    bool
	boot         bool
}

// Command is chatmaild run.
var Command = command.Command{
	Name: "run", Kind: command.Admin,
	Synopsis: "makes this machine what the configuration says",
	Description: `It writes keys, certificates, the configurations of Postfix, Dovecot and
nginx, and the web pages, and starts the services. Running it again changes
nothing. It keeps the files that it replaces, and has each server check its
configuration before any is restarted.`,
	Examples: command.Examples{
		{"run --dry-run", "show what would change"},
		{"run", "change it"},
		{"run --disable-mail", "stop mail; the next run starts it again"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var opts options
		fs.BoolVar(&opts.dryRun, "dry-run", false, "show the diff of every file and each restart, and change nothing")
		fs.BoolVar(&opts.disableMail, "disable-mail", false, "stop Postfix and Dovecot, and keep them stopped")
		fs.BoolVar(&opts.websiteOnly, "website-only", false, "write the web pages and nothing else")
		fs.BoolVar(&opts.skipDNSCheck, "skip-dns-check", false, "continue although required DNS records are missing")
		fs.BoolVar(&opts.stateOnly, "state-only", false, "migrate the state directory of an earlier version, and exit")
		fs.BoolVar(&opts.ifRunning, "if-running", false, "for upgrades: show and apply what changes, if the relay runs and no file was edited by hand")
		fs.BoolVar(&opts.boot, "boot", false, "start what is not disabled, whatever DNS says: for supervise")
		fs.BoolVar(&opts.checkConfig, "check-config", false, "check the configuration, and exit")
		return func(ctx context.Context, env *command.Env, _ []string) error {
			return run(ctx, env, host.Host{}, opts)
		}
	},
}

// run plans first, which changes nothing, and then does what was planned.
func run(ctx context.Context, env *command.Env, machine host.Host, opts options) error {
	if opts.disableMail && opts.websiteOnly {
		return command.Usagef("--disable-mail and --website-only exclude each other")
	}
	conf, err := env.Config()
	if err == nil {
		err = desired.CheckRuntimeDir(conf, env.ConfigPath)
	}
	if err != nil || opts.checkConfig {
		return err
	}
	if err := machine.RequireRoot(); err != nil {
		return err
	}
	if opts.disableMail {
		return disableMail(ctx, env, machine, opts.dryRun)
	}
	// For the package's postinst: an upgrade must not start what its operator has stopped.
	if opts.ifRunning {
		if running, err := runs(ctx, machine); !running || err != nil {
			return err
		}
	}
	// First, since the plan compares with the layout of this version.
	if done, err := bringOver(ctx, env, conf, machine, opts); done || err != nil {
		return err
	}
	settled := relocation.RequireSettled(conf, machine)
	if opts.boot {
		if off, err := staysOff(ctx, env, machine, settled); off || err != nil {
			return err
		}
	}
	if settled != nil {
		return settled
	}
	p := Planner{Conf: conf, ConfigPath: env.ConfigPath, Version: env.Version, Machine: machine, Now: time.Now(), Boot: opts.boot}
	// Before anything is planned: without an address the authority gives no certificate, and
	// without the DKIM record other relays refuse our mail.
	if !opts.websiteOnly && !opts.skipDNSCheck && !opts.boot && !conf.SelfSigned() {
		if err := dns.Require(ctx, conf, machine, &authoritative.Resolver{}, env.Stderr); err != nil {
			return err
		}
	}
	var todo *Plan
	if opts.websiteOnly {
		todo, err = p.Website()
	} else {
		todo, err = p.Relay(ctx)
	}
	if err != nil {
		return err
	}
	if opts.dryRun || opts.ifRunning || todo.Empty() {
		todo.Show(env.Stdout)
	}
	if opts.dryRun {
		return nil
	}
	if opts.ifRunning {
		if err := managed(ctx, machine, todo); err != nil {
			return err
		}
	}
	issued, start := keyfiles.Issued(conf, machine), time.Now()
	if err := todo.Apply(ctx, machine, env.Stderr); err != nil {
		return err
	}
	if todo.Empty() {
		return nil
	}
	if !opts.websiteOnly && !opts.boot && conf.ACME() {
		err := awaitCertificate(ctx, conf, machine, start, env.Stderr)
		if err == nil && !issued {
			err = takeCertificate(ctx, machine)
		}
		// Clients of a relay at an address or with a name that begins with "_" do not ask for an
		// authority, so there it is not an error.
		if err != nil && !conf.SelfSigned() {
			return err
		}
		if err != nil {
			fmt.Fprintf(env.Stderr, "  %v\n  clients accept the relay's own certificate meanwhile; another one is requested automatically (chatmaild status)\n", err)
		}
	}
	if !opts.websiteOnly && !opts.ifRunning && !opts.boot {
		welcome(ctx, env, conf)
	}
	return nil
}

// staysOff reports whether nothing is to start with the machine: the relay is here in part
// only, or has moved away, or a command has stopped it until the next run. It says so, and
// is no failure: the operator needs the machine to be up, to put it right.
func staysOff(ctx context.Context, env *command.Env, machine host.Host, settled error) (bool, error) {
	if settled != nil {
		command.Report(env, "run", settled)
		return true, nil
	}
	units, err := machine.Systemd().Units(ctx, desired.Target)
	if err != nil || units[0].Enabled != "disabled" {
		return false, err
	}
	fmt.Fprintln(env.Stderr, "the relay is off until: chatmaild run")
	return true, nil
}

// bringOver brings the state directory over from an earlier version. It is done if there
// is nothing else to do, or to be planned before that is done.
func bringOver(ctx context.Context, env *command.Env, conf *config.Config, machine host.Host, opts options) (done bool, err error) {
	old, err := statedir.Old(conf, machine)
	if err != nil || !old {
		return opts.stateOnly, err
	}
	if opts.dryRun {
		fmt.Fprintf(env.Stdout, "create a directory for each daemon in %s; other changes are shown after that\n", conf.StateDir)
		return true, nil
	}
	fmt.Fprintf(env.Stderr, "  create a directory for each daemon in %s\n", conf.StateDir)
	if err := statedir.BringOver(conf, machine); err != nil || opts.stateOnly {
		return true, err
	}
	// It has its database open under the former name.
	return false, machine.Systemd().Systemctl(ctx, "try-restart", desired.Metadata)
}

// welcome shows how people come to the relay. That it cannot is not a failure of
// run: status shows what is wrong with the relay.
func welcome(ctx context.Context, env *command.Env, conf *config.Config) {
	fmt.Fprintf(env.Stdout, "\n%s is a chatmail relay now: https://%s/\nScan this with Delta Chat to get a profile:\n\n",
		conf.MailDomain, mailaddr.InURL(config.Host(conf)))
	if err := qr.Show(ctx, env, conf, ""); err != nil {
		fmt.Fprintf(env.Stderr, "no QR code yet: %v\n", err)
	}
}

// disableMail stops everything that could accept a message. What is queued or
// stored stays, and so do the web pages; run starts it all again.
func disableMail(ctx context.Context, env *command.Env, machine host.Host, dryRun bool) error {
	units, err := machine.Systemd().Units(ctx, slices.Concat(desired.MailUnits(), desired.SubmissionSockets())...)
	if err != nil {
		return err
	}
	var names []string
	for _, u := range units {
		if u.Load == "loaded" && (u.Active != "inactive" || u.Enabled != "disabled") {
			fmt.Fprintf(env.Stdout, "stop and disable %s\n", u.Name)
			names = append(names, u.Name)
		}
	}
	if dryRun {
		return nil
	}
	if len(names) > 0 {
		// Disabled before it is stopped: interrupted in between, mail stays on until the next boot
		// instead of coming back at it.
		if err := machine.Systemd().Systemctl(ctx, "disable", names...); err != nil {
			return err
		}
		say := func(format string, args ...any) { fmt.Fprintf(env.Stderr, format+"\n", args...) }
		if err := machine.StopMail(ctx, say); err != nil {
			return err
		}
	}
	fmt.Fprintln(env.Stderr, "Mail is off. It comes back with: chatmaild run")
	return nil
}

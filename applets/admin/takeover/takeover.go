// Package takeover is the command import: it takes over a relay that ran the Python
// chatmail. (Go has its own use for the name.)
//
// It looks first, refuses what would end in half a relay, and then does a list of steps,
// each noted in a journal before the next begins. Until mail is stopped, a failure
// leaves the old relay as it was; after that, it brings it back. The same journal lets a
// later undo restore every file and unit, whatever run has written since. Mailboxes,
// passwords and last logins are shared by both relays and never moved.
//
// Below it, pythonrelay knows the old relay's files and units, and journal is what has
// been done.
//
// The walk of an import:
//
//	chatmail.ini, units, files           pythonrelay
//	the machine's own, or a copy         admin/host; store/safefs
//	each step is noted                   journal
//	  former files are kept              admin/host
//	  mail stops                         packaging/postfix/control
//	  the machine becomes a relay        converge, which is run
//	  notifications are handed on        packaging/dovecot/dict
//	undone: tokens go back to files      store/tokens
package takeover

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/dns"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/packaging"
)

// Where import keeps its journal and what it replaces, and the operator's pages.
const (
	// Beside what run keeps, where an operator looks for former files.
	importDir     = desired.Backups + "/import"
	importJournal = journal.Path
	importKept    = importDir + "/kept"
	importMoved   = importDir + "/moved"
	importPages   = "/etc/chatmail/www"
)

// options are the flags of import.
type options struct {
	ini          string
	from         string
	dryRun       bool
	undo         bool
	diff         bool
	skipDNSCheck bool
}

// Command is chatmaild import.
var Command = command.Command{
	Name: "import", Kind: command.Admin,
	Synopsis: "takes over a relay that ran the Python chatmail",
	Description: `Its chatmail.ini becomes /etc/chatmail/chatmail.toml, where each key is accounted
for. Mailboxes, passwords, last logins and the DKIM key stay where they are; the TLS
key, the account with the certificate authority, push tokens, pending notifications,
the operator's own pages and the echo bot's key are taken over. Accounts
that were blocked stay blocked. The old units are stopped and masked, and its other
files moved aside unless something still needs them; then it does what run does. Mail
is off for some seconds.

If a step fails, the old relay is brought back. To resume after an interruption, run
the same command again. --undo brings the Python relay back later, too: what
chatmaild created is moved aside, and mail that has arrived since is in the
mailboxes, which both relays share.

--from takes a copy of another machine's files, with their owners or without. No
service is touched then: run starts the relay.`,
	Examples: command.Examples{
		{"import --dry-run", "show all that would be done"},
		{"import", "do it"},
		{"import --undo", "bring the Python relay back"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var opts options
		fs.BoolVar(&opts.dryRun, "dry-run", false, "show all that would be done, and change nothing")
		fs.BoolVar(&opts.undo, "undo", false, "bring the Python relay back")
		fs.StringVar(&opts.from, "from", "", "import the copy of another machine's files that is in `DIRECTORY`")
		fs.StringVar(&opts.ini, "ini", pythonrelay.INI, "read the Python relay's configuration from `FILE`")
		fs.BoolVar(&opts.diff, "diff", false, "with --dry-run: also show the diff of every file")
		fs.BoolVar(&opts.skipDNSCheck, "skip-dns-check", false, "continue although required DNS records are missing")
		return func(ctx context.Context, env *command.Env, _ []string) error {
			if opts.undo && opts.from != "" {
				return command.Usagef("--undo and --from exclude each other: taking a copy over leaves the old relay as it is")
			}
			return newImporter(env, host.Host{}, opts).run(ctx)
		}
	},
}

// importer takes a Python relay over, or gives it back.
type importer struct {
	options
	env     *command.Env
	machine host.Host // the one that becomes ours
	source  host.Tree // the old relay's files: the machine's own, or a copy
	now     time.Time

	conversion *pythonrelay.Conversion
	conf       *config.Config
	accounts   oldAccounts
	pages      []string // the operator's own, in the old relay's document root
	notes      []note
	journal    *journal.Journal // nil: nothing has begun
}

// newImporter reads from the machine itself, or from a copy of another one's files.
func newImporter(env *command.Env, machine host.Host, opts options) *importer {
	im := &importer{options: opts, env: env, machine: machine, source: machine.Tree, now: time.Now()}
	if opts.from != "" {
		im.source = host.Tree{Root: filepath.Join(machine.Root, opts.from)}
	}
	return im
}

// run decides by the journal: what has begun is finished, in its direction.
func (im *importer) run(ctx context.Context) error {
	if err := im.machine.RequireRoot(); err != nil {
		return err
	}
	var err error
	if im.journal, err = journal.Read(im.machine.ReadFile); err != nil {
		return err
	}
	switch {
	// An undo needs the journal alone: by now chatmail.ini may be gone, or edited.
	case im.undo:
		return undo{im}.run(ctx)
	case im.journal != nil && im.journal.Undoing:
		return command.WithHint(errors.New("an undo was interrupted"), "finish it: chatmaild import --undo")
	case im.journal != nil && im.journal.Next() == "":
		fmt.Fprintf(im.env.Stdout, "nothing to do: %s was taken over at %s\n", im.journal.Domain, im.journal.Begun.Format(time.DateTime))
		return nil
	}
	if err := im.look(); err != nil {
		return err
	}
	if err := im.requireFit(ctx); err != nil {
		return err
	}
	if im.from != "" {
		return copying{im}.run(ctx)
	}
	if im.dryRun {
		return display{im}.show(ctx)
	}
	return taking{im}.run(ctx)
}

// look reads the old relay. It changes nothing.
func (im *importer) look() error {
	text, err := im.source.ReadFile(im.ini)
	if err != nil {
		return command.WithHint(fmt.Errorf("finding the Python relay: %w", err),
			"is it on this machine? --ini names another file, --from a directory with a copy of its files")
	}
	params, err := pythonrelay.ParseINI(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", im.ini, err)
	}
	var paths pythonrelay.Paths
	if im.pages, err = im.oldPages(params); err != nil {
		return err
	}
	if len(im.pages) > 0 {
		paths.WWWFolder = importPages
	}
	if im.conversion, err = pythonrelay.Convert(params, packaging.Config, paths); err != nil {
		return fmt.Errorf("%s: %w", im.ini, err)
	}
	im.conf = im.conversion.Config
	im.accounts, err = surveyAccounts(im.source, im.conf)
	return err
}

// requireFit refuses what would end in half a relay, before anything changes.
func (im *importer) requireFit(ctx context.Context) error {
	checks := []func() error{
		im.machine.RequireDebian, im.machine.RequirePackages, im.requireNoConfig, im.requireMailboxes, im.requireKeys,
	}
	if im.from != "" {
		checks = append(checks, snapshot.Layout{Conf: im.conf, Root: im.machine.Root}.RequirePlaces)
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	// A copy is made while DNS names the old machine, so there it would always fail.
	if im.from == "" && !im.skipDNSCheck && !im.conf.SelfSigned() {
		return dns.Require(ctx, im.conf, im.machine, &authoritative.Resolver{}, im.env.Stderr)
	}
	return nil
}

// requireNoConfig refuses to replace a configuration that is not our own.
func (im *importer) requireNoConfig() error {
	if im.env.ConfigPath != config.DefaultPath {
		return command.Usagef("--config does not apply: import writes %s", config.DefaultPath)
	}
	if im.journal != nil && im.journal.Has(journal.StepConfig) {
		return nil // it is what we wrote, or what the operator has made of that
	}
	text, err := im.machine.ReadFile(config.DefaultPath)
	if err != nil || string(text) == im.conversion.Text {
		return nil
	}
	return command.WithHint(fmt.Errorf("there is a configuration already: %s", config.DefaultPath),
		"is this machine a chatmaild relay? if not, move it away and try again")
}

// requireMailboxes wants the passwords where they have been since 2024.
func (im *importer) requireMailboxes() error {
	if old, err := im.source.Exists(pythonrelay.OldPasswords); err != nil || old {
		return command.WithHint(errors.Join(fmt.Errorf("passwords are still in %s", pythonrelay.OldPasswords), err),
			"start the Python relay's doveauth once, of release 1.3 or later: it moves them to the mailboxes")
	}
	if there, err := im.source.Exists(im.conf.MailboxesDir); err != nil || !there {
		return command.WithHint(errors.Join(fmt.Errorf("there are no mailboxes in %s", im.conf.MailboxesDir), err),
			"does mailboxes_dir or mail_domain in %s say where they are?", im.ini)
	}
	return nil
}

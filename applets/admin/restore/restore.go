// Package restore puts a backup in place, and serves the steps of a move to this
// machine.
//
// It claims the machine first, by a record in the state directory: until the last piece
// and the configuration are in place, run refuses to start what would be half a relay.
// The configuration comes last for the same reason. The flag --serve is the other end of
// package move, over ssh.
package restore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/statedir"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// Command is chatmaild restore.
var Command = command.Command{
	Name: "restore", Kind: command.Admin, Args: "FILE",
	Synopsis: "restores a backup on this machine",
	Description: `The package has to be installed; the numeric IDs of its users may differ. A mailbox is
put in place as a whole, once its checksum is verified; the configuration comes last.
To resume an interrupted restore, run the same command again; until then run refuses
to start the relay. - is standard input.`,
	Examples: command.Examples{
		{"restore relay.tar", "from a file"},
		{"restore --key key.asc - <relay.tar.pgp", "an encrypted one, from standard input"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var locks transfer.Locks
		locks.Bind(fs)
		overwrite := fs.Bool("overwrite", false, "replace the relay on this machine; mailboxes that the backup lacks stay")
		serve := fs.String("serve", "", "run one `STEP` for a move from another machine")
		return func(ctx context.Context, env *command.Env, args []string) error {
			r := restore{env: env, machine: host.Host{}, overwrite: *overwrite, now: time.Now()}
			if *serve != "" {
				return r.serve(ctx, *serve)
			}
			if len(args) != 1 {
				return command.Usagef("missing FILE, or - for standard input")
			}
			return r.run(ctx, args[0], locks)
		}
	},
}

// restore puts a relay in place.
type restore struct {
	env       *command.Env
	machine   host.Host
	overwrite bool
	now       time.Time
	target    *snapshot.Target
	part      func() float64 // how much of the file was read
	progress  *transfer.Progress
}

// run puts an archive in place. It stops mail before the first piece: Debian's servers
// run as soon as they are installed, and would deliver into what is being replaced.
func (r *restore) run(ctx context.Context, name string, locks transfer.Locks) error {
	if err := r.machine.RequireRoot(); err != nil {
		return err
	}
	in, file, err := transfer.Open(r.env, name, locks)
	if file != nil {
		defer file.Close()
	}
	if err != nil {
		return err
	}
	if in.Head().Update {
		return errors.New("this is not a backup but a part of a move")
	}
	r.part = file.Part()
	if err := r.begin(in); err != nil {
		return err
	}
	last, err := r.claim(in.Head().ID)
	if err != nil {
		return err
	}
	// Debian's own servers run as they were installed.
	if err := transfer.StopRelay(ctx, r.env.Stderr, r.machine); err != nil {
		return err
	}
	err = r.receive(ctx, in.Head().ID, last)
	if err == nil {
		err = r.finish(ctx)
	}
	if err != nil {
		r.progress.Clear()
		if errors.Is(err, context.Canceled) {
			err = transfer.ErrInterrupted
		}
		return command.WithHint(fmt.Errorf("the restore is not finished: %w", err), "to resume, run the same command again")
	}
	fmt.Fprintf(r.env.Stdout, "%s is in place.\n", r.target.Conf.MailDomain)
	on := "chatmaild run (--skip-dns-check while DNS names another machine)"
	if config.Clustered(r.target.Conf) {
		on = "if it is the first of its machines again, chatmaild cluster init --load FILE, which cluster dump wrote; else chatmaild join root@HOST, that one: chatmaild-cluster(7)"
	}
	fmt.Fprintf(r.env.Stderr, "Turn it on with: %s\nThen compare the DNS records: chatmaild dns\n", on)
	return nil
}

// begin reads the configuration in the archive.
func (r *restore) begin(in *archive.Reader) error {
	r.target = &snapshot.Target{
		Layout: snapshot.Layout{ConfigPath: r.env.ConfigPath, Root: r.machine.Root}, Owners: &snapshot.Owners{},
	}
	return r.target.Begin(in)
}

// claim makes sure that the restore harms no relay that is here, and notes that one is
// in progress. It returns the piece up to which the archive is in place already.
func (r *restore) claim(id string) (last string, err error) {
	if err := errors.Join(r.machine.RequirePackages(), r.target.RequirePlaces()); err != nil {
		return "", err
	}
	var under relocation.Restore
	unfinished := relocation.RestoreIn(r.target.Conf, r.machine)
	is, err := unfinished.Read(&under)
	if err != nil {
		return "", err
	}
	// The same archive: what is in place is known to be its own.
	if is && under.ID == id {
		fmt.Fprintln(r.env.Stderr, "resuming an interrupted restore")
		return under.Last, nil
	}
	if living := r.living(is); living != "" && !r.overwrite {
		return "", command.WithHint(fmt.Errorf("there is a relay here already: %s", living),
			"--overwrite replaces it; mailboxes that the backup lacks stay")
	}
	// The state of an earlier version, which --overwrite replaces: root writes only into
	// directories that are not a daemon's.
	if old, err := statedir.Old(r.target.Conf, r.machine); err != nil {
		return "", err
	} else if old {
		if err := statedir.BringOver(r.target.Conf, r.machine); err != nil {
			return "", err
		}
	}
	if err := r.dirs(); err != nil {
		return "", err
	}
	return "", unfinished.Write(relocation.Restore{ID: id})
}

// living says by what one sees that there is a relay here, or something of one.
func (r *restore) living(unfinished bool) string {
	if unfinished {
		return "another restore or move is not finished (to abandon it, remove " + relocation.RestoreIn(r.target.Conf, r.machine).Path + ")"
	}
	if _, err := r.machine.ReadFile(r.env.ConfigPath); err == nil {
		return r.env.ConfigPath
	}
	names, err := r.machine.Names(r.target.Conf.MailboxesDir)
	if err == nil && slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "@") }) {
		return "mailboxes in " + r.target.Conf.MailboxesDir
	}
	if _, err := r.machine.ReadFile(r.target.Conf.MetadataDB()); err == nil {
		return r.target.Conf.MetadataDB()
	}
	return ""
}

// directories makes those that pieces come into.
func (r *restore) dirs() error {
	for _, f := range desired.Directories(r.target.Conf) {
		if strings.HasPrefix(f.Path, r.target.Conf.MailboxesDir) || strings.HasPrefix(f.Path, r.target.Conf.StateDir) {
			if err := r.machine.MakeDirectory(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// receive puts the pieces in place. From time to time it notes how far it came.
func (r *restore) receive(ctx context.Context, id, last string) error {
	unfinished := relocation.RestoreIn(r.target.Conf, r.machine)
	r.progress = transfer.NewProgress(r.env.Stderr, "restore", 0, archive.State{})
	r.progress.Part = r.part
	noted := time.Now()
	var state archive.State
	err := r.target.Receive(ctx, last, func(s archive.State) error {
		state = s
		r.progress.Show(s)
		if time.Since(noted) < transfer.NoteEach {
			return nil
		}
		noted = time.Now()
		// In this order: the record must not name a piece that a power cut could take back.
		return errors.Join(r.target.Sync(), unfinished.Write(relocation.Restore{ID: id, Last: s.Last}))
	})
	if err != nil {
		return err
	}
	r.progress.Finish(state)
	return r.target.Sync()
}

// finish puts the configuration in place, with which the machine is a relay. The one
// that was here is kept.
func (r *restore) finish(context.Context) error {
	conf := desired.File{
		Path: r.env.ConfigPath, Content: []byte(r.target.ConfigText), Mode: 0o644, Owner: "root", Group: "root",
	}
	changes, err := r.machine.Changes([]desired.File{conf})
	if err != nil {
		return err
	}
	if err := r.machine.Keep(desired.Backup(r.now), changes); err != nil {
		return err
	}
	// The record goes last: run starts nothing while it is there.
	if err := errors.Join(r.target.Tidy(), r.machine.Write(conf), r.target.Sync()); err != nil {
		return err
	}
	return relocation.RestoreIn(r.target.Conf, r.machine).Remove()
}

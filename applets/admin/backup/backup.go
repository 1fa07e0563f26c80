// Package backup writes all that makes the relay to an archive, and verifies one.
//
// The relay keeps running, so nothing may rely on files that stay still: package
// snapshot reads each mailbox as it is at that moment, and the metadata daemon copies
// its database for us. A file on disk gets its final name only once it is whole and
// synced; until then a note beside it says up to which byte it is valid, by which the
// same command resumes. Why it is not tar, rsync and age: see package transfer.
package backup

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/statedir"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/seal"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
	"chatmaild/store/safefs"
)

// What of an archive lies on the disk, and where, is noted after so much, or so long.
const (
	noteEachBytes = 64 << 20
)

// sealedBuffer joins the small packets of which a sealed stream consists, in bytes.
const sealedBuffer = 256 << 10

// Names of an archive that is not finished, behind the one that it will have.
const (
	partSuffix = ".part"
	noteSuffix = ".part.json"
)

// Command is chatmaild backup.
var Command = command.Command{
	Name: "backup", Kind: command.Admin, Args: "[FILE]",
	Synopsis: "writes a backup of the whole relay",
	Description: `It contains configuration, keys, certificates, mailboxes with passwords and last
logins, push tokens, invites, state and web pages, but not Postfix's queue; of one of
several machines, its mailboxes and the directory of all accounts. The relay
keeps running. FILE is a tar(1) archive with checksums; without FILE, or with -, it
goes to standard output. The file gets its name once it is whole; to resume an interrupted backup, run
the same command again.`,
	Examples: command.Examples{
		{"backup relay.tar", "write a file"},
		{"backup --recipient keys.asc | ssh host \"cat >relay.tar.pgp\"", "encrypted, to another machine"},
		{"backup --verify relay.tar", "verify every checksum"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		var locks transfer.Locks
		locks.Bind(fs)
		fs.StringVar(&locks.Recipient, "recipient", "", "encrypt to the OpenPGP public keys in `FILE`")
		verify := fs.Bool("verify", false, "verify every checksum in an archive, and report how much of it is intact")
		goOn := fs.String("continue", "", "resume an archive on standard output; --verify prints the `TEXT`")
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) > 1 {
				return command.Usagef("unexpected argument %q", args[1])
			}
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			if *verify {
				return verifyBackup(env, name, locks)
			}
			return run(ctx, env, host.Host{}, name, locks, *goOn)
		}
	},
}

// backup is a backup that is being written.
type backup struct {
	env      *command.Env
	conf     *config.Config
	keys     seal.Keys
	source   *snapshot.Source
	progress *transfer.Progress
}

// newBackup is a backup of the machine, with nothing written yet.
func newBackup(env *command.Env, machine host.Host, conf *config.Config, keys seal.Keys) *backup {
	return &backup{env: env, conf: conf, keys: keys, source: transfer.Source(env, conf, machine)}
}

// run checks everything that could fail before the first byte is written.
func run(ctx context.Context, env *command.Env, machine host.Host, name string, locks transfer.Locks, goOn string) error {
	conf, err := env.Config()
	if err != nil {
		return err
	}
	if err := machine.RequireRoot(); err != nil {
		return err
	}
	if err := statedir.Require(conf, machine); err != nil {
		return err
	}
	keys, err := locks.ToSeal()
	if err != nil {
		return err
	}
	if name != "-" {
		if goOn != "" {
			return command.Usagef("--continue is for standard output; a file is resumed automatically")
		}
		return ToFile(ctx, env, machine, conf, keys, name)
	}
	// It would be gigabytes of control characters, and secrets among them.
	if command.IsTerminal(env.Stdout) {
		return command.WithHint(command.Usagef("refusing to write an archive to a terminal"), "name a file, or redirect the output")
	}
	return newBackup(env, machine, conf, keys).toStream(ctx, goOn)
}

// ToFile writes a backup of the machine to a file, or continues with one that was
// interrupted.
func ToFile(ctx context.Context, env *command.Env, machine host.Host, conf *config.Config, keys seal.Keys, name string) error {
	return newBackup(env, machine, conf, keys).toFile(ctx, name)
}

// head begins a new archive. Its random ID is what a restore that is resumed recognizes
// the archive by.
func (b *backup) head() *archive.Head {
	return &archive.Head{
		Format: archive.Version, ID: archive.NewID(), Domain: b.conf.MailDomain, Version: b.env.Version, Made: time.Now().UTC(),
	}
}

// toStream writes to standard output, in one go or the rest of what was interrupted.
// An encrypted stream cannot be continued: who holds only half of it cannot say how far it
// came, since that needs the key.
func (b *backup) toStream(ctx context.Context, goOn string) error {
	var state archive.State
	if goOn != "" {
		text, err := base64.RawURLEncoding.DecodeString(goOn)
		if err == nil {
			err = json.Unmarshal(text, &state)
		}
		if err != nil || b.keys.Lock() {
			return command.Usagef("--continue needs the TEXT that backup --verify printed, and no encryption")
		}
	}
	out := bufio.NewWriterSize(b.env.Stdout, noteEachBytes>>8)
	err := b.write(ctx, out, state, func(archive.State, func() error) error { return nil })
	if err == nil {
		err = out.Flush()
	}
	return b.interrupted(err, "if you keep what was written, backup --verify says how to resume")
}

// A checkpoint says how much of an archive lies on the disk, whole.
type checkpoint struct {
	Bytes  int64         `json:"octets"` // of the file
	Sealed bool          `json:"sealed"`
	State  archive.State `json:"state"`
}

// toFile writes a file that has its name once it is whole. The same command continues
// with one that was interrupted.
func (b *backup) toFile(ctx context.Context, name string) error {
	if _, err := safefs.Lstat(name); err == nil {
		return command.WithHint(fmt.Errorf("%s exists", name), "a backup never overwrites: choose another name")
	}
	n, err := b.readCheckpoint(name)
	if err != nil {
		return err
	}
	dir, err := safefs.OpenDir(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	defer dir.Close()
	base := filepath.Base(name)
	f, err := openPart(dir, base+partSuffix)
	if err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() < n.Bytes {
		return errors.Join(fmt.Errorf("%s does not match %s", name+partSuffix, name+noteSuffix), err)
	}
	if _, err := f.Seek(n.Bytes, io.SeekStart); err != nil {
		return err
	}
	// What was written behind the checkpoint may be half a piece, and is not synced.
	if err := f.Truncate(n.Bytes); err != nil {
		return err
	}
	if n.State.Pieces > 0 {
		fmt.Fprintf(b.env.Stderr, "resuming after the first %s of %s\n", command.FormatSize(n.Bytes), name+partSuffix)
	}
	counted := &counter{w: f, n: n.Bytes}
	noted, at := n.Bytes, time.Now()
	err = b.write(ctx, counted, n.State, func(s archive.State, cut func() error) error {
		if counted.n-noted < noteEachBytes && time.Since(at) < transfer.NoteEach {
			return nil
		}
		// Synced before it is noted: a checkpoint never promises what a power cut could take.
		if err := errors.Join(cut(), f.Sync()); err != nil {
			return err
		}
		noted, at = counted.n, time.Now()
		return writeCheckpoint(name, checkpoint{counted.n, b.keys.Lock(), s})
	})
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err == nil {
		err = dir.Move(base+partSuffix, dir, base)
	}
	if err != nil {
		return b.interrupted(err, "to resume, run the same command again")
	}
	if err := dir.Remove(base + noteSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// openPart opens what there is of an archive, or makes it. It holds all that is secret: one
// that another user has put there is refused.
func openPart(dir *safefs.Dir, name string) (*os.File, error) {
	f, err := dir.Create(name)
	if errors.Is(err, fs.ErrExist) {
		return safefs.OpenOwn(dir, name)
	}
	return f, err
}

// readCheckpoint reads how far an earlier backup came; nothing if there was none. With
// other keys it could not be continued: nobody could open both halves.
func (b *backup) readCheckpoint(name string) (n checkpoint, err error) {
	text, err := safefs.ReadFile(name + noteSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		return n, fmt.Errorf("reading the progress of an earlier backup: %w", err)
	}
	if n.Sealed != b.keys.Lock() {
		return n, command.WithHint(fmt.Errorf("%s was begun with other keys", name+partSuffix), "remove it to start again")
	}
	return n, nil
}

// writeCheckpoint replaces the note beside the file, after the file is synced up to
// there.
func writeCheckpoint(name string, n checkpoint) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return atomicfile.Write(name+noteSuffix, text, 0o600, nil)
}

// write writes the archive, or what of it is missing behind state: see writeRest.
func (b *backup) write(ctx context.Context, out io.Writer, state archive.State, noted func(s archive.State, cut func() error) error) error {
	return b.withDirectory(ctx, func() error { return b.writeRest(ctx, out, state, noted) })
}

// writeRest writes what is missing of the archive behind state. noted is called after
// each piece how far it came; cut makes it whole up to there.
func (b *backup) writeRest(ctx context.Context, out io.Writer, state archive.State, noted func(s archive.State, cut func() error) error) (err error) {
	cut := func() error { return nil }
	if b.keys.Lock() {
		buffered := bufio.NewWriterSize(out, sealedBuffer)
		sealed := seal.NewWriter(buffered, b.keys)
		out, cut = sealed, func() error { return errors.Join(sealed.Cut(), buffered.Flush()) }
	}
	o := snapshot.Options{After: state.Last}
	w := archive.Resume(out, state)
	if state.Pieces == 0 {
		o.Head = b.head()
		w = archive.NewWriter(out, o.Head.ID)
	}
	total, err := b.source.Places(o)
	if err != nil {
		return err
	}
	b.progress = transfer.NewProgress(b.env.Stderr, "backup", total, state)
	o.Done = func(s archive.State) error {
		state = s
		b.progress.Show(s)
		return noted(s, cut)
	}
	if err := b.source.Write(ctx, w, o); err != nil {
		return err
	}
	// The end belongs to the last message: what is noted before is whole without it.
	if err := errors.Join(w.Close(), cut()); err != nil {
		return err
	}
	b.progress.Finish(state)
	return nil
}

// interrupted says how to continue after an error.
func (b *backup) interrupted(err error, hint string) error {
	if err == nil {
		return nil
	}
	b.progress.Clear()
	if errors.Is(err, context.Canceled) {
		err = transfer.ErrInterrupted
	}
	return command.WithHint(fmt.Errorf("the backup is incomplete: %w", err), "%s", hint)
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/store/safefs"
)

// partsAhead is how many parts of a piece may wait to be written.
// Together they are 4 MiB of a piece, and lanesAhead pieces are on their way at most.
const partsAhead = 16

// tempPrefix is in front of the name of a piece that is being made.
const tempPrefix = ".restore-"

// An arrival is a piece on its way to its place.
type arrival struct {
	t      *Target
	ctx    context.Context
	name   string // of the piece
	update bool   // what is in place stays, but for what comes and goes
	parts  chan part
	pool   *sync.Pool

	dir      *safefs.Dir // the directory in which the place is,
	parent   *os.Root    // and the same one
	path     string      // of these
	made     *safefs.Dir // what is made, if that is a directory: root's until it is whole,
	tree     *os.Root    // and the same one
	top      archive.Entry
	base     string   // the place's name in it
	temp     string   // the name under which the piece is made
	file     *os.File // being written
	entry    archive.Entry
	gone     []string
	whole    bool
	state    archive.State
	finished chan error
}

// part is what a goroutine is handed: an entry, some of its content, names that are
// gone, or a sum.
type part struct {
	item    archive.Item
	content []byte
}

func (t *Target) begin(ctx context.Context, piece string, pool *sync.Pool) (*arrival, error) {
	place, err := t.where(piece)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(place)
	return &arrival{
		t: t, ctx: ctx, name: piece, pool: pool,
		// Only mailboxes are compared file by file; everything else comes whole, in an update, too.
		update: t.r.Head().Update && strings.HasPrefix(piece, mailboxes),
		path:   filepath.Dir(place), base: base, temp: tempPrefix + base,
		parts: make(chan part, partsAhead), finished: make(chan error, 1),
	}, nil
}

// pass hands over an item, and the content of a file.
func (a *arrival) pass(ctx context.Context, item archive.Item, content io.Reader) error {
	if err := a.send(ctx, part{item: item}); err != nil || item.Entry == nil || item.Entry.Size == 0 {
		return err
	}
	for {
		buf := a.pool.Get().(*[blockSize]byte)
		n, err := io.ReadFull(content, buf[:])
		if n > 0 {
			if err := a.send(ctx, part{content: buf[:n]}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (a *arrival) send(ctx context.Context, p part) error {
	select {
	case a.parts <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run writes the piece and puts it in place.
func (a *arrival) run() {
	err := a.write()
	if err != nil {
		err = fmt.Errorf("putting %s in place: %w", a.name, err)
	}
	a.finished <- err
	for range a.parts { // the reader must not wait for us
	}
}

func (a *arrival) write() (err error) {
	if a.dir, err = safefs.MkdirAll(a.path); err != nil {
		return err
	}
	defer a.dir.Close()
	if _, err := a.dir.Lstat(a.base); err == nil && readOnly(a.path) {
		return a.passOver()
	}
	if a.parent, err = safefs.OpenRoot(a.dir); err != nil {
		return err
	}
	defer func() {
		if a.file != nil {
			a.file.Close()
		}
		if a.made != nil {
			a.made.Close()
			a.tree.Close()
		}
		err = errors.Join(err, a.dir.RemoveAll(a.temp), a.parent.Close())
	}()
	if err := a.dir.RemoveAll(a.temp); err != nil { // an earlier run was interrupted
		return err
	}
	for p := range a.parts {
		if err := a.take(p); err != nil {
			return err
		}
	}
	if !a.whole {
		return context.Canceled // the archive was interrupted, and that is the error
	}
	return nil
}

// passOver leaves what is there, such as a certificate that was mounted into a container: the
// operator has put it there for this machine.
func (a *arrival) passOver() error {
	for p := range a.parts {
		if p.content != nil {
			a.pool.Put((*[blockSize]byte)(p.content[:blockSize]))
		}
		a.whole = a.whole || p.item.Sum != nil
	}
	if !a.whole {
		return context.Canceled
	}
	return nil
}

func (a *arrival) take(p part) error {
	switch {
	case p.content != nil:
		_, err := a.file.Write(p.content)
		a.pool.Put((*[blockSize]byte)(p.content[:blockSize]))
		return err
	case p.item.Entry != nil:
		return errors.Join(a.closeFile(), a.open(*p.item.Entry))
	case p.item.Gone != nil:
		a.gone = append(a.gone, p.item.Gone...)
		return nil
	}
	// A void piece is one that went away while it was read. What is here stays: the source
	// names it again, or says that it is gone.
	a.whole = true
	if err := a.closeFile(); err != nil || p.item.Sum.Void {
		return err
	}
	return a.commit()
}

func (a *arrival) open(e archive.Entry) (err error) {
	name := strings.TrimPrefix(e.Name[len(a.name):], "/")
	if name == "" {
		return a.begin(e)
	}
	if a.tree == nil {
		return fmt.Errorf("%w: %q comes before its directory", archive.ErrDamaged, e.Name)
	}
	if e.Dir {
		if err := a.tree.Mkdir(name, 0o700); err != nil {
			return err
		}
		return a.own(e, func(uid, gid int) error { return a.tree.Lchown(name, uid, gid) }, func(m fs.FileMode) error { return a.tree.Chmod(name, m) })
	}
	// In an update a directory that is already there is not named.
	if a.update {
		if err := a.tree.MkdirAll(path.Dir(name), 0o700); err != nil {
			return err
		}
	}
	a.entry = e
	// O_EXCL, since an archive names nothing twice; what is wrong in it is not written over
	// something else.
	a.file, err = a.tree.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return err
}

// begin makes what the piece is. A directory stays closed to everybody but root until all is
// in it: until then nobody can put anything else there.
func (a *arrival) begin(e archive.Entry) (err error) {
	if !e.Dir {
		a.entry = e
		a.file, err = a.dir.Create(a.temp)
		return err
	}
	a.top = e
	if a.made, err = a.dir.Mkdir(a.temp); err != nil {
		return err
	}
	if a.tree, err = safefs.OpenRoot(a.made); err != nil {
		a.made.Close()
		a.made = nil
	}
	return err
}

// finish gives a directory that is whole to whom it belongs.
func (a *arrival) finish() error {
	if a.made == nil {
		return nil
	}
	return a.own(a.top, func(uid, gid int) error { return safefs.Chown(a.made, uid, gid, 0o700) }, func(m fs.FileMode) error { return safefs.Chown(a.made, -1, -1, m) })
}

// own gives an entry to whom it belongs, and then its mode: chown takes setgid away.
func (a *arrival) own(e archive.Entry, chown func(uid, gid int) error, chmod func(fs.FileMode) error) error {
	if os.Geteuid() == 0 {
		owner, group, ok := a.t.owner(filepath.Join(a.path, a.base), a.made != nil)
		if !ok {
			owner, group = e.Owner, e.Group
		}
		uid, gid, err := a.t.Owners.ids(owner, group)
		if err != nil {
			return err
		}
		if err := chown(uid, gid); err != nil {
			return err
		}
	}
	return chmod(e.Mode)
}

// closeFile finishes the file that is being written.
func (a *arrival) closeFile() error {
	f := a.file
	if f == nil {
		return nil
	}
	a.file = nil
	at := []unix.Timeval{{Sec: a.entry.Time.Unix()}, {Sec: a.entry.Time.Unix()}}
	return errors.Join(a.own(a.entry, f.Chown, f.Chmod), unix.Futimes(int(f.Fd()), at), f.Close())
}

// commit puts the piece in place.
func (a *arrival) commit() error {
	if slices.Contains(a.gone, ".") {
		return a.removePlace()
	}
	_, err := a.dir.Lstat(a.base)
	there := !errors.Is(err, fs.ErrNotExist)
	switch {
	case there && err != nil:
		return err
	case there && a.update:
		return a.merge()
	}
	if err := a.finish(); err != nil {
		return err
	}
	if !there {
		return a.dir.Rename(a.temp, a.dir, a.base)
	}
	return a.exchange()
}

// exchange puts the piece where another one is, which goes.
// At every moment there is a whole mailbox, the former or the new one: Dovecot may be asked
// for it by a client that does not know of the restore.
func (a *arrival) exchange() error {
	fd := a.dir.Fd()
	err := unix.Renameat2(fd, a.temp, fd, a.base, unix.RENAME_EXCHANGE)
	// EXDEV is what overlayfs says of a directory from a lower layer, as in a container; EBUSY
	// is a mount point, EINVAL a file system that cannot exchange (renameat2(2)).
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EINVAL) {
		return a.refill()
	}
	if err != nil {
		return fmt.Errorf("replacing the existing one: %w", err)
	}
	return a.dir.RemoveAll(a.temp)
}

// refill puts the piece where another one is that cannot be renamed: a mount point, or a
// directory that an overlay has from below. This is the only piece that is not exchanged at
// once; the record of the restore says so until all is done.
func (a *arrival) refill() error {
	if info, err := a.parent.Lstat(a.base); err != nil || !info.IsDir() {
		return errors.Join(fmt.Errorf("%s cannot be replaced", a.base), err)
	}
	former, err := fs.ReadDir(a.parent.FS(), a.base)
	if err != nil {
		return err
	}
	for _, f := range former {
		if err := a.parent.RemoveAll(path.Join(a.base, f.Name())); err != nil {
			return err
		}
	}
	return a.merge()
}

func (a *arrival) removePlace() error {
	if err := a.dir.RemoveAll(a.temp); err != nil {
		return err
	}
	// Renamed first: nothing is ever half removed under its own name, and Tidy knows the other.
	if err := a.dir.Rename(a.base, a.dir, a.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return a.dir.RemoveAll(a.temp)
}

// merge moves what came to what is there, and removes what is gone. If it is interrupted,
// the next update finds what is still different.
func (a *arrival) merge() error {
	err := fs.WalkDir(a.parent.FS(), a.temp, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := path.Join(a.base, strings.TrimPrefix(strings.TrimPrefix(name, a.temp), "/"))
		if !d.IsDir() {
			return a.parent.Rename(name, to)
		}
		if _, err := a.parent.Lstat(to); err == nil {
			return nil
		}
		// A new directory is moved with all in it.
		if err := a.parent.Rename(name, to); err != nil {
			return err
		}
		return fs.SkipDir
	})
	if err != nil {
		return err
	}
	for _, name := range a.gone {
		if err := a.parent.RemoveAll(path.Join(a.base, name)); err != nil {
			return err
		}
	}
	// Dovecot looks into a directory again whose time is not the one that it knows.
	return a.touch("cur", "new")
}

// touch sets the time of directories in the place.
func (a *arrival) touch(names ...string) error {
	place, err := a.dir.OpenDir(a.base)
	if err != nil {
		return err
	}
	defer place.Close()
	for _, name := range names {
		dir, err := place.OpenDir(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(safefs.SetDirTime(dir, time.Now()), dir.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

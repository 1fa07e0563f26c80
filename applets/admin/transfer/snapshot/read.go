package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/store/safefs"
)

// maxHeld is how large a file may be to be read as a whole: then what is archived is of
// one moment.
const maxHeld = 1 << 20

var buffers = sync.Pool{New: func() any { return new([maxHeld]byte) }}

// reading is a piece that is being read.
type reading struct {
	*Source
	job
	ctx   context.Context
	piece *archive.Piece
	owner owner
	buf   []byte
}

// read reads a piece.
func (s *Source) read(ctx context.Context, j job, w io.Writer) (archive.Sum, error) {
	piece, err := archive.NewPiece(w, j.place.piece, j.head)
	if err != nil {
		return archive.Sum{}, err
	}
	buf := buffers.Get().(*[maxHeld]byte)
	defer buffers.Put(buf)
	r := &reading{Source: s, job: j, ctx: ctx, piece: piece, buf: buf[:]}
	void, err := r.read()
	if err != nil {
		return archive.Sum{}, fmt.Errorf("reading %s: %w", j.path, err)
	}
	return piece.Close(void)
}

// read returns void if there is nothing any more, or only a part.
func (r *reading) read() (void bool, err error) {
	if r.gone {
		return false, r.absent()
	}
	fd, err := r.open()
	if errors.Is(err, errGone) {
		if r.place.piece == configPiece || section(r.place.piece) == 1 {
			// There never was one; a mailbox went in this moment.
			return false, r.absent()
		}
		return true, r.directory("", &unix.Stat_t{Mode: unix.S_IFDIR})
	}
	if err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		defer unix.Close(fd)
		return false, r.add(fd, &st, "", r.buf, nil)
	}
	isMailbox := strings.HasPrefix(r.place.piece, mailboxes)
	// Postfix's queue has files of local senders.
	if r.owner = ownerOf(&st); strings.HasPrefix(r.place.piece, queue) {
		r.owner = anybody
	}
	w := walker{
		ctx: r.ctx, directory: r.directory, file: r.file, mailbox: isMailbox, owner: r.owner, leftOut: r.leaveOut,
	}
	if err := w.walk(fd, ""); err != nil {
		return false, err
	}
	if err := r.missing(); err != nil {
		return false, err
	}
	// A mailbox that was deleted meanwhile was read in part only.
	_, err = safefs.Lstat(r.path)
	return isMailbox && errors.Is(err, fs.ErrNotExist), nil
}

// leaveOut says that something was left out.
func (r *reading) leaveOut(rel string) {
	r.Warn(path.Join(r.path, rel) + " is skipped: it is neither file nor directory, or belongs to another user than its directory")
}

// open opens the piece itself. One that cannot be trusted is left out.
func (r *reading) open() (int, error) {
	if r.place.piece == databasePiece && r.Database != nil {
		f, err := r.Database(r.ctx)
		if err != nil {
			return -1, err
		}
		defer f.Close()
		// A descriptor of its own: the walker closes its one, and f must not close it again.
		return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	}
	// The configuration may name a link; in our own directories there is none.
	f, err := safefs.OpenAny(r.path, section(r.place.piece) <= 1)
	var refused *safefs.UnsafeError
	switch {
	case errors.As(err, &refused):
		r.Warn(err.Error() + "; it is skipped")
		return -1, errGone
	case errors.Is(err, fs.ErrNotExist):
		return -1, errGone
	case err != nil:
		return -1, err
	}
	defer f.Close()
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// absent says that the other side should not have the piece.
func (r *reading) absent() error {
	if err := r.directory("", &unix.Stat_t{Mode: unix.S_IFDIR}); err != nil {
		return err
	}
	return r.piece.Gone([]string{"."})
}

// missing says what the other side has of the piece, and we have not.
func (r *reading) missing() error {
	var names []string
	for name := range r.have {
		names = append(names, name)
	}
	return r.piece.Gone(names)
}

func (r *reading) name(rel string) string { return path.Join(r.place.piece, rel) }

// directory writes a directory before what is in it.
func (r *reading) directory(rel string, st *unix.Stat_t) error {
	known := r.have[rel].dir
	delete(r.have, rel)
	if known && rel != "" {
		return nil
	}
	return r.piece.Add(r.entry(rel, st), nil)
}

// file reads the file that was opened, not its name: that may mean another one by now.
func (r *reading) file(dir int, name, rel string, message bool) error {
	theirs, known := r.have[rel]
	// The common case of an update: a message that is there already costs one system call.
	if known && message {
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && theirs == messageStamp(&st) {
			delete(r.have, rel)
			return nil
		}
	}
	fd, err := openAt(dir, name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("looking at %s: %w", rel, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || r.owner.foreign(&st) {
		r.leaveOut(rel)
		return nil
	}
	delete(r.have, rel)
	if message && st.Size < maxHeld {
		// It does not grow, so there is no need to look whether something follows.
		n, err := readFull(fd, r.buf[:st.Size])
		if err != nil {
			return err
		}
		return r.piece.Add(r.entry(rel, &st), r.buf[:n])
	}
	if !known || message {
		return r.add(fd, &st, rel, r.buf, nil)
	}
	return r.add(fd, &st, rel, r.buf, &theirs)
}

// add archives an open file, unless it is what the other side has. A small one is read
// first: it may be longer by now than when it was looked at.
func (r *reading) add(fd int, st *unix.Stat_t, rel string, buf []byte, theirs *stamp) error {
	e := r.entry(rel, st)
	n, err := readFull(fd, buf)
	if err != nil {
		return err
	}
	if n < len(buf) {
		if theirs != nil && *theirs == contentStamp(buf[:n], st) {
			return nil
		}
		return r.piece.Add(e, buf[:n])
	}
	err = r.piece.Stream(e, io.LimitReader(rest(buf, fd), e.Size))
	if errors.Is(err, archive.ErrShort) {
		r.Warn(path.Join(r.path, rel) + " became shorter while it was read")
		return nil
	}
	return err
}

func (r *reading) entry(rel string, st *unix.Stat_t) archive.Entry {
	e := archive.Entry{
		Name: r.name(rel), Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR,
		Mode: fs.FileMode(st.Mode & 0o777), Time: time.Unix(st.Mtim.Unix()),
	}
	if st.Mode&unix.S_ISGID != 0 {
		e.Mode |= fs.ModeSetgid
	}
	if st.Mode&unix.S_ISVTX != 0 {
		e.Mode |= fs.ModeSticky
	}
	if !e.Dir {
		e.Size = st.Size
	}
	e.Owner, e.Group = r.Owners.names(st.Uid, st.Gid)
	return e
}

// messageStamp is that of a message, which never changes.
func messageStamp(st *unix.Stat_t) stamp {
	return stamp{size: st.Size, time: st.Mtim.Sec, sum: "-"}
}

func contentStamp(content []byte, st *unix.Stat_t) stamp {
	sum := sha256.Sum256(content)
	return stamp{size: int64(len(content)), time: st.Mtim.Sec, sum: hex.EncodeToString(sum[:16])}
}

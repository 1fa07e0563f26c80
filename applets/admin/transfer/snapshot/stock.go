package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/store/safefs"
)

// Inventory writes what mailboxes there are, and what is in them.
func (t *Target) Inventory(ctx context.Context, w io.Writer) error {
	if _, err := fmt.Fprintln(w, inventoryHead); err != nil {
		return err
	}
	names, err := list(t.Mailboxes())
	if err != nil {
		return err
	}
	written := 0
	jobs := func(yield func(string, error) bool) {
		for _, name := range names {
			if !strings.HasPrefix(name, ".") && !yield(name, nil) {
				return
			}
		}
	}
	err = ordered(ctx, jobs, w, t.stock, func(there bool) error {
		if there {
			written++
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "end %d\n", written)
	return err
}

// stock writes what is in one mailbox.
func (t *Target) stock(ctx context.Context, address string, w io.Writer) (there bool, err error) {
	box, err := safefs.OpenDir(filepath.Join(t.Mailboxes(), address))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer box.Close()
	fd, err := openDir(box.Fd(), ".")
	if err != nil {
		return false, err
	}
	uid, _ := box.Owner()
	whose := ownerOf(&unix.Stat_t{Uid: uint32(uid)})
	buf := buffers.Get().(*[maxHeld]byte)
	defer buffers.Put(buf)
	files := contents{}
	walk := walker{
		ctx: ctx, mailbox: true, owner: whose,
		directory: func(rel string, _ *unix.Stat_t) error {
			if rel != "" {
				files[rel] = stamp{dir: true}
			}
			return nil
		},
		file: func(dir int, name, rel string, message bool) (err error) {
			files[rel], err = stampOf(dir, name, message, whose, buf[:])
			return err
		},
		// The source leaves out the same, and warns of it.
		leftOut: func(string) {},
	}
	if err := walk.walk(fd, ""); err != nil {
		return false, err
	}
	return true, writeContents(w, address, files)
}

// stampOf returns the stamp of a file. A large one that may change has none that would
// fit: it is sent again.
func stampOf(dir int, name string, message bool, whose owner, buf []byte) (stamp, error) {
	var st unix.Stat_t
	if message {
		err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return stamp{}, errGone
		}
		return messageStamp(&st), err
	}
	fd, err := openAt(dir, name, unix.O_NOFOLLOW)
	if err != nil {
		return stamp{}, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return stamp{}, fmt.Errorf("looking at %s: %w", name, err)
	}
	if whose.foreign(&st) {
		return stamp{}, errGone
	}
	n, err := readFull(fd, buf)
	if err != nil {
		return stamp{}, err
	}
	// Such a stamp never equals that of a content, which has a sum.
	if n == len(buf) {
		return messageStamp(&st), nil
	}
	return contentStamp(buf[:n], &st), nil
}

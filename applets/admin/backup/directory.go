package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"chatmaild/applets/admin/membership"
	"chatmaild/applets/config"
	"chatmaild/store/safefs"
)

// withDirectory writes, as a part of the state, the directory of accounts of a relay that is
// several machines, and then the backup. It comes before the mailboxes: accounts that are made
// meanwhile are known from these. A backup without it is better than none.
func (b *backup) withDirectory(ctx context.Context, write func() error) error {
	if !config.Clustered(b.conf) {
		return write()
	}
	path := b.conf.DirectoryDump()
	dir, err := safefs.OpenDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(path)
	remove := func() error {
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the dump of the directory: %w", err)
		}
		return nil
	}
	if err := remove(); err != nil {
		return err
	}
	if err := dump(ctx, dir, name); err != nil {
		fmt.Fprintf(b.env.Stderr, "the directory of accounts is not in this backup: %v; save it on another machine: chatmaild cluster dump\n", err)
		if err := remove(); err != nil {
			return err
		}
	}
	return errors.Join(write(), remove())
}

// dump writes the directory to a file that root alone may read.
func dump(ctx context.Context, dir *safefs.Dir, name string) error {
	f, err := dir.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(membership.Dump(ctx, f), f.Close())
}

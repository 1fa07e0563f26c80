package load

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"chatmaild/testdata/lab/phone"
)

// Furnish makes accounts until there are so many. The first one is made by a login and gets a
// message; the others are copies of its directory, since logins would take hours.
func (d *Load) Furnish(ctx context.Context, accounts int) error {
	if d.accounts == 0 {
		if _, err := phone.New(ctx, d.outside[0], address(d, 0)); err != nil {
			return fmt.Errorf("the first account: %w", err)
		}
		d.accounts = 1
	}
	leader, err := d.relay.Leader()
	if err != nil {
		return err
	}
	root := fmt.Sprintf("/proc/%d/root/home/vmail/mail/%s", leader, d.relay.Domain)
	var files []file
	first := filepath.Join(root, address(d, 0))
	err = filepath.WalkDir(first, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := readFile(first, path)
		files = append(files, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the first account: %w", err)
	}
	for ; d.accounts < accounts; d.accounts++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		dir := filepath.Join(root, address(d, d.accounts))
		for _, f := range files {
			if err := f.write(dir); err != nil {
				return fmt.Errorf("account %d: %w", d.accounts, err)
			}
		}
	}
	return nil
}

// A file is one of an account's.
type file struct {
	name    string
	info    fs.FileInfo
	content []byte
}

func readFile(dir, path string) (f file, err error) {
	if f.name, err = filepath.Rel(dir, path); err != nil {
		return f, err
	}
	if f.info, err = os.Lstat(path); err == nil && !f.info.IsDir() {
		f.content, err = os.ReadFile(path)
	}
	return f, err
}

// write makes the file in another account's directory.
func (f file) write(dir string) error {
	path := filepath.Join(dir, f.name)
	var err error
	if f.info.IsDir() {
		err = os.Mkdir(path, f.info.Mode().Perm())
	} else {
		err = os.WriteFile(path, f.content, f.info.Mode().Perm())
	}
	if err != nil {
		return err
	}
	owner := f.info.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	if err := os.Chmod(path, f.info.Mode().Perm()); err != nil {
		return err
	}
	return os.Chtimes(path, f.info.ModTime(), f.info.ModTime())
}

// Disk is what the mailboxes take on the disk, in bytes.
func (d *Load) Disk() (size int64, err error) {
	leader, err := d.relay.Leader()
	if err != nil {
		return 0, err
	}
	root := fmt.Sprintf("/proc/%d/root/home/vmail/mail", leader)
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == root {
				return err
			}
			return nil // a message that has just been moved or deleted
		}
		if info, err := e.Info(); err == nil {
			size += info.Sys().(*syscall.Stat_t).Blocks * 512 // stat(2)
		}
		return nil
	})
	return size, err
}

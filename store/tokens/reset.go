package tokens

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Reset moves the database at path aside, so that Open makes a new one, and returns
// its new name. It does not look into the file, but makes sure that nobody has it open.
func Reset(path string, now time.Time) (aside string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("moving the database aside: %w", err)
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // as bbolt does
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return "", fmt.Errorf("moving %s aside: %w", path, ErrInUse)
	}
	if err != nil {
		return "", fmt.Errorf("locking the database: %w", err)
	}
	stem := path + "." + now.UTC().Format("20060102T150405Z")
	aside = stem
	for n := 1; ; n++ {
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.%d", stem, n)
	}
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("moving the database aside: %w", err)
	}
	return aside, syncDir(filepath.Dir(path))
}

// syncDir makes a change of a directory's entries durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}

package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/store/atomicfile"
)

// useFile holds the id of the boot in which mail may come (random(4)). It is on the disk as
// long as that may be.
const useFile = ".in-use"

// Use is whether mail may come into a store.
type Use struct{ path string }

// UseOf is that of the store in a directory.
func UseOf(dir string) Use { return Use{filepath.Join(dir, useFile)} }

// Interrupted reports whether mail could still come when another boot than this one ended:
// the power failed.
func (u Use) Interrupted(boot string) (bool, error) {
	before, err := os.ReadFile(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking how the store was left: %w", err)
	}
	return strings.TrimSpace(string(before)) != boot, nil
}

// Begin notes that mail may come from now on.
func (u Use) Begin(boot string) error {
	if err := atomicfile.Write(u.path, []byte(boot+"\n"), 0o640, nil); err != nil {
		return fmt.Errorf("noting that the store is in use: %w", err)
	}
	return nil
}

// End notes that none can come any more.
func (u Use) End() error {
	if err := os.Remove(u.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("noting that the store is no longer in use: %w", err)
	}
	return nil
}

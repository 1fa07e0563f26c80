package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupPoll is how often we look whether a killed cgroup is empty.
const cgroupPoll = 20 * time.Millisecond

// removeCgroups kills what still runs in the cgroups of a run with this directory, and
// removes them. The v2 tree is mounted in there for that: on a machine with cgroup v1 it may
// be mounted nowhere.
func removeCgroups(ctx context.Context, dir string) error {
	mount, id := filepath.Join(dir, "cgroup"), filepath.Base(dir)
	if err := os.MkdirAll(mount, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("cgroup2", mount, "cgroup2", 0, ""); errors.Is(err, unix.EPERM) {
		return nil // who may not mount it has booted nothing
	} else if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mounting the cgroup tree: %w", err)
	}
	entries, err := os.ReadDir(mount)
	errs := []error{err}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id+"-") {
			errs = append(errs, removeCgroup(ctx, filepath.Join(mount, e.Name())))
		}
	}
	errs = append(errs, unix.Unmount(mount, 0))
	return errors.Join(errs...)
}

// removeCgroup kills all processes below dir and removes the directories, the
// deepest first. A directory is busy until its last process is gone.
func removeCgroup(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0o644); err != nil {
		return err
	}
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil // went while we looked
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		for {
			err := unix.Rmdir(d)
			if err == nil || errors.Is(err, unix.ENOENT) {
				break
			}
			if !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("removing cgroup %s: %w", d, err)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("removing cgroup %s: %w", d, err)
			case <-time.After(cgroupPoll):
			}
		}
	}
	return nil
}

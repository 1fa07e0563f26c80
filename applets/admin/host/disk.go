package host

import (
	"errors"
	"fmt"
	"syscall"

	"chatmaild/store/disk"
	"chatmaild/store/safefs"
)

// A Disk is a file system, as an ordinary user may fill it.
type Disk struct {
	disk.Usage
	Device uint64 // which one it is
}

// Disk returns the file system that path is on.
func (h Host) Disk(path string) (Disk, error) {
	var directory syscall.Stat_t
	dir, err := safefs.OpenDir(h.path(path))
	if err != nil {
		return Disk{}, fmt.Errorf("reading the free space of %s: %w", path, err)
	}
	defer dir.Close()
	usage, err := disk.OfOpen(dir.Fd())
	if err = errors.Join(err, syscall.Fstat(dir.Fd(), &directory)); err != nil {
		return Disk{}, fmt.Errorf("reading the free space of %s: %w", path, err)
	}
	return Disk{usage, directory.Dev}, nil
}

package host

import (
	"errors"
	"fmt"
	"syscall"

	"chatmaild/store/safefs"
)

// A Disk is a file system, as an ordinary user may fill it.
type Disk struct {
	Device     uint64 // which one it is
	Free, Size int64  // octets
	// Files that still fit, of how many; of none if it does not count them.
	FreeFiles, Files uint64
}

// Disk returns the file system that path is on.
func (h Host) Disk(path string) (Disk, error) {
	var s syscall.Statfs_t
	var folder syscall.Stat_t
	dir, err := safefs.OpenDir(h.path(path))
	if err == nil {
		defer dir.Close()
		err = errors.Join(syscall.Fstatfs(dir.Fd(), &s), syscall.Fstat(dir.Fd(), &folder))
	}
	if err != nil {
		return Disk{}, fmt.Errorf("asking how full the disk of %s is: %w", path, err)
	}
	return Disk{
		Device: folder.Dev,
		Free:   int64(s.Bavail) * s.Bsize, Size: int64(s.Blocks) * s.Bsize,
		FreeFiles: s.Ffree, Files: s.Files,
	}, nil
}

package host

import (
	"fmt"
	"syscall"
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
	err := syscall.Statfs(h.path(path), &s)
	if err == nil {
		err = syscall.Stat(h.path(path), &folder)
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

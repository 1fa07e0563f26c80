package host

import (
	"fmt"
	"syscall"
)

// Disk returns the free and the total octets of the file system that path is on.
// Free is what an ordinary user may still take.
func (h Host) Disk(path string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(h.path(path), &s); err != nil {
		return 0, 0, fmt.Errorf("asking how full the disk of %s is: %w", path, err)
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}

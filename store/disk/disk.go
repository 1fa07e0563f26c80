// Package disk tells how full a file system is, and makes durable what is on it.
package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Usage is a file system, as an ordinary user may fill it.
type Usage struct {
	Free, Size int64 // bytes
	// Files that still fit, of how many; of none if it does not count them.
	FreeFiles, Files uint64
}

// Of returns the usage of the file system that path is on.
func Of(path string) (Usage, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Usage{}, fmt.Errorf("reading the free space of %s: %w", path, err)
	}
	return usage(s), nil
}

// OfOpen is Of for an open file or directory.
func OfOpen(fd int) (Usage, error) {
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return Usage{}, fmt.Errorf("asking how full a disk is: %w", err)
	}
	return usage(s), nil
}

// usage counts in blocks of f_frsize, which statfs(2) calls f_bsize only where it is the
// same.
func usage(s unix.Statfs_t) Usage {
	return Usage{
		Free: int64(s.Bavail) * s.Frsize, Size: int64(s.Blocks) * s.Frsize,
		FreeFiles: s.Ffree, Files: s.Files,
	}
}

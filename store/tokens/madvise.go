package tokens

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// tidyAbove is the size of a database that is small enough to stay mapped, in bytes.
const tidyAbove = 16 << 20

// unmapPages lets go of the pages of a read-only, shared mapping of a file until they
// are looked at again; madvise(2).
func unmapPages(start uintptr, size int64) error {
	_, _, errno := unix.Syscall(unix.SYS_MADVISE, start, uintptr(size), unix.MADV_DONTNEED)
	if errno != 0 {
		return fmt.Errorf("releasing the database's pages: %w", errno)
	}
	return nil
}

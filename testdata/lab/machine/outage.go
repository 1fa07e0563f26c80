package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/program"
)

const (
	// ownDiskSize is that of the disk, sparse; ownDiskRoom that of the file system around
	// it.
	ownDiskSize, ownDiskRoom = "3G", "4G"

	// Requests of ioctl(2) that stop all writes to a file system, and let them go on
	// (FIFREEZE and FITHAW of linux/fs.h).
	freeze, thaw = 0xc0045877, 0xc0045878
)

// ownDiskScript makes the disk of a host and becomes what boots it, in the same mount
// namespace: all of this goes away with the last process. The disk is a file; what is in it
// has been written to the disk. It lies on a file system of its own, so that all writes to
// it can be stopped in the same moment. Arguments: the host's directory, the size of that
// file system, then the program.
const ownDiskScript = `set -e
cd "$1"
rm -f around
truncate -s "$2" around
mke2fs -q -t ext4 -O ^has_journal around
mkdir -p platter disk
mount -o loop around platter
cp --sparse=always image platter/image
mount -o loop platter/image disk
cd /
shift 2
exec "$@"`

// OwnDisk gives a host that is down a disk of its own, an ext4 with a journal, for all that
// it writes from then on: what it has not written to the disk when its plug is pulled is
// lost, as on a real one (PullPlug). For other hosts that is in the memory of this machine,
// which lives on.
func (h *Host) OwnDisk(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != nil || h.disk != nil || h.ownDisk {
		return fmt.Errorf("giving %s a disk: it is up, or has one", h.Name)
	}
	stage := filepath.Join(h.dir, "stage")
	if err := os.MkdirAll(filepath.Join(stage, "work"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(h.dir, "upper"), filepath.Join(stage, "upper")); err != nil {
		return err
	}
	if _, err := program.Run(ctx, "mke2fs", "-q", "-t", "ext4", "-d", stage, imagePath(h), ownDiskSize); err != nil {
		return fmt.Errorf("making the disk of %s: %w", h.Name, err)
	}
	h.ownDisk = true
	return os.RemoveAll(stage)
}

func imagePath(h *Host) string { return filepath.Join(h.dir, "image") }

// own is a command that boots the host, from its own disk if it has one, and where the
// writable part of the overlay is then.
func (h *Host) own(boot ...string) (command []string, writable string) {
	if !h.ownDisk {
		return boot, h.dir
	}
	return append([]string{"sh", "-c", ownDiskScript, "disk", h.dir, ownDiskRoom}, boot...), filepath.Join(h.dir, "disk")
}

// PullPlug has the power of a host with a disk of its own fail: no process gets to do
// anything more, and the next boot finds what was on the disk at one moment after the call.
// A disk that confirms what it has only in a cache of its own is not looked at.
func (h *Host) PullPlug(ctx context.Context) error {
	m, err := h.running()
	if err == nil && !h.ownDisk {
		err = errors.New("it has no disk of its own")
	}
	if err != nil {
		return fmt.Errorf("pulling the plug of %s: %w", h.Name, err)
	}
	platter := filepath.Join("/proc", strconv.Itoa(m.cmd.Process.Pid), "root", h.dir, "platter")
	dir, err := os.Open(platter)
	if err != nil {
		return fmt.Errorf("pulling the plug of %s: %w", h.Name, err)
	}
	if err := unix.IoctlSetInt(int(dir.Fd()), freeze, 0); err != nil {
		dir.Close()
		return fmt.Errorf("stopping the disk of %s: %w", h.Name, err)
	}
	_, err = program.Run(ctx, "cp", "--sparse=always", filepath.Join(platter, "image"), imagePath(h))
	// A process that waits for the disk cannot be killed. What it writes now is in the file
	// that nobody looks at any more.
	err = errors.Join(err, unix.IoctlSetInt(int(dir.Fd()), thaw, 0), dir.Close(), h.Kill())
	if err != nil {
		return fmt.Errorf("pulling the plug of %s: %w", h.Name, err)
	}
	return nil
}

package supervise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/applets/supervise/port"
	"chatmaild/applets/supervise/unit"
	"chatmaild/store/ids"
)

// socket is held open for a service, whether that runs or not.
type socket struct {
	super *Supervisor

	record
	file *os.File // nil unless active; guarded by record.mu
}

// socketsOf are the units of the sockets that a service cannot be without, in order.
func socketsOf(u *unit.Unit) []string {
	var list []string
	for _, name := range slices.Concat(u.Sockets, u.Requires) {
		if filepath.Ext(name) == ".socket" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// socketsFor are those, and further ones that are open and start the service (Service=).
func (s *Supervisor) socketsFor(u *unit.Unit) []string {
	list := socketsOf(u)
	for _, so := range s.activator.open() {
		so.mu.Lock()
		if so.service() == u.Name && !slices.Contains(list, so.unit.Name) {
			list = append(list, so.unit.Name)
		}
		so.mu.Unlock()
	}
	return list
}

// listener opens a socket if need be, and returns a duplicate of it with the name by which its
// service knows it; nil if one of its conditions does not hold.
func (s *Supervisor) listener(ctx context.Context, name string) (*os.File, string, error) {
	if err := s.start(ctx, name); err != nil {
		return nil, "", err
	}
	p, err := s.part(name)
	if err != nil {
		return nil, "", err
	}
	so, ok := p.(*socket)
	if !ok {
		return nil, "", fmt.Errorf("%s is not a socket", name)
	}
	so.mu.Lock()
	defer so.mu.Unlock()
	if so.file == nil {
		return nil, "", nil
	}
	fd, err := unix.FcntlInt(so.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return os.NewFile(uintptr(fd), name), so.unit.FDName, err
}

// service is the unit that a connection starts.
func (so *socket) service() string {
	if so.unit.Starts != "" {
		return so.unit.Starts
	}
	return strings.TrimSuffix(so.unit.Name, ".socket") + ".service"
}

func (so *socket) start(context.Context) error {
	so.mu.Lock()
	defer so.mu.Unlock()
	if so.file != nil {
		return nil
	}
	if met, err := conditions(so.unit.Conditions); err != nil || !met {
		return err
	}
	file, err := open(so.unit)
	if err != nil {
		so.now.set(failed)
		return err
	}
	so.file = file
	so.now.set(active)
	so.super.activator.add(so)
	return nil
}

func (so *socket) stop(context.Context) error {
	so.mu.Lock()
	defer so.mu.Unlock()
	so.now.set(inactive)
	if so.file == nil {
		return nil
	}
	so.super.activator.remove(so)
	err := so.file.Close()
	so.file = nil
	if filepath.IsAbs(so.unit.Listen) {
		err = errors.Join(err, os.Remove(so.unit.Listen))
	}
	return err
}

// open listens as a unit says.
func open(u *unit.Unit) (*os.File, error) {
	if !filepath.IsAbs(u.Listen) {
		return port.Open(u)
	}
	if err := os.MkdirAll(filepath.Dir(u.Listen), 0o755); err != nil {
		return nil, fmt.Errorf("creating a socket's directory: %w", err)
	}
	if err := removeSocket(u.Listen); err != nil {
		return nil, err
	}
	file, err := openPath(u)
	if err != nil {
		return nil, err
	}
	// Until now only root could connect: our mask of files is 0077.
	if err := hand(u); err != nil {
		file.Close()
		return nil, err
	}
	for _, link := range u.Symlinks {
		if err := relink(u.Listen, link); err != nil {
			file.Close()
			return nil, err
		}
	}
	return file, nil
}

// openPath returns a socket as a file; that in the file system stays where it is.
func openPath(u *unit.Unit) (*os.File, error) {
	if u.Datagram {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: u.Listen, Net: "unixgram"})
		if err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
		f, err := l.File()
		return f, errors.Join(err, l.Close())
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: u.Listen, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	return f, errors.Join(err, l.Close())
}

// hand gives a socket in the file system to those who may connect.
func hand(u *unit.Unit) error {
	uid, gid := 0, 0
	var err error
	if u.Owner != "" {
		if uid, err = ids.UID(u.Owner); err != nil {
			return err
		}
	}
	if u.Group != "" {
		if gid, err = ids.GID(u.Group); err != nil {
			return err
		}
	}
	if err := errors.Join(give(u.Listen, uid, gid), os.Chmod(u.Listen, u.Mode)); err != nil {
		return fmt.Errorf("handing over a socket: %w", err)
	}
	return nil
}

// relink has a symbolic link lead to a socket. What is no link is not replaced.
func relink(to, link string) error {
	if at, err := os.Readlink(link); err == nil && at == to {
		return nil
	}
	if info, err := os.Lstat(link); err == nil {
		if info.Mode().Type() != fs.ModeSymlink {
			return fmt.Errorf("%s is in the way of a link to %s", link, to)
		}
		if err := os.Remove(link); err != nil {
			return err
		}
	}
	return os.Symlink(to, link)
}

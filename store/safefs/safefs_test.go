package safefs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// daemon is the user whose directories root must not trust; nobody has this number.
const daemon = 43210

// open returns a directory that others can write to: as root, one of a daemon's.
func open(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "daemon")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	give(t, dir)
	return dir
}

// give gives a file to the daemon, if we can.
func give(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, daemon, daemon); err != nil {
			t.Fatal(err)
		}
	}
}

// canary makes a file and a directory outside that nothing may touch, and has that be
// checked at the end.
func canary(t *testing.T) (file, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "outside")
	file = filepath.Join(dir, "secret")
	if err := errors.Join(os.Mkdir(dir, 0o751), os.WriteFile(file, []byte("canary"), 0o604)); err != nil {
		t.Fatal(err)
	}
	look := func() (state []string) {
		for _, path := range []string{dir, file} {
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil {
				t.Fatal(err)
			}
			state = append(state, strings.Join([]string{path, time.Unix(st.Mtim.Unix()).String(), fs.FileMode(st.Mode).String(), userName(st.Uid)}, " "))
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return append(state, string(text))
	}
	before := look()
	t.Cleanup(func() {
		if after := look(); !slices.Equal(before, after) {
			t.Errorf("outside, %q became %q", before, after)
		}
	})
	return file, dir
}

// uses is everything that can be done to a path.
var uses = map[string]func(path string) error{
	"Open":     func(p string) error { f, err := Open(p); return closed(f, err) },
	"OpenDir":  func(p string) error { d, err := OpenDir(p); return closed(d, err) },
	"ReadFile": func(p string) error { _, err := ReadFile(p); return err },
	"Stat":     func(p string) error { _, err := Stat(p); return err },
	"Names":    func(p string) error { _, err := ReadNames(p); return err },
	"MkdirAll": func(p string) error { d, err := MkdirAll(p); return closed(d, err) },
	"As":       func(p string) error { return As(p, func() error { return errors.New("done") }) },
}

func closed(c interface{ Close() error }, err error) error {
	if err != nil {
		return err
	}
	return c.Close()
}

func unsafe(err error) bool {
	var refused *UnsafeError
	return errors.As(err, &refused)
}

// Nothing goes through a link in a directory that others can write to, wherever in the
// path it is.
func TestLinksAreRefused(t *testing.T) {
	dir := open(t)
	file, outside := canary(t)
	for name, target := range map[string]string{"file": file, "dir": outside, "relative": "../../" + filepath.Base(outside), "nowhere": "/nowhere/at/all"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		give(t, filepath.Join(dir, name))
	}
	for what, use := range uses {
		if os.Geteuid() != 0 && what == "As" {
			continue // needs no path: it changes nothing
		}
		for _, name := range []string{"file", "dir", "dir/secret", "dir/new", "relative", "nowhere"} {
			path := filepath.Join(dir, name)
			if err := use(path); !unsafe(err) || !strings.Contains(err.Error(), filepath.Join(dir, strings.Split(name, "/")[0])) {
				t.Errorf("%s(%s): got %v", what, name, err)
			}
		}
	}
	for what, change := range map[string]func() error{
		"Lstat":     func() error { _, err := Lstat(filepath.Join(dir, "dir/secret")); return err },
		"Readlink":  func() error { _, err := Readlink(filepath.Join(dir, "dir/secret")); return err },
		"Walk":      func() error { return Walk(filepath.Join(dir, "dir/secret"), func(Entry) error { return nil }) },
		"Remove":    func() error { return Remove(filepath.Join(dir, "dir/secret")) },
		"RemoveAll": func() error { return RemoveAll(filepath.Join(dir, "dir/secret")) },
		"Symlink":   func() error { return Symlink("x", filepath.Join(dir, "dir/link")) },
		"Rename":    func() error { return Rename(filepath.Join(dir, "dir/secret"), filepath.Join(dir, "mine")) },
		"into":      func() error { return Rename(filepath.Join(dir, "file"), filepath.Join(dir, "dir/secret")) },
	} {
		if err := change(); !unsafe(err) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	// What is at the name itself may go: that is the link.
	if err := errors.Join(Remove(filepath.Join(dir, "file")), RemoveAll(filepath.Join(dir, "dir"))); err != nil {
		t.Error(err)
	}
}

// What is neither file nor directory is refused, and nobody waits for it.
func TestOtherFiles(t *testing.T) {
	dir := open(t)
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Mkfifo(fifo, 0o666), unix.Bind(fd, &unix.SockaddrUnix{Name: socket})); err != nil {
		t.Fatal(err)
	}
	give(t, fifo)
	give(t, socket)
	for _, path := range []string{fifo, socket, dir} {
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// Links that root, or the user himself, has made in a directory of his own are followed.
func TestOwnLinks(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := errors.Join(os.Mkdir(real, 0o755), os.WriteFile(filepath.Join(real, "file"), []byte("text"), 0o600),
		os.Symlink("real", filepath.Join(dir, "dir")), os.Symlink(real+"/../dir/file", filepath.Join(dir, "link")),
		os.Symlink("loop", filepath.Join(dir, "loop"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dir/file", "link", "dir/../link"} {
		if text, err := ReadFile(filepath.Join(dir, name)); string(text) != "text" || err != nil {
			t.Errorf("%s: got %q, %v", name, text, err)
		}
	}
	if _, err := ReadFile(filepath.Join(dir, "loop")); !errors.Is(err, unix.ELOOP) {
		t.Errorf("loop: got %v", err)
	}
	d, err := OpenDir(filepath.Join(dir, "dir"))
	if err != nil || d.Path() != real {
		t.Fatalf("got %v, %v", d, err)
	}
	d.Close()
}

func TestChanges(t *testing.T) {
	dir := open(t)
	d, err := MkdirAll(filepath.Join(dir, "a/b"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, name, err := CreateTemp(d, ".new-*")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Unix(86400, 0)
	if err := errors.Join(SetTime(f, day), f.Close(), d.Rename(name, d, "file"), d.Symlink("file", "link"), SetDirTime(d, day), Chown(d, -1, -1, fs.ModeSetgid|0o750), d.Sync()); err != nil {
		t.Fatal(err)
	}
	if info, err := d.Lstat("file"); err != nil || !info.ModTime().Equal(day) || info.Mode() != 0o600 {
		t.Errorf("file: %v, %v", info, err)
	}
	if info, err := Lstat(d.Path()); err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o750 || !info.ModTime().Equal(day) {
		t.Errorf("directory: %v, %v", info, err)
	}
	if target, err := Readlink(filepath.Join(d.Path(), "link")); target != "file" || err != nil {
		t.Errorf("link: %q, %v", target, err)
	}
	if err := d.Move("link", d, "file"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("moving over a file: %v", err)
	}
	if _, err := d.Create("file"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating over a file: %v", err)
	}
	if err := RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Error(err)
	}
	if names, err := ReadNames(dir); len(names) > 0 || err != nil {
		t.Errorf("left: %q, %v", names, err)
	}
}

// While someone swaps a directory for a link without end, what is opened is in the
// directory or nothing.
func TestSwap(t *testing.T) {
	dir := open(t)
	_, outside := canary(t)
	mine, link, name := filepath.Join(dir, "mine"), filepath.Join(dir, "link"), filepath.Join(dir, "name")
	if err := errors.Join(os.Mkdir(mine, 0o755), os.WriteFile(filepath.Join(mine, "secret"), []byte("mine"), 0o644), os.Symlink(outside, link), os.Rename(mine, name)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{name, link, filepath.Join(name, "secret")} {
		give(t, path)
	}
	stop := make(chan struct{})
	var attacker sync.WaitGroup
	attacker.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	})
	read := 0
	for range 5000 {
		text, err := ReadFile(filepath.Join(name, "secret"))
		switch {
		case err == nil && string(text) == "mine":
			read++
		case err == nil:
			t.Fatalf("read %q", text)
		}
		if d, err := OpenDir(name); err == nil {
			err = errors.Join(Chown(d, -1, -1, 0o755), d.Close())
			if err != nil {
				t.Fatal(err)
			}
		}
		_ = Remove(filepath.Join(name, "nothing"))
	}
	close(stop)
	attacker.Wait()
	t.Logf("%d of 5000 were read", read)
}

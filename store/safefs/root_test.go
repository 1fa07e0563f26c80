package safefs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What only root can try: files of several users. Any other user tries what is his.
func TestOwners(t *testing.T) {
	const other = daemon + 1
	dir := open(t)
	file, _ := canary(t)
	hard := filepath.Join(dir, "hard")
	mine := filepath.Join(dir, "mine")
	if err := errors.Join(os.Link(file, hard), os.WriteFile(mine, []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	give(t, mine)
	// A file with a second name, which root, or the user we run as, has elsewhere.
	if _, err := ReadFile(hard); !unsafe(err) || !strings.Contains(err.Error(), hard) {
		t.Errorf("hard link: got %v", err)
	}
	if text, err := ReadFile(mine); string(text) != "mine" || err != nil {
		t.Errorf("own file: got %q, %v", text, err)
	}
	if os.Geteuid() != 0 {
		return
	}
	// A hard link among a daemon's own is a copy that its mail server made.
	if err := os.Link(mine, filepath.Join(dir, "copy")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(filepath.Join(dir, "copy")); err != nil {
		t.Errorf("the daemon's own second name: %v", err)
	}
	for name, uid := range map[string]int{"root's": 0, "another's": other} {
		path, sub := filepath.Join(dir, name), filepath.Join(dir, "sub-"+name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chown(path, uid, uid), os.Mkdir(sub, 0o755), os.Chown(sub, uid, uid)); err != nil {
			t.Fatal(err)
		}
		// What is root's alone, root has put there: OpenDKIM's tables, for one.
		if _, err := ReadFile(path); unsafe(err) != (uid != 0) {
			t.Errorf("%s file: got %v", name, err)
		}
		d, err := OpenDir(sub)
		if err == nil {
			d.Close()
		}
		// Nobody but root can have put root's directory there.
		if unsafe(err) != (uid != 0) {
			t.Errorf("%s directory: got %v", name, err)
		}
	}
	// A link that a daemon made while the directory was its own is not root's now.
	link := filepath.Join(dir, "link")
	if err := errors.Join(os.Symlink(mine, link), os.Lchown(link, daemon, daemon), os.Chmod(dir, 0o755), os.Chown(dir, 0, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(link); !unsafe(err) {
		t.Errorf("a daemon's link in root's directory: got %v", err)
	}
}

// As leaves root's rights behind, and takes them up again.
func TestAs(t *testing.T) {
	dir := open(t)
	file, _ := canary(t)
	if err := os.Chmod(filepath.Dir(filepath.Dir(file)), 0o700); err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("what f says")
	err := As(dir, func() error {
		if _, err := os.ReadFile(file); os.Getuid() == 0 && !errors.Is(err, os.ErrPermission) {
			t.Errorf("it reads root's files: %v", err)
		}
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() != os.Getuid() {
		t.Fatalf("we are %d now", os.Geteuid())
	}
	if text, err := os.ReadFile(file); string(text) != "canary" || err != nil {
		t.Errorf("afterwards: got %q, %v", text, err)
	}
}

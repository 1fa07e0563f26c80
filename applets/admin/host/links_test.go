package host

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/store/safefs"
)

// A link in a directory that others can write to leads none of run's, import's and
// restore's steps anywhere: the case was echo@DOMAIN, a link to /etc, which run gave away.
func TestLinksOfDaemons(t *testing.T) {
	h := Host{Tree: Tree{Root: t.TempDir()}}
	mail, outside := h.path("/mail"), h.path("/outside")
	if err := errors.Join(os.Mkdir(mail, 0o755), os.Chmod(mail, 0o777), os.Mkdir(outside, 0o751), os.WriteFile(outside+"/file", []byte("text"), 0o604),
		os.Symlink(outside, mail+"/echo"), os.Symlink(outside+"/file", mail+"/file"), os.Mkdir(h.path("/mine"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(mail, 43210, 43210); err != nil {
			t.Fatal(err)
		}
	}
	file := desired.File{Path: "/mail/echo/password", Content: []byte("x"), Mode: 0o600, Owner: "vmail", Group: "vmail"}
	dir := desired.Directory{Path: "/mail/echo", Mode: 0o700, Owner: "vmail", Group: "vmail"}
	for what, do := range map[string]func() error{
		"Changes":          func() error { _, err := h.Changes([]desired.File{file}); return err },
		"Write":            func() error { return h.Write(file) },
		"DirectoryChanges": func() error { _, err := h.DirectoryChanges([]desired.Directory{dir}); return err },
		"MakeDirectory":    func() error { return h.MakeDirectory(dir) },
		"ReadFile":         func() error { _, err := h.ReadFile("/mail/file"); return err },
		"Names":            func() error { _, err := h.Names("/mail/echo"); return err },
		"Disk":             func() error { _, err := h.Disk("/mail/echo"); return err },
		"Sync":             func() error { return h.Sync("/mail/echo") },
		"Move from":        func() error { return h.Move("/mail/echo/file", "/mine/file") },
		"Move to":          func() error { return h.Move("/mine", "/mail/echo/mine") },
		"CopyTree from":    func() error { return h.CopyTree(h.Tree, "/mail/echo/file", "/mine/file", Owner{}) },
		"CopyTree to":      func() error { return h.CopyTree(h.Tree, "/mine", "/mail/echo/mine", Owner{}) },
		"Remove":           func() error { return h.Remove("/mail/echo/file") },
	} {
		var refused *safefs.UnsafeError
		if err := do(); !errors.As(err, &refused) || filepath.Dir(refused.Path) != mail {
			t.Errorf("%s: got %v", what, err)
		}
	}
	info, err := os.Stat(outside)
	text, readErr := os.ReadFile(outside + "/file")
	if err := errors.Join(err, readErr); err != nil || info.Mode().Perm() != 0o751 || string(text) != "text" {
		t.Errorf("outside: %v, %q, %v", info, text, err)
	}
}

// TestImageLink has run write through the links of a container's image, and through no
// other.
func TestImageLink(t *testing.T) {
	h := Host{Tree: Tree{Root: t.TempDir()}}
	if err := errors.Join(os.MkdirAll(h.path("/etc"), 0o755), os.Symlink("/run/root/etc/ours", h.path("/etc/ours")),
		os.Symlink("/run/root/etc/other", h.path("/etc/theirs"))); err != nil {
		t.Fatal(err)
	}
	ours := desired.File{Path: "/etc/ours", Content: []byte("x"), Mode: 0o644, Owner: "root", Group: "root"}
	if changes, err := h.Changes([]desired.File{ours}); err != nil || len(changes) != 1 || changes[0].Exists {
		t.Errorf("got %+v, %v", changes, err)
	}
	if err := h.Write(ours); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(h.path("/run/root/etc/ours")); string(text) != "x" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := os.Readlink(h.path("/etc/ours")); err != nil {
		t.Errorf("the link is gone: %v", err)
	}
	theirs := ours
	theirs.Path = "/etc/theirs"
	if _, err := h.Changes([]desired.File{theirs}); err == nil {
		t.Error("an operator's link is followed")
	}
}

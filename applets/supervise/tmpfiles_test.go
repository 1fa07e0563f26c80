package supervise

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTmpfiles makes everything twice: as on the first start, and on the next ones.
func TestTmpfiles(t *testing.T) {
	dir := t.TempDir()
	conf := strings.ReplaceAll(`# a comment
d /D/run       0755 - -
d /D/run/own   2750 - - -
L /D/run/log   -    - - - dev-log
C /D/data/etc  -    - - - /D/factory
`, "/D/", dir+"/")
	entries, err := parseTmpfiles(conf)
	if err != nil {
		t.Fatal(err)
	}
	var copies int
	for range 2 {
		for _, e := range entries {
			err := e.create(func(from, to string) error {
				copies++
				if from != dir+"/factory" {
					t.Errorf("it copies %s", from)
				}
				return os.Mkdir(to, 0o700)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(filepath.Join(dir, "run/own"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if copies != 1 {
		t.Errorf("it copies %d times", copies)
	}
	if err := entries[1].create(nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "run/own"))
	if err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o750 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if to, err := os.Readlink(filepath.Join(dir, "run/log")); err != nil || to != "dev-log" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for _, bad := range []string{"f /x", "d x", "d /x 0999", "z"} {
		if _, err := parseTmpfiles(bad + "\n"); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	e := tmpfile{kind: "d", path: dir + "/other", user: "no-such-user", group: "-"}
	if err := e.create(nil); err == nil || !strings.Contains(err.Error(), "no-such-user") {
		t.Errorf("a user that does not exist: %v", err)
	}
}

// TestShipped holds that the package's configuration is one of these.
func TestShipped(t *testing.T) {
	text, err := os.ReadFile("../../packaging/tmpfiles.d/chatmaild.conf")
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := parseTmpfiles(string(text)); err != nil || len(entries) == 0 {
		t.Errorf("got %d entries, %v", len(entries), err)
	}
}

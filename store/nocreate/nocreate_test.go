package nocreate

import (
	"os"
	"path/filepath"
	"testing"
)

// TestBrake: the file itself, and a link that leads to where it is, which stays.
func TestBrake(t *testing.T) {
	dir := t.TempDir()
	plain, link, volume := filepath.Join(dir, "plain"), filepath.Join(dir, "link"), filepath.Join(dir, "volume")
	for _, target := range []string{volume, "volume"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		for path, place := range map[string]string{plain: plain, link: volume} {
			if got := Place("", path); got != place {
				t.Errorf("%s is at %s, want %s", path, got, place)
			}
			for _, step := range []struct {
				do   func(string) error
				want bool
			}{{Release, false}, {Pull, true}, {Pull, true}, {Release, false}} {
				if err := step.do(path); err != nil {
					t.Fatal(err)
				}
				got, err := Pulled(path)
				_, at := os.Lstat(place)
				if got != step.want || (at == nil) != step.want || err != nil {
					t.Errorf("%s: pulled is %v, the file %v, want %v (%v)", path, got, at, step.want, err)
				}
			}
		}
		if err := os.Remove(link); err != nil {
			t.Errorf("the link is gone: %v", err)
		}
	}
	if pulled, err := Pulled(filepath.Join(dir, "plain", "below")); pulled || err != nil {
		t.Errorf("of a directory that is not there: %v, %v", pulled, err)
	}
	if err := os.WriteFile(plain, []byte("too many bots"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Pull(plain); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(plain); string(text) != "too many bots" || err != nil {
		t.Errorf("it holds %q, %v", text, err)
	}
	// It cannot be told, so nobody gets an account.
	if pulled, err := Pulled(filepath.Join(plain, "below")); !pulled || err == nil {
		t.Errorf("below a file: %v, %v", pulled, err)
	}
}

// TestRoot: the link is one of another root.
func TestRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("/data/nocreate", filepath.Join(root, "nocreate")); err != nil {
		t.Fatal(err)
	}
	if got := Place(root, "/nocreate"); got != "/data/nocreate" {
		t.Error(got)
	}
	if got := Place(root, "/other"); got != "/other" {
		t.Error(got)
	}
}

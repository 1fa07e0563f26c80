package tokens

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMailDir(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "mail")
	f := MailDir(root)
	if exists, err := f.Exists("a@x"); exists || err == nil {
		t.Errorf("without the directory: %v, %v; want an error", exists, err)
	}
	must(t, os.Mkdir(root, 0o700))
	if exists, err := f.Exists("a@x"); exists || err == nil {
		t.Errorf("in an empty directory, as of a disk that is not mounted: %v, %v; want an error", exists, err)
	}
	must(t, os.Mkdir(filepath.Join(root, "a@x"), 0o700))
	must(t, os.WriteFile(filepath.Join(root, "a@x", legacyFile), []byte("{}"), 0o600))
	must(t, os.WriteFile(filepath.Join(root, "file@x"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, legacyFile), []byte("outside"), 0o600))
	must(t, os.Mkdir(filepath.Join(root, "b@x"), 0o700))
	for account, want := range map[string]struct {
		exists bool
		legacy string
	}{
		"a@x":           {true, "{}"},
		"b@x":           {true, ""},
		"c@x":           {false, ""},
		"file@x":        {true, ""}, // moving to another machine
		"":              {false, ""},
		".":             {false, ""},
		"..":            {false, ""},
		"../mail/a@x":   {false, ""},
		"/a@x":          {false, ""},
		"a@x/.":         {false, ""},
		"a@x\x00":       {false, ""},
		"[192.0.2.1]@x": {false, ""},
	} {
		if exists, err := f.Exists(account); exists != want.exists || err != nil {
			t.Errorf("Exists(%q) = %v, %v; want %v", account, exists, err, want.exists)
		}
		if legacy, err := f.Legacy(account); string(legacy) != want.legacy || err != nil {
			t.Errorf("Legacy(%q) = %q, %v; want %q", account, legacy, err, want.legacy)
		}
	}
}

package takeover

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chatmaild/applets/admin/takeover/pythonrelay"
)

// blockedRelay is an old relay whose operator has blocked accounts in both ways, and
// what their passwords are.
func blockedRelay(t *testing.T) (*fakeMachine, map[string]string) {
	m := newOldRelay(t)
	passwords := map[string]string{
		"edited": "DISABLED", "marked": "x" + oldPassword, "disabled": oldPassword, "ours": "!" + oldPassword,
		"foreign": "{SSHA}AAAA", "empty": "", "a1": oldPassword,
	}
	for name, text := range passwords {
		m.Write(oldBoxes+"/"+name+"@"+oldDomain+"/password", text)
	}
	m.Write(oldBoxes+"/disabled@"+oldDomain+"/"+pythonrelay.DisabledFile, "")
	last := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for name := range passwords {
		if err := os.Chtimes(filepath.Join(m.Root, oldBoxes, name+"@"+oldDomain, "password"), last, last); err != nil {
			t.Fatal(err)
		}
	}
	return m, passwords
}

// wantPasswords holds what is stored, and that the days of the last login are as before.
func (m *fakeMachine) wantPasswords(want map[string]string) {
	m.T.Helper()
	for name, text := range want {
		file := oldBoxes + "/" + name + "@" + oldDomain + "/password"
		if got := m.read(file); got != text {
			m.T.Errorf("%s: stored is %q, want %q", name, got, text)
		}
		if info, err := os.Stat(filepath.Join(m.Root, file)); err != nil || info.ModTime().UTC().Format(time.DateOnly) != "2026-01-02" {
			m.T.Errorf("%s: the last login is %v, %v", name, info.ModTime(), err)
		}
	}
}

// asBlocked is what the passwords are once an import has blocked those that were.
func asBlocked(passwords map[string]string) map[string]string {
	after := map[string]string{}
	for name, text := range passwords {
		if slices.Contains([]string{"edited", "marked", "disabled"}, name) {
			text = "!" + text
		}
		after[name] = text
	}
	return after
}

func TestImportBlocks(t *testing.T) {
	m, passwords := blockedRelay(t)
	im, out := m.importer(options{})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.wantPasswords(asBlocked(passwords))
	im, out = m.importer(options{undo: true})
	if err := im.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.wantPasswords(passwords)
}

func TestImportFromBlocks(t *testing.T) {
	old, passwords := blockedRelay(t)
	m := newMachine(t)
	if err := os.Rename(old.Root, filepath.Join(m.Root, "copy")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		im, out := m.importer(options{from: "/copy"})
		if err := im.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		m.wantPasswords(asBlocked(passwords))
	}
}

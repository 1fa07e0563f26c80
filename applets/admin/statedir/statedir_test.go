package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/config"
)

// former is the state as it was before version 0.2, in a machine of the test's own.
func former(t *testing.T) (*config.Config, host.Host) {
	t.Helper()
	machine, conf := host.Host{Tree: host.Tree{Root: t.TempDir()}}, config.Defaults()
	for name, text := range map[string]string{
		"metadata.db": "tokens", "expire.json": "last run", "expired.json": "record", "report.json": "report",
		"invites/key": "key", "echobot/identity.json": "bot", "echobot/keys/a": "contact", "acme/live/privkey.pem": "key",
	} {
		path := filepath.Join(machine.Root, conf.StateDir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return conf, machine
}

func TestBringOver(t *testing.T) {
	conf, machine := former(t)
	if old, err := Old(conf, machine); !old || err != nil {
		t.Fatalf("before: %v, %v", old, err)
	}
	if err := Require(conf, machine); err == nil {
		t.Error("it is not required to be brought over")
	}
	// The second time there is nothing to do.
	for range 2 {
		if err := BringOver(conf, machine); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{
			conf.MetadataDB(): "tokens", conf.ExpireDir() + "/expire.json": "last run", conf.ExpireDir() + "/expired.json": "record",
			conf.StateDir + "/report.json": "report", conf.InvitesDir() + "/key": "key", config.EchoBot(conf).Dir() + "/keys/a": "contact",
		} {
			if text, err := machine.ReadFile(path); string(text) != want || err != nil {
				t.Errorf("%s: got %q, %v", path, text, err)
			}
		}
		if err := Require(conf, machine); err != nil {
			t.Errorf("after: %v", err)
		}
	}
	if err := BringOver(conf, host.Host{Tree: host.Tree{Root: t.TempDir()}}); err != nil {
		t.Errorf("without a state: %v", err)
	}
}

// What another user can have put in the place of a file or directory stays where it is.
func TestRefused(t *testing.T) {
	for name, plant := range map[string]func(state, outside string) error{
		"a link for the database": func(state, outside string) error {
			return errors.Join(os.Remove(state+"/metadata.db"), os.Symlink(outside+"/file", state+"/metadata.db"))
		},
		"a hard link for the database": func(state, outside string) error {
			return errors.Join(os.Remove(state+"/metadata.db"), os.Link(outside+"/file", state+"/metadata.db"))
		},
		"a link for the report": func(state, outside string) error {
			return errors.Join(os.Remove(state+"/report.json"), os.Symlink(outside+"/file", state+"/report.json"))
		},
		"a link for the new directory": func(state, outside string) error { return os.Symlink(outside, state+"/metadata") },
		"a file for the new directory": func(state, _ string) error { return os.WriteFile(state+"/expire", nil, 0o600) },
	} {
		conf, machine := former(t)
		outside := t.TempDir()
		state := filepath.Join(machine.Root, conf.StateDir)
		if err := errors.Join(os.WriteFile(outside+"/file", []byte("outside"), 0o640), plant(state, outside)); err != nil {
			t.Fatal(err)
		}
		if err := BringOver(conf, machine); err == nil || !strings.Contains(err.Error(), state+"/") {
			t.Errorf("%s: got %v, want the path", name, err)
		}
		if left, err := os.ReadDir(outside); len(left) != 1 || err != nil {
			t.Errorf("%s: outside there is %v, %v", name, left, err)
		}
	}
}

package restore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/backup"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/seal"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// writeBackup writes a backup of a machine to a file.
func writeBackup(m *hosttest.Machine, name string, keys seal.Keys) error {
	env, _, _ := m.Env()
	return backup.ToFile(m.T.Context(), env, m.Host, m.Conf(), keys, name)
}

func restoreTo(m *hosttest.Machine, name string, l transfer.Locks, overwrite bool) error {
	m.T.Helper()
	env, _, report := m.Env()
	r := restore{env: env, machine: m.Host, overwrite: overwrite, now: time.Now()}
	err := r.run(m.T.Context(), name, l)
	m.T.Log(report.String())
	return err
}

func TestRestore(t *testing.T) {
	for _, l := range []transfer.Locks{{}, {Passphrase: hosttest.Passphrase(t)}} {
		old := hosttest.Relay(t)
		name := filepath.Join(t.TempDir(), "backup")
		keys, err := l.ToSeal()
		if err != nil {
			t.Fatal(err)
		}
		if err := writeBackup(old, name, keys); err != nil {
			t.Fatal(err)
		}
		young := hosttest.New(t)
		if err := restoreTo(young, name, l, false); err != nil {
			t.Fatal(err)
		}
		if got, want := young.Mail(), old.Mail(); got != want {
			t.Errorf("restored:\n%s\nwant\n%s", got, want)
		}
		if err := restoreTo(young, name, l, false); err == nil || !strings.Contains(err.Error(), "there is a relay here already: /etc/chatmail/chatmail.toml") {
			t.Errorf("restore on a living relay: %v", err)
		}
		young.Write("/home/vmail/mail/_x.test/late@_x.test/password", "late")
		young.Write("/home/vmail/mail/_x.test/user01@_x.test/password", "changed")
		if err := restoreTo(young, name, l, true); err != nil {
			t.Fatal(err)
		}
		young.MustRead("/home/vmail/mail/_x.test/late@_x.test/password", "late")
		young.MustRead("/home/vmail/mail/_x.test/user01@_x.test/password", "secret 1")
	}
}

// TestRestoreGoesOn cuts an archive off: what is there by then stays unfinished, run
// refuses it, another archive too, and the whole archive finishes it.
func TestRestoreGoesOn(t *testing.T) {
	old, young := hosttest.Relay(t), hosttest.New(t)
	name := filepath.Join(t.TempDir(), "backup")
	if err := writeBackup(old, name, seal.Keys{}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	half := name + ".half"
	if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	err = restoreTo(young, half, transfer.Locks{}, false)
	var hint *command.HintError
	if !errors.Is(err, archive.ErrCutOff) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "run the same command again") {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(young.Root, "/etc/chatmail/chatmail.toml")); err == nil {
		t.Error("the configuration is in place, although the rest is not")
	}
	if err := relocation.RequireSettled(old.Conf(), young.Host); err == nil || !strings.Contains(err.Error(), "a restore is not finished") {
		t.Errorf("run would start it: %v", err)
	}
	other := name + ".other"
	if err := writeBackup(old, other, seal.Keys{}); err != nil {
		t.Fatal(err)
	}
	if err := restoreTo(young, other, transfer.Locks{}, false); err == nil || !strings.Contains(err.Error(), "another restore or move is not finished") {
		t.Errorf("another archive: %v", err)
	}
	if err := restoreTo(young, name, transfer.Locks{}, false); err != nil {
		t.Fatal(err)
	}
	if got, want := young.Mail(), old.Mail(); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	if err := relocation.RequireSettled(old.Conf(), young.Host); err != nil {
		t.Error(err)
	}
}

func TestMovedAway(t *testing.T) {
	m := hosttest.Relay(t)
	for phase, moved := range map[relocation.Phase]bool{relocation.Copying: false, relocation.Off: false, relocation.Handing: true, relocation.Done: true} {
		if err := relocation.MoveIn(m.Conf(), m.Host).Write(relocation.Move{ID: "ID", To: "root@new", Phase: phase}); err != nil {
			t.Fatal(err)
		}
		if err := relocation.RequireSettled(m.Conf(), m.Host); (err != nil) != moved {
			t.Errorf("%s: got %v", phase, err)
		}
		for domain, back := range map[string]bool{m.Conf().MailDomain: moved, "_another.test": false} {
			r := restore{machine: m.Host, env: &command.Env{ConfigPath: config.DefaultPath}}
			conf := *m.Conf()
			conf.MailDomain = domain
			r.target = &snapshot.Target{Layout: snapshot.Layout{Conf: &conf, Root: m.Root}}
			if got, err := r.movedAway(); got != back || err != nil {
				t.Errorf("%s: that it moved away says %v to %s, want %v (%v)", phase, got, domain, back, err)
			}
		}
	}
}

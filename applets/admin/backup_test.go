package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/archive"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/snapshot"
	"chatmaild/applets/admin/vault"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

const backupMailboxes = 30

// aRelay is a machine with some mailboxes, whose state is elsewhere than by default.
func aRelay(t *testing.T) *fakeMachine {
	m := newMachine(t)
	m.Write("/etc/chatmail/chatmail.toml", "mail_domain = \"_x.test\"\n")
	m.Write("/etc/dkimkeys/opendkim.private", "key")
	m.Write("/var/lib/chatmaild/metadata.db", "tokens")
	for i := range backupMailboxes {
		home := fmt.Sprintf("/home/vmail/mail/_x.test/user%02d@_x.test/", i)
		m.Write(home+"password", fmt.Sprintf("secret %d", i))
		m.Write(home+"cur/1700000000.M1P1.host:2,S", strings.Repeat("mail", 5000))
		m.Write(home+"tmp/.keep", "")
	}
	return m
}

// at is the environment of a command on a machine.
func at(m *fakeMachine) (*command.Env, *bytes.Buffer, *bytes.Buffer) {
	var out, report bytes.Buffer
	return &command.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &report, Version: "1",
		Getenv: func(string) string { return "" }, ConfigPath: "/etc/chatmail/chatmail.toml",
	}, &out, &report
}

func (m *fakeMachine) backup(t *testing.T, ctx context.Context, name string, keys vault.Keys) (string, error) {
	t.Helper()
	env, _, report := at(m)
	b := backup{env: env, machine: m.Host, keys: keys, conf: m.conf(t)}
	b.source = sourceOf(env, b.conf, m.Host)
	err := b.toFile(ctx, name)
	return report.String(), err
}

func (m *fakeMachine) conf(t *testing.T) *config.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(m.Root, "/etc/chatmail/chatmail.toml"))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := config.Parse("test", string(text))
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func (m *fakeMachine) restore(t *testing.T, name string, l locks, overwrite bool) error {
	t.Helper()
	env, _, report := at(m)
	r := restore{env: env, machine: m.Host, overwrite: overwrite, now: time.Now()}
	err := r.run(t.Context(), name, l)
	t.Log(report.String())
	return err
}

// mailOf lists mailboxes and state of a machine, with contents.
func (m *fakeMachine) mailOf(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, pattern := range []string{"/home/vmail/mail/_x.test/*/*", "/home/vmail/mail/_x.test/*/cur/*", "/var/lib/chatmaild/*", "/etc/dkimkeys/*", "/etc/chatmail/*.toml"} {
		names, err := filepath.Glob(m.Root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s %d %.20s\n", strings.TrimPrefix(name, m.Root), len(text), text)
		}
	}
	return b.String()
}

func TestBackupAndRestore(t *testing.T) {
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(passphrase, []byte("correct horse\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, l := range []locks{{}, {passphrase: passphrase}} {
		old := aRelay(t)
		name := filepath.Join(t.TempDir(), "backup")
		keys, err := l.toSeal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.backup(t, t.Context(), name, keys); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(name + ".*")
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
		if _, err := old.backup(t, t.Context(), name, keys); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("a second backup of that name: %v", err)
		}
		env, out, _ := at(old)
		if err := verifyBackup(env, name, l); err != nil || !strings.Contains(out.String(), "whole: 33 pieces with 63 files") {
			t.Errorf("verify: %v, %s", err, out)
		}
		if l.passphrase != "" {
			if err := verifyBackup(env, name, locks{}); !errors.Is(err, vault.ErrKey) {
				t.Errorf("verify without the passphrase: %v", err)
			}
		}

		young := newMachine(t)
		if err := young.restore(t, name, l, false); err != nil {
			t.Fatal(err)
		}
		if got, want := young.mailOf(t), old.mailOf(t); got != want {
			t.Errorf("restored:\n%s\nwant\n%s", got, want)
		}
		if err := young.restore(t, name, l, false); err == nil || !strings.Contains(err.Error(), "there is a relay here already: /etc/chatmail/chatmail.toml") {
			t.Errorf("restore on a living relay: %v", err)
		}
		young.Write("/home/vmail/mail/_x.test/late@_x.test/password", "late")
		young.Write("/home/vmail/mail/_x.test/user01@_x.test/password", "changed")
		if err := young.restore(t, name, l, true); err != nil {
			t.Fatal(err)
		}
		young.mustRead("/home/vmail/mail/_x.test/late@_x.test/password", "late")
		young.mustRead("/home/vmail/mail/_x.test/user01@_x.test/password", "secret 1")
	}
}

func (m *fakeMachine) mustRead(path, want string) {
	m.T.Helper()
	if got, err := os.ReadFile(filepath.Join(m.Root, path)); err != nil || string(got) != want {
		m.T.Errorf("%s: got %q, %v, want %q", path, got, err, want)
	}
}

// TestBackupGoesOn interrupts backups, encrypted and not, and lets the same command go
// on; the archive is whole.
func TestBackupGoesOn(t *testing.T) {
	for name, keys := range map[string]vault.Keys{"plain": {}, "sealed": {Passphrase: []byte("correct horse")}} {
		t.Run(name, func(t *testing.T) {
			m := aRelay(t)
			file := filepath.Join(t.TempDir(), "backup")
			env, _, _ := at(m)
			b := backup{env: env, machine: m.Host, keys: keys, conf: m.conf(t)}
			b.source = sourceOf(env, b.conf, m.Host)
			// The first one breaks off behind ten pieces that are noted, and some octets.
			out, err := os.Create(file + partSuffix)
			if err != nil {
				t.Fatal(err)
			}
			counted := &counter{w: out}
			stop := errors.New("power is gone")
			err = b.write(t.Context(), counted, archive.State{}, func(s archive.State, cut func() error) error {
				switch {
				case s.Pieces == 10:
					if err := cut(); err != nil {
						return err
					}
					return writeCheckpoint(file, checkpoint{counted.n, keys.Lock(), s})
				case s.Pieces == 12:
					return stop
				}
				return nil
			})
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := m.backup(t, t.Context(), file, otherThan(keys)); err == nil || !strings.Contains(err.Error(), "begun with other keys") {
				t.Errorf("going on with other keys: %v", err)
			}
			said, err := m.backup(t, t.Context(), file, keys)
			if err != nil || !strings.Contains(said, "going on behind") {
				t.Fatalf("%v: %s", err, said)
			}
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var plain io.Reader = in
			if keys.Lock() {
				plain = vault.NewReader(in, keys)
			}
			r, err := archive.NewReader(plain)
			for err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, io.EOF) || r.State().Pieces != backupMailboxes+3 {
				t.Errorf("got %v and %d pieces", err, r.State().Pieces)
			}
		})
	}
}

func otherThan(k vault.Keys) vault.Keys {
	if k.Lock() {
		return vault.Keys{}
	}
	return vault.Keys{Passphrase: []byte("other")}
}

// TestBackupInterrupted: ^C is a failure, says how to go on, and leaves what can be
// continued.
func TestBackupInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := aRelay(t).backup(t, ctx, filepath.Join(t.TempDir(), "backup"), vault.Keys{})
	var hint *command.HintError
	if command.Status(err) != command.StatusFailed || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "the same command goes on") {
		t.Errorf("got status %d: %v", command.Status(err), err)
	}
}

// TestRestoreGoesOn cuts an archive off: what is there by then stays unfinished, run
// refuses it, another archive too, and the whole archive finishes it.
func TestRestoreGoesOn(t *testing.T) {
	old, young := aRelay(t), newMachine(t)
	name := filepath.Join(t.TempDir(), "backup")
	if _, err := old.backup(t, t.Context(), name, vault.Keys{}); err != nil {
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
	err = young.restore(t, half, locks{}, false)
	var hint *command.HintError
	if !errors.Is(err, archive.ErrCutOff) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "goes on") {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(young.Root, "/etc/chatmail/chatmail.toml")); err == nil {
		t.Error("the configuration is in place, although the rest is not")
	}
	if err := relocation.RequireSettled(old.conf(t), young.Host); err == nil || !strings.Contains(err.Error(), "a restore is not finished") {
		t.Errorf("run would start it: %v", err)
	}
	other := name + ".other"
	if _, err := old.backup(t, t.Context(), other, vault.Keys{}); err != nil {
		t.Fatal(err)
	}
	if err := young.restore(t, other, locks{}, false); err == nil || !strings.Contains(err.Error(), "another restore or move is not finished") {
		t.Errorf("another archive: %v", err)
	}
	if err := young.restore(t, name, locks{}, false); err != nil {
		t.Fatal(err)
	}
	if got, want := young.mailOf(t), old.mailOf(t); got != want {
		t.Errorf("restored:\n%s\nwant\n%s", got, want)
	}
	if err := relocation.RequireSettled(old.conf(t), young.Host); err != nil {
		t.Error(err)
	}
}

func TestMovedAway(t *testing.T) {
	m := aRelay(t)
	for phase, moved := range map[relocation.Phase]bool{relocation.Copying: false, relocation.Off: false, relocation.Handing: true, relocation.Done: true} {
		if err := relocation.MoveIn(m.conf(t), m.Host).Write(relocation.Move{ID: "ID", To: "root@new", Phase: phase}); err != nil {
			t.Fatal(err)
		}
		if err := relocation.RequireSettled(m.conf(t), m.Host); (err != nil) != moved {
			t.Errorf("%s: got %v", phase, err)
		}
		for domain, back := range map[string]bool{m.conf(t).MailDomain: moved, "_another.test": false} {
			r := restore{machine: m.Host, env: &command.Env{ConfigPath: config.DefaultPath}}
			conf := *m.conf(t)
			conf.MailDomain = domain
			r.target = &snapshot.Target{Layout: snapshot.Layout{Conf: &conf, Root: m.Root}}
			if got, err := r.movedAway(); got != back || err != nil {
				t.Errorf("%s: that it moved away says %v to %s, want %v (%v)", phase, got, domain, back, err)
			}
		}
	}
}

func TestTransferLine(t *testing.T) {
	p := transfer{what: "backup", total: 100, first: archive.State{Pieces: 50, Files: 1000, Octets: 1 << 20}}
	now := archive.State{Pieces: 75, Files: 3000, Octets: 11 << 20}
	const want = "backup: 3000 files, 11.0 MiB, 1.0 MiB/s, 200 files/s, 25 of 100 pieces, 30s left"
	if got := p.line(now, 10*time.Second); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.part = func() float64 { return 0.25 }
	const wantPart = "backup: 3000 files, 11.0 MiB, 1.0 MiB/s, 200 files/s, 25 %, 30s left"
	if got := p.line(now, 10*time.Second); got != wantPart {
		t.Errorf("got  %s\nwant %s", got, wantPart)
	}
}

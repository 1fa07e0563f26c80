package backup

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/seal"
	"chatmaild/applets/command"
)

// writeBackup writes a backup of a machine to a file, and returns what it said.
func writeBackup(m *hosttest.Machine, ctx context.Context, name string, keys seal.Keys) (string, error) {
	m.T.Helper()
	env, _, report := m.Env()
	err := ToFile(ctx, env, m.Host, m.Conf(), keys, name)
	return report.String(), err
}

func TestBackupAndVerify(t *testing.T) {
	for _, l := range []transfer.Locks{{}, {Passphrase: hosttest.Passphrase(t)}} {
		old := hosttest.Relay(t)
		name := filepath.Join(t.TempDir(), "backup")
		keys, err := l.ToSeal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writeBackup(old, t.Context(), name, keys); err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(name + ".*")
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
		if _, err := writeBackup(old, t.Context(), name, keys); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Errorf("a second backup of that name: %v", err)
		}
		env, out, _ := old.Env()
		if err := verifyBackup(env, name, l); err != nil || !strings.Contains(out.String(), "complete: 33 pieces with 63 files") {
			t.Errorf("verify: %v, %s", err, out)
		}
		if l.Passphrase != "" {
			if err := verifyBackup(env, name, transfer.Locks{}); !errors.Is(err, seal.ErrKey) {
				t.Errorf("verify without the passphrase: %v", err)
			}
		}
	}
}

// TestBackupGoesOn interrupts backups, encrypted and not, and lets the same command go
// on; the archive is whole.
func TestBackupGoesOn(t *testing.T) {
	for name, keys := range map[string]seal.Keys{"plain": {}, "sealed": {Passphrase: []byte("correct horse")}} {
		t.Run(name, func(t *testing.T) {
			m := hosttest.Relay(t)
			file := filepath.Join(t.TempDir(), "backup")
			env, _, _ := m.Env()
			b := newBackup(env, m.Host, m.Conf(), keys)
			// The first one is interrupted after ten pieces that are noted, and some bytes.
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
			if _, err := writeBackup(m, t.Context(), file, otherThan(keys)); err == nil || !strings.Contains(err.Error(), "was begun with other keys") {
				t.Errorf("going on with other keys: %v", err)
			}
			said, err := writeBackup(m, t.Context(), file, keys)
			if err != nil || !strings.Contains(said, "resuming after") {
				t.Fatalf("%v: %s", err, said)
			}
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			var plain io.Reader = in
			if keys.Lock() {
				plain = seal.NewReader(in, keys)
			}
			r, err := archive.NewReader(plain)
			for err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, io.EOF) || r.State().Pieces != hosttest.Mailboxes+3 {
				t.Errorf("got %v and %d pieces", err, r.State().Pieces)
			}
		})
	}
}

func otherThan(k seal.Keys) seal.Keys {
	if k.Lock() {
		return seal.Keys{}
	}
	return seal.Keys{Passphrase: []byte("other")}
}

// TestBackupInterrupted: ^C is a failure, says how to continue, and leaves what can be
// continued.
func TestBackupInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := writeBackup(hosttest.Relay(t), ctx, filepath.Join(t.TempDir(), "backup"), seal.Keys{})
	var hint *command.HintError
	if command.Status(err) != command.StatusFailed || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "to resume, run the same command again") {
		t.Errorf("got status %d: %v", command.Status(err), err)
	}
}

// Package gpgtest makes keys that are thrown away.
package gpgtest

import (
	"os"
	"os/exec"
	"testing"

	"chatmaild/packaging/gpg"
)

// Name is that of each key.
const Name = "throw-away@example.org"

// Key makes a key in a keyring of its own, which gpg uses for as long as the test lasts.
func Key(t *testing.T) gpg.Keys {
	t.Helper()
	t.Setenv("GNUPGHOME", Keyring(t))
	keys, err := gpg.Find(t.Context(), Name)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Keyring makes a key in a keyring of its own and returns the directory of that, as
// GNUPGHOME wants it: for a test that runs beside others, which share an environment.
func Keyring(t *testing.T) string {
	t.Helper()
	// Not t.TempDir: the path of the agent's socket may have 108 bytes.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("stopping gpg's agent: %v: %s", err, out)
		}
		os.RemoveAll(home)
	})
	cmd := exec.CommandContext(t.Context(), "gpg", "--homedir", home, "--batch", "--passphrase", "", "--quick-generate-key", Name, "ed25519", "sign", "never")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making a key: %v: %s", err, out)
	}
	return home
}

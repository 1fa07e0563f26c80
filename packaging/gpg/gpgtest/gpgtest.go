// Package gpgtest makes keys that are thrown away.
package gpgtest

import (
	"os"
	"os/exec"
	"testing"

	"chatmaild/packaging/gpg"
)

// Key makes a key in a keyring of its own, which gpg uses for as long as the test lasts.
func Key(t *testing.T) gpg.Keys {
	t.Helper()
	// Not t.TempDir: the path of the agent's socket may have 108 bytes.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("stopping gpg's agent: %v: %s", err, out)
		}
		os.RemoveAll(home)
	})
	const name = "throw-away@example.org"
	cmd := exec.CommandContext(t.Context(), "gpg", "--batch", "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making a key: %v: %s", err, out)
	}
	keys, err := gpg.Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

package wireguard

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKey holds a key against the one that RFC 7748 §6.1 has, and that a file with
// something else is an error.
func TestKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for text, public := range map[string]string{
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
		"dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LA==\n": "",
		"no key\n": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := Load(path)
		if (err != nil) != (public == "") {
			t.Errorf("%q: got %v", text, err)
		}
		if err == nil && key.Public() != public {
			t.Errorf("%q: got public key %s, want %s", text, key.Public(), public)
		}
	}
}

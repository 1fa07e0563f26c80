package dovecot

import "testing"

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]Version{
		"2.3.19.1 (9b53102964)\n":   V23,
		"2.3.21 (47349e2482)\n":     V23,
		"2.4.1-4 (7d8c0e5759)\n":    V24,
		"2.4.1-dev (7d8c0e5759)\n":  V24,
		"2.5.0 (0123456789)\n":      {},
		"3.0.0 (0123456789)\n":      {},
		"2.34.0 (0123456789)\n":     {},
		"":                          {},
		"dovecot: not found\n":      {},
		"2\n":                       {},
		"2.3":                       {},
		"99999999999999999999.4.1 ": {},
	} {
		got, err := ParseVersion(text)
		if (err == nil) != (want != Version{}) || err == nil && got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}

package maildir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnforcesEncryption holds that cleartext is only for a mailbox that is there and
// takes it, and that no fault says so.
func TestEnforcesEncryption(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"open@chat.example/password", "strict@chat.example/password", "strict@chat.example/enforceE2EEincoming",
		"bare@chat.example/cur", "file@chat.example",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("loop@chat.example", filepath.Join(dir, "loop@chat.example")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		addr  string
		want  bool
		fault string
	}{
		{addr: "open@chat.example", want: false},
		{addr: "strict@chat.example", want: true},
		{addr: "nobody@chat.example", want: true},
		{addr: "bare@chat.example", want: true},
		{addr: "file@chat.example", want: true, fault: "not a directory"},
		{addr: "loop@chat.example", want: true, fault: "too many levels of symbolic links"},
	} {
		got, err := New(dir, "chat.example").EnforcesEncryption(tt.addr)
		if got != tt.want || (err != nil) != (tt.fault != "") {
			t.Errorf("%s: got %t, %v; want %t", tt.addr, got, err, tt.want)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.fault) || strings.Contains(err.Error(), "@")) {
			t.Errorf("%s: the error is %q, want %q and no address", tt.addr, err, tt.fault)
		}
	}
}

package invites

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "invites"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDigests: the file has no token.
func TestDigests(t *testing.T) {
	s := newStore(t)
	if _, err := s.Create(t.Context(), "token one", 2, noon.Add(time.Hour), "", noon); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.file())
	if err != nil || bytes.Contains(text, []byte("token one")) {
		t.Errorf("the file is %q, %v", text, err)
	}
}

func TestKey(t *testing.T) {
	s := newStore(t)
	if _, err := ReadKey(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	key, err := s.Key()
	if err != nil || len(key) != keySize {
		t.Fatalf("got %d bytes, %v", len(key), err)
	}
	again, err := s.Key()
	if err != nil || !bytes.Equal(again, key) {
		t.Errorf("the key changed, %v", err)
	}
	if read, err := ReadKey(s.dir); err != nil || !bytes.Equal(read, key) {
		t.Errorf("read another key, %v", err)
	}
	if err := os.WriteFile(KeyFile(s.dir), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Key(); err == nil {
		t.Error("a short key was used")
	}
}

func TestDamagedFile(t *testing.T) {
	s := newStore(t)
	if err := os.WriteFile(s.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Use(t.Context(), "token", noon); err == nil || errors.Is(err, ErrNotValid) || !strings.Contains(err.Error(), s.file()) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Create(t.Context(), "token", 1, noon, "", noon); err == nil {
		t.Error("a damaged file was written over")
	}
}

package invites

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

func TestLifeOfAnInvite(t *testing.T) {
	s := newStore(t)
	invite, err := s.Create("token one", 2, noon.Add(time.Hour), "for friends", noon)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		token string
		at    time.Time
		want  error
	}{
		{"another token", noon, ErrNotValid},
		{"", noon, ErrNotValid},
		{"token one", noon.Add(time.Hour), ErrNotValid},
		{"token one", noon, nil},
		{"token one", noon.Add(59 * time.Minute), nil},
		{"token one", noon, ErrNotValid},
	} {
		if err := s.Use(tt.token, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("use %d: %v, want %v", i, err, tt.want)
		}
	}
	all, err := s.List()
	if err != nil || len(all) != 1 || all[0].ID != invite.ID || all[0].Uses != 0 || all[0].Note != "for friends" || all[0].Digest != "" {
		t.Errorf("listed: %+v, %v", all, err)
	}
	text, err := os.ReadFile(s.file())
	if err != nil || bytes.Contains(text, []byte("token one")) {
		t.Errorf("the file is %q, %v", text, err)
	}
	// Creating a new one throws away those of no use.
	second, err := s.Create("token two", 1, noon.Add(time.Hour), "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := s.List(); len(all) != 1 || all[0].ID != second.ID {
		t.Errorf("listed: %+v", all)
	}
	if err := s.Revoke(second.ID); err != nil {
		t.Error(err)
	}
	if err := s.Revoke(second.ID); !errors.Is(err, ErrNoInvite) {
		t.Errorf("revoked twice: %v", err)
	}
	if err := s.Use("token two", noon); !errors.Is(err, ErrNotValid) {
		t.Errorf("used though revoked: %v", err)
	}
}

// No use is given twice, however many ask at once: here each with a Store, and so a
// lock, of its own.
func TestUsesAreCounted(t *testing.T) {
	s := newStore(t)
	if _, err := s.Create("token", 7, noon.Add(time.Hour), "", noon); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 20 {
		all.Go(func() {
			own, err := Open(s.dir)
			if err == nil {
				err = own.Use("token", noon)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				taken++
			} else if !errors.Is(err, ErrNotValid) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if taken != 7 {
		t.Errorf("7 uses were taken %d times", taken)
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
	if err := s.Use("token", noon); err == nil || errors.Is(err, ErrNotValid) || !strings.Contains(err.Error(), s.file()) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Create("token", 1, noon, "", noon); err == nil {
		t.Error("a damaged file was written over")
	}
}

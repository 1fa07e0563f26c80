package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"old", "new", ""} {
		if err := Write(path, []byte(text), 0o640, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); string(got) != text || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A write that fails changes nothing and leaves nothing behind.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := Write(path, []byte("old"), 0o600, nil); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left")
	if err := Write(path, []byte("new"), 0o600, func(*os.File) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if err := Write(filepath.Join(dir, "missing", "f"), nil, 0o600, nil); err == nil {
		t.Error("written into a missing directory")
	}
	if err := os.Mkdir(filepath.Join(dir, "directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "directory"), nil, 0o600, nil); err == nil {
		t.Error("a directory was replaced")
	}
	if got, err := os.ReadFile(path); string(got) != "old" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 2 || err != nil {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

// A reader sees an old file or a new one, whole, while many write.
func TestReadersSeeWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	text := func(i int) string { return fmt.Sprintf("%04d%04d", i, i) }
	if err := Write(path, []byte(text(0)), 0o600, nil); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if err := Write(path, []byte(text(i)), 0o600, nil); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		got, err := os.ReadFile(path)
		if err != nil || len(got) != 8 || string(got[:4]) != string(got[4:]) {
			t.Fatalf("read %q, %v", got, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

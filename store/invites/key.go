package invites

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"chatmaild/store/atomicfile"
	"chatmaild/store/safefs"
)

// keySize is in bytes.
const keySize = 32

// KeyFile is the path of the key that proves what was handed out for a token. The
// directory's owner writes it, its group reads it: web and doveauth.
func KeyFile(dir string) string { return filepath.Join(dir, "key") }

// ReadKey returns the key. It fails with fs.ErrNotExist before there is one.
func ReadKey(dir string) ([]byte, error) {
	key, err := safefs.ReadFile(KeyFile(dir))
	if err != nil {
		return nil, fmt.Errorf("reading the invites' key: %w", err)
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("reading the invites' key: it has %d bytes, want %d", len(key), keySize)
	}
	return key, nil
}

// Key returns the key, creating it if there is none.
func (s *Store) Key() ([]byte, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	key, err := ReadKey(s.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, keySize)
	rand.Read(key)
	if err := atomicfile.Write(KeyFile(s.dir), key, 0o640, nil); err != nil {
		return nil, err
	}
	return key, nil
}

package maildir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/store/atomicfile"
)

// idFile holds the id of the store.
const idFile = ".store"

// ID returns the id of the store, which is nobody else's: a store that was lost, and made
// again, has another one. With make, one that has none gets one; else that is "".
func (s *Store) ID(make bool) (string, error) {
	path := filepath.Join(s.dir, idFile)
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the id of the mailboxes: %w", err)
	case !make:
		return "", nil
	}
	// Two processes may do that at once: the first one's stays.
	id := rand.Text()
	temp := filepath.Join(s.dir, newPrefix+"id-"+id)
	defer os.Remove(temp)
	if err := atomicfile.Write(temp, []byte(id+"\n"), 0o600, nil); err != nil {
		return "", fmt.Errorf("writing the id of the mailboxes: %w", err)
	}
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return s.ID(false)
	} else if err != nil {
		return "", fmt.Errorf("writing the id of the mailboxes: %w", err)
	}
	return id, atomicfile.SyncDir(s.dir)
}

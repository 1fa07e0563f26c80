package tokens

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// CopyOf is where Copy writes a copy of the database at path.
func CopyOf(path string) string { return path + ".copy" }

// Copy writes the database as it is at one moment to a file beside it, in place of an
// earlier copy, and returns its path. Changes continue meanwhile.
func (f *file) Copy() (path string, err error) {
	path = CopyOf(f.bolt.Path())
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return "", fmt.Errorf("copying the database: %w", err)
	}
	err = guard(func() error {
		return f.bolt.View(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(temp)
			return err
		})
	})
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name())
		return "", fmt.Errorf("copying the database: %w", err)
	}
	return path, nil
}

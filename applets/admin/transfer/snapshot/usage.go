package snapshot

import (
	"context"
	"io/fs"
	"path/filepath"

	"chatmaild/store/safefs"
)

// Usage returns how many bytes and files there are below a directory.
func Usage(ctx context.Context, dir string) (size, files int64, err error) {
	err = safefs.As(dir, func() error {
		return filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return ctx.Err() // what goes away meanwhile does not count
			}
			if info, err := d.Info(); err == nil {
				size += info.Size()
				files++
			}
			return ctx.Err()
		})
	})
	return size, files, err
}

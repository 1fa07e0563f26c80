package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"chatmaild/testdata/lab/cache"
)

// unattendedVersion changes when the way of downloading changes.
const unattendedVersion = "1"

// Unattended returns the cached directory of the packages by which a machine upgrades
// itself, and asks which services to restart then, for a suite's root (20 MB). wget is
// what the README gets the archive's key by. Progress goes to w.
func Unattended(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	root, err := Root(ctx, w, suite)
	if err != nil {
		return "", err
	}
	return cache.Get(ctx, "unattended-"+cache.Fingerprint(unattendedVersion, filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "downloading unattended-upgrades for %s, once (20 MB)\n", suite)
		sources, err := mirror(root)
		if err != nil {
			return err
		}
		return download(ctx, root, dir, sources, "install", "unattended-upgrades", "needrestart", "wget")
	})
}

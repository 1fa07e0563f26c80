package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"chatmaild/testdata/lab/cache"
)

// OpenDKIM returns the cached directory of the package of OpenDKIM for a Debian's root, with
// what it depends on (2 MB): a second opinion on signatures, and what signs on a Python relay.
// Progress goes to w.
func OpenDKIM(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	root, err := Root(ctx, w, suite)
	if err != nil {
		return "", err
	}
	return cache.Get(ctx, "opendkim-"+cache.Fingerprint(filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "downloading OpenDKIM of %s, once (2 MB)\n", suite)
		sources, err := mirror(root)
		if err != nil {
			return err
		}
		if err := download(ctx, root, dir, sources, "install", "opendkim"); err != nil {
			return fmt.Errorf("downloading OpenDKIM of %s: %w", suite, err)
		}
		return nil
	})
}

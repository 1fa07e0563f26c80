package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"chatmaild/testdata/lab/cache"
)

// webServers are Debian's web servers beside nginx that can share their ports with a relay.
var webServers = []string{"caddy", "haproxy"}

// WebServers returns the cached directory of the packages of caddy and haproxy for a
// Debian's root, with what they depend on (15 MB). Progress goes to w.
func WebServers(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	root, err := Root(ctx, w, suite)
	if err != nil {
		return "", err
	}
	return cache.Get(ctx, "webservers-"+cache.Fingerprint(filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "downloading web servers of %s, once (15 MB)\n", suite)
		sources, err := mirror(root)
		if err != nil {
			return err
		}
		if err := download(ctx, root, dir, sources, append([]string{"install"}, webServers...)...); err != nil {
			return fmt.Errorf("downloading the web servers of %s: %w", suite, err)
		}
		return nil
	})
}

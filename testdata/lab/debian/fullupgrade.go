package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/program"
)

// downloadVersion changes when the way of downloading changes.
const downloadVersion = "1"

// FullUpgrade returns the cached directory with all that apt downloads for a full upgrade
// of bookworm's root to trixie (some 200 packages, 80 MB), as a repository that needs
// no network and no key: "deb [trusted=yes] file:DIRECTORY ./". Progress goes to w.
//
// This machine's apt does it, for the root's dpkg: what has to be set for a way to
// the mirror is set there.
func FullUpgrade(ctx context.Context, w io.Writer) (string, error) {
	root, err := Root(ctx, w, Bookworm)
	if err != nil {
		return "", err
	}
	return cache.Get(ctx, "upgrade-"+cache.Fingerprint(downloadVersion, filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintln(w, "downloading bookworm's full upgrade to trixie, once (80 MB)")
		return downloadUpgrade(ctx, root, dir)
	})
}

func downloadUpgrade(ctx context.Context, root, dir string) error {
	sources, err := mirror(root)
	if err != nil {
		return err
	}
	next := strings.ReplaceAll(sources, string(Bookworm), string(Trixie))
	if err := download(ctx, root, dir, next, "full-upgrade"); err != nil {
		return fmt.Errorf("downloading a full upgrade: %w", err)
	}
	// It is a repository then.
	_, err = program.Run(ctx, "sh", "-euc", `cd "$1"; dpkg-scanpackages . >Packages`, "scan", dir)
	return err
}

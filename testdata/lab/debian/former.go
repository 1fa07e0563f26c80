package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/program"
)

const formerScript = `mkdir -p "$1/tree"
git -C "$2" archive "$3" | tar -x -C "$1/tree"
sed -i "1s/(.*)/($4)/" "$1/tree/debian/changelog"
make -s -C "$1/tree" deb
mv "$1"/tree/build/*.deb "$1"
chmod -R u+w "$1/tree"
rm -rf "$1/tree"`

// Former returns the package of an earlier commit, called by a version: what a machine has that is
// not upgraded yet. The checkout has to be a repository of git, with its history.
func Former(ctx context.Context, w io.Writer, commit, version string) (string, error) {
	checkout, err := Checkout()
	if err != nil {
		return "", err
	}
	dir, err := cache.Get(ctx, "former-"+cache.Fingerprint(commit, version), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "building the package of %s\n", commit)
		_, err := program.Run(ctx, "sh", "-euc", formerScript, "former", dir, checkout, commit, version)
		return err
	})
	return filepath.Join(dir, "chatmaild_"+version+"_"+runtime.GOARCH+".deb"), err
}

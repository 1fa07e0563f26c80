package debian

import (
	"context"
	"path/filepath"

	"chatmaild/testdata/lab/program"
)

const repackScript = `dpkg-deb --raw-extract "$2" "$1"
sed -i "s/^Version: .*/Version: $3/" "$1/DEBIAN/control"
eval "$5"
dpkg-deb --build --root-owner-group -Znone "$1" "$4" >/dev/null`

// Repack makes a package of another version out of ours, in dir. Lines of sh change it in
// between; its directory is $1.
func Repack(ctx context.Context, deb, dir, version, lines string) (string, error) {
	tree, repacked := filepath.Join(dir, "tree"), filepath.Join(dir, "chatmaild_"+version+"_amd64.deb")
	_, err := program.Run(ctx, "sh", "-euc", repackScript, "repack", tree, deb, version, repacked, lines)
	return repacked, err
}

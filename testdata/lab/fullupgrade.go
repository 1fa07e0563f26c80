package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// downloadVersion changes when the way of downloading changes.
const downloadVersion = "1"

// FullUpgrade returns the cached folder with all that apt downloads for a full upgrade
// of bookworm's root to trixie (some 200 packages, 80 MB), as a repository that needs
// no network and no key: "deb [trusted=yes] file:FOLDER ./". Progress goes to w.
//
// This machine's apt does it, for the root's dpkg: what has to be set for a way to
// the mirror is set there.
func FullUpgrade(ctx context.Context, w io.Writer) (string, error) {
	root, err := Root(ctx, w, Bookworm)
	if err != nil {
		return "", err
	}
	return cached(ctx, "upgrade-"+fingerprint(downloadVersion, filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintln(w, "downloading bookworm's full upgrade to trixie, once (80 MB)")
		return downloadUpgrade(ctx, root, dir)
	})
}

func downloadUpgrade(ctx context.Context, root, dir string) error {
	sources, err := os.ReadFile(filepath.Join(root, "etc/apt/sources.list"))
	if err != nil {
		return fmt.Errorf("looking up the mirror of a root: %w", err)
	}
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	list := filepath.Join(dir, "sources.list")
	next := strings.ReplaceAll(string(sources), string(Bookworm), string(Trixie))
	if err := os.WriteFile(list, []byte(next), 0o644); err != nil {
		return err
	}
	apt := []string{
		"--quiet", "--yes",
		"--option=Dir::Etc::SourceList=" + list, "--option=Dir::Etc::SourceParts=/dev/null",
		"--option=Dir::State::status=" + filepath.Join(root, "var/lib/dpkg/status"),
		"--option=Dir::State::extended_states=" + filepath.Join(root, "var/lib/apt/extended_states"),
		"--option=Dir::State::Lists=" + filepath.Join(dir, "lists"), "--option=Dir::Cache=" + dir,
		"--option=APT::Install-Recommends=false", "--option=Debug::NoLocking=true",
	}
	for _, command := range [][]string{{"update"}, {"full-upgrade", "--download-only"}} {
		if _, err := run(ctx, "apt-get", append(apt, command...)...); err != nil {
			return fmt.Errorf("downloading a full upgrade: %w", err)
		}
	}
	return scanPackages(ctx, dir)
}

// scanPackages makes a repository of the packages in dir/archives, and leaves nothing
// else there.
func scanPackages(ctx context.Context, dir string) error {
	const lines = `mv "$1"/archives/*.deb "$1"
cd "$1"
rm -rf archives lists sources.list ./*.bin
dpkg-scanpackages . >Packages`
	_, err := run(ctx, "sh", "-euc", lines, "scan", dir)
	return err
}

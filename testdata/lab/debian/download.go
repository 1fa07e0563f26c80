package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"chatmaild/testdata/lab/program"
)

// download has this machine's apt download what a command of its would install on a root,
// and leaves the packages in dir, and nothing else. sources are the lines by which it is
// looked up. What has to be set for a way to the mirror is set on this machine.
func download(ctx context.Context, root, dir, sources string, install ...string) error {
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	list := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(list, []byte(sources), 0o644); err != nil {
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
	for _, words := range [][]string{{"update"}, append(install, "--download-only")} {
		if _, err := program.Run(ctx, "apt-get", append(apt, words...)...); err != nil {
			return err
		}
	}
	const lines = `mv "$1"/archives/*.deb "$1"; cd "$1"; rm -rf archives lists sources.list ./*.bin`
	_, err := program.Run(ctx, "sh", "-euc", lines, "keep", dir)
	return err
}

// mirror is the sources.list of a root.
func mirror(root string) (string, error) {
	sources, err := os.ReadFile(filepath.Join(root, "etc/apt/sources.list"))
	if err != nil {
		return "", fmt.Errorf("looking up the mirror of a root: %w", err)
	}
	return string(sources), nil
}

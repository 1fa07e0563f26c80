package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// dovecotsVersion changes when the way of downloading changes.
const dovecotsVersion = "1"

var dovecotPackages = []string{"dovecot-core", "dovecot-imapd", "dovecot-lmtpd"}

// Dovecots returns the cached directory of the packages of two Dovecots for trixie's root:
// in "bookworm" that of bookworm, with what trixie has no more of, in the place of the
// Python relay's fork of 2.3, and in "trixie" its own (10 MB). Progress goes to w.
//
// This machine's apt downloads, for the root's dpkg: what has to be set for a way to the
// mirror is set there.
func Dovecots(ctx context.Context, w io.Writer) (string, error) {
	root, err := Root(ctx, w, Trixie)
	if err != nil {
		return "", err
	}
	return cached(ctx, "dovecots-"+fingerprint(dovecotsVersion, filepath.Base(root)), func(ctx context.Context, dir string) error {
		fmt.Fprintln(w, "downloading two Dovecots, once (10 MB)")
		for _, suite := range Suites() {
			if err := downloadDovecot(ctx, root, filepath.Join(dir, string(suite)), suite); err != nil {
				return fmt.Errorf("downloading the Dovecot of %s: %w", suite, err)
			}
		}
		return nil
	})
}

// downloadDovecot leaves the packages of a suite's Dovecot in dir, and nothing else.
func downloadDovecot(ctx context.Context, root, dir string, suite Suite) error {
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
	both := string(sources) + "\n" + strings.ReplaceAll(string(sources), string(Trixie), string(suite))
	if err := os.WriteFile(list, []byte(both), 0o644); err != nil {
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
	install := []string{"install", "--download-only", "--allow-downgrades", "--reinstall"}
	for _, name := range dovecotPackages {
		install = append(install, name+"/"+string(suite))
	}
	if suite == Trixie {
		install = append(install, "dovecot-sieve/"+string(suite)) // dovecot-core's
	}
	for _, command := range [][]string{{"update"}, install} {
		if _, err := run(ctx, "apt-get", append(apt, command...)...); err != nil {
			return err
		}
	}
	_, err = run(ctx, "sh", "-euc", `mv "$1"/archives/*.deb "$1"; cd "$1"; rm -rf archives lists sources.list ./*.bin`, "keep", dir)
	return err
}

package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"chatmaild/testdata/lab/cache"
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
	return cache.Get(ctx, "dovecots-"+cache.Fingerprint(dovecotsVersion, filepath.Base(root)), func(ctx context.Context, dir string) error {
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
	sources, err := mirror(root)
	if err != nil {
		return err
	}
	both := sources + "\n" + strings.ReplaceAll(sources, string(Trixie), string(suite))
	install := []string{"install", "--allow-downgrades", "--reinstall"}
	for _, name := range dovecotPackages {
		install = append(install, name+"/"+string(suite))
	}
	if suite == Trixie {
		install = append(install, "dovecot-sieve/"+string(suite)) // dovecot-core's
	}
	return download(ctx, root, dir, both, install...)
}

package debian

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/program"
)

const (
	// rootVersion changes when the way of building changes, the packages apart.
	rootVersion = "1"

	// A package that asks which kind of mail server this is to be cannot be
	// installed unattended; this answer leaves main.cf to chatmaild.
	preseed = `echo "postfix postfix/main_mailer_type select No configuration" | chroot "$1" debconf-set-selections`
)

// systemPackages make a plain Debian that boots, with SSH and Python, as one rents it.
// (Trixie's systemd only recommends libkmod, without which a virtual machine's loads no
// module.) Whatever else the relay needs is taken from the Depends of our own
// debian/control, so that a dependency that is missing there is missing in the lab as
// well.
func systemPackages(suite Suite) []string {
	packages := []string{"systemd", "systemd-sysv", "dbus", "iproute2", "procps", "openssh-server", "python3"}
	if suite != Bookworm {
		packages = append(packages, "libkmod2")
	}
	return packages
}

// Root returns the directory of the cached root of a Debian, built first if need be
// (about 80 s); progress goes to w.
func Root(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	checkout, err := Checkout()
	if err != nil {
		return "", err
	}
	control := filepath.Join(checkout, "debian", "control")
	text, err := os.ReadFile(control)
	if err != nil {
		return "", fmt.Errorf("reading the package's dependencies: %w", err)
	}
	depends, err := parseDepends(string(text))
	if err != nil {
		return "", fmt.Errorf("%s: %w", control, err)
	}
	packages := append(systemPackages(suite), depends...)
	slices.Sort(packages)
	packages = slices.Compact(packages)
	mirror := os.Getenv("CHATMAILD_LAB_MIRROR")
	name := "root-" + cache.Fingerprint(rootVersion, string(suite), preseed, mirror, strings.Join(packages, ","))
	return cache.Get(ctx, name, func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "building the lab's root of %s, once (about 80 s, 400 MB): %s\n", suite, strings.Join(packages, " "))
		return buildRoot(ctx, dir, suite, packages, mirror)
	})
}

func buildRoot(ctx context.Context, dir string, suite Suite, packages []string, mirror string) error {
	args := []string{
		"--quiet", "--mode=root", "--variant=minbase",
		"--include=" + strings.Join(packages, ","),
		"--aptopt=APT::Install-Recommends \"false\"",
		"--dpkgopt=force-unsafe-io",
		"--essential-hook=" + preseed,
		string(suite), dir,
	}
	if mirror != "" {
		args = append(args, mirror)
	}
	if _, err := program.Run(ctx, "mmdebstrap", args...); err != nil {
		return fmt.Errorf("building a Debian root: %w", err)
	}
	return nil
}

var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// parseDepends returns the packages in the Depends and Pre-Depends fields of a
// debian/control file: of alternatives the first, without versions and without
// substitution variables (deb-substvars(5)).
func parseDepends(control string) ([]string, error) {
	var names []string
	inField := false
	s := bufio.NewScanner(strings.NewReader(control))
	for s.Scan() {
		line := s.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, " "), strings.HasPrefix(line, "\t"):
		default:
			field, rest, _ := strings.Cut(line, ":")
			inField = field == "Depends" || field == "Pre-Depends"
			line = rest
		}
		if !inField {
			continue
		}
		for _, relation := range strings.Split(line, ",") {
			first, _, _ := strings.Cut(relation, "|")
			first, _, _ = strings.Cut(first, "(")
			first, _, _ = strings.Cut(first, "[")
			first = strings.TrimSpace(first)
			if first == "" || strings.HasPrefix(first, "${") {
				continue
			}
			if !packageName.MatchString(first) {
				return nil, fmt.Errorf("cannot read the dependency %q", first)
			}
			names = append(names, first)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the package depends on nothing")
	}
	return names, s.Err()
}

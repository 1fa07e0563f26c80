// Command archive makes a signed APT repository of packages, or adds packages to one.
// It is static files, for any web server:
//
//	chatmaild.asc                    the public key
//	SUITE/chatmaild.sources          what a machine needs besides (sources.list(5))
//	dists/SUITE/                     indices, InRelease and Release.gpg
//	pool/main/c/chatmaild/           the packages
//	changelogs/main/c/chatmaild/     what "apt changelog" shows
//
// apt-ftparchive makes the indices: of Debian's tools for this it is the one that writes
// by-hash files and Acquire-By-Hash, keeps the by-hash files of three updates, so that
// no client reads an index that is half old, and has no database beside the files. (reprepro
// has no by-hash in Debian 12 and one version of a package for each suite; aptly serves
// from a database of its own.) The key is named by the caller, and stays in gpg.
//
// There is no Valid-Until, unless -valid sets one: the archive is signed when there is a
// release, by a person, with a key that is on no server. A time limit that is longer than
// the time between two releases protects against little, and a shorter one would break every
// "apt update" while there is no one to sign. What it would protect against is a server that
// hides new versions; with HTTPS only the archive's own server could do that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"chatmaild/packaging/gpg"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory of the repository")
	url := flags.String("url", "", "URL of the repository on the web")
	names := flags.String("key", "", "keys that sign, as gpg names them, with spaces between")
	valid := flags.Int("valid", 0, "days after which apt refuses the signature; 0: never")
	if err := flags.Parse(args); err != nil {
		return err
	}
	debs := flags.Args()
	switch {
	case *dir == "":
		return errors.New("missing -dir")
	case !strings.HasPrefix(*url, "https://") && !strings.HasPrefix(*url, "http://"):
		return fmt.Errorf("%q is not the URL of a web server", *url)
	case *valid < 0:
		return fmt.Errorf("-valid %d: want a number of days", *valid)
	case len(debs) == 0:
		return errors.New("no packages; make some with: make deb")
	}
	keys, err := gpg.Find(ctx, *names)
	if err != nil {
		return err
	}
	path, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	a := archive{dir: path, url: strings.TrimSuffix(*url, "/"), keys: keys, valid: *valid}
	for _, deb := range debs {
		if err := a.add(ctx, deb); err != nil {
			return err
		}
	}
	for _, suite := range suites {
		if err := a.publish(ctx, suite); err != nil {
			return fmt.Errorf("%s: %w", suite, err)
		}
	}
	for _, suite := range suites {
		versions, err := check(ctx, a.dir, suite)
		if err != nil {
			return fmt.Errorf("apt does not accept the repository for %s: %w", suite, err)
		}
		fmt.Printf("%s: chatmaild %s\n", suite, strings.Join(versions, ", "))
	}
	fmt.Printf("signed by %s; to be served as %s: %s\n", strings.Join(keys, " and "), a.url, a.dir)
	return nil
}

// Command release makes a release of the checkout that it runs in: it checks that there
// can be one, builds the packages, each twice, and writes to build/release
//
//	chatmaild_VERSION_ARCH.deb   for each architecture
//	NOTES                        what changes on an operator's machine, and all else
//	provenance.json              what they were built from, and how (provenance.go)
//	SHA256SUMS, SHA256SUMS.asc   of all of these, and the signature
//	chatmaild.asc                the public key
//
// Finally it tags the commit. It publishes nothing: it prints the commands that do.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"chatmaild/packaging/gpg"
	"chatmaild/packaging/program"
)

// architectures are those that a release has packages for.
var architectures = []string{"amd64", "arm64"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	dir := flags.String("C", ".", "directory of the checkout")
	names := flags.String("key", "", "keys that sign, as gpg names them, with spaces between")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Args())
	}
	keys, err := gpg.Find(ctx, *names)
	if err != nil {
		return err
	}
	tree := checkout(*dir)
	r, err := tree.release(ctx)
	if err != nil {
		return err
	}
	started := time.Now()
	for _, architecture := range architectures {
		fmt.Printf("building %s for %s twice\n", r.version, architecture)
		if _, err := tree.run(ctx, "make", "--no-print-directory", "reproducible", "ARCH="+architecture); err != nil {
			return fmt.Errorf("make reproducible ARCH=%s: %w", architecture, err)
		}
	}
	// A build that changed the sources did not build the commit.
	if err := tree.clean(ctx); err != nil {
		return err
	}
	out := filepath.Join(*dir, "build", "release")
	if err := r.write(ctx, tree, out, keys, started); err != nil {
		return err
	}
	if !r.tagged {
		if _, err := tree.run(ctx, "git", "tag", "--sign", "--local-user", keys[0], "--message", "chatmaild "+r.version, r.tag); err != nil {
			return fmt.Errorf("tagging %s: %w", r.commit, err)
		}
	}
	fmt.Printf(`chatmaild %s is in %s, and %s is tagged. To publish it:
  git push origin %s
  make archive KEY="%s" DEBS="build/release/*.deb", and copy the archive to its server
`, r.version, out, r.commit[:12], r.tag, strings.Join(keys, " "))
	return nil
}

// A checkout is a directory with the sources and their history.
type checkout string

// run runs a program there, and returns what it prints.
func (c checkout) run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := program.Output(ctx, string(c), name, args...)
	return string(out), err
}

// Command prepare brings this machine to where the lab's tests can run: it
// installs the tools that are missing and fills the lab's cache.
//
//	go run ./testdata/lab/prepare [-check | -root | -all] [SUITE ...]
//
// Without a SUITE it prepares for that of $SUITE, or else trixie.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
)

// timeout is for a slow line: tools, a Debian root, npm packages.
const timeout = 30 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	root := flag.Bool("root", false, "print the directory of each root, and nothing else")
	all := flag.Bool("all", false, "prepare for every Debian, other Dovecots, and the upgrade from one Debian to the next, as \"make lab-long\" needs it")
	check := flag.Bool("check", false, "only say what the lab needs, and whether this machine allows it")
	flag.Parse()
	if *check {
		if err := lab.Announce(ctx, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "prepare:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *root, *all, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

// run prepares for the Debians that are named, for the one that is chosen, or for all. What
// a test needs beyond that it gets itself.
func run(ctx context.Context, root, all bool, names []string) error {
	if all {
		if err := lab.Prepare(ctx, os.Stdout, debian.Suites()...); err != nil {
			return err
		}
		if _, err := debian.Dovecots(ctx, os.Stdout); err != nil {
			return err
		}
		_, err := debian.FullUpgrade(ctx, os.Stdout)
		return err
	}
	suites, err := wanted(names)
	if err != nil {
		return err
	}
	if !root {
		return lab.Prepare(ctx, os.Stdout, suites...)
	}
	if err := lab.Prepare(ctx, os.Stderr, suites...); err != nil {
		return err
	}
	for _, suite := range suites {
		dir, err := debian.Root(ctx, os.Stderr, suite)
		if err != nil {
			return err
		}
		fmt.Println(dir)
	}
	return nil
}

// wanted are the Debians of these names, each once, or the chosen one.
func wanted(names []string) (suites []debian.Suite, err error) {
	if len(names) == 0 {
		suite, err := debian.ChosenSuite()
		return []debian.Suite{suite}, err
	}
	for _, name := range names {
		suite, err := debian.ParseSuite(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(suites, suite) {
			suites = append(suites, suite)
		}
	}
	return suites, nil
}

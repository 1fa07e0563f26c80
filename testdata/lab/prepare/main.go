// Command prepare brings this machine to where the lab's tests can run: it
// installs the tools that are missing and fills the lab's cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
	root := flag.Bool("root", false, "print the directory of the root of $SUITE, and nothing else")
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
	if err := run(ctx, *root, *all); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

// run prepares for the Debian that is chosen, or for all. What a test needs beyond that it
// gets itself.
func run(ctx context.Context, root, all bool) error {
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
	suite, err := debian.ChosenSuite()
	if err != nil {
		return err
	}
	if !root {
		return lab.Prepare(ctx, os.Stdout, suite)
	}
	if err := lab.Prepare(ctx, os.Stderr, suite); err != nil {
		return err
	}
	dir, err := debian.Root(ctx, os.Stderr, suite)
	if err == nil {
		fmt.Println(dir)
	}
	return err
}

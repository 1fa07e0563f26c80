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
)

// timeout is for a slow line: tools, a Debian root, npm packages.
const timeout = 30 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	root := flag.Bool("root", false, "print the directory of the root of $SUITE, and nothing else")
	flag.Parse()
	if err := run(ctx, *root); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

// run prepares for every Debian: some tests are about one of them, whatever is chosen.
func run(ctx context.Context, root bool) error {
	if !root {
		err := lab.Prepare(ctx, os.Stdout, lab.Suites()...)
		if err == nil {
			_, err = lab.FullUpgrade(ctx, os.Stdout)
		}
		return err
	}
	suite, err := lab.ChosenSuite()
	if err == nil {
		err = lab.Prepare(ctx, os.Stderr, suite)
	}
	if err != nil {
		return err
	}
	dir, err := lab.Root(ctx, os.Stderr, suite)
	if err == nil {
		fmt.Println(dir)
	}
	return err
}

// Command prepare brings this machine to where the lab's tests can run: it
// installs the tools that are missing and fills the lab's cache.
package main

import (
	"context"
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
	if err := lab.Prepare(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

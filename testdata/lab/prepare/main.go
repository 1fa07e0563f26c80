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
	root := flag.Bool("root", false, "print the folder of the Debian root, and nothing else")
	flag.Parse()
	progress := os.Stdout
	if *root {
		progress = os.Stderr
	}
	err := lab.Prepare(ctx, progress)
	if err == nil && *root {
		var dir string
		dir, err = lab.Root(ctx, progress)
		fmt.Println(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

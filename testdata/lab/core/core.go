// Package core runs the real Delta Chat core, deltachat-rpc-server, as the apps do: a [Client]
// is one running core, and each of its accounts is a [Profile]. What the core tells about a
// profile is its history of [Event]s, which tests wait on.
package core

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/program"
)

// Version is that of the Delta Chat core of the real apps, pinned: a newer one is
// taken on purpose, never by itself. For arm64 npm has no newer one than 2.57.
var Version = map[string]string{"amd64": "2.62.0", "arm64": "2.57.0"}[runtime.GOARCH]

// Old are versions that people still have, the oldest first.
var Old = []string{"2.33.0", "2.48.0"}

// npmArch is npm's name for the machine's architecture.
var npmArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// Program returns the path of a version of deltachat-rpc-server, installed into
// the cache first if need be. npm's package is that of the architecture: the one that
// chooses it, @deltachat/stdio-rpc-server, stops at 2.57.
func Program(ctx context.Context, w io.Writer, version string) (string, error) {
	arch, ok := npmArch[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no Delta Chat core for %s", runtime.GOARCH)
	}
	name := "@deltachat/stdio-rpc-server-linux-" + arch
	corePackage := name + "@" + version
	dir, err := cache.Get(ctx, "core-"+cache.Fingerprint(corePackage), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "installing the real client from npm, once: %s\n", corePackage)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		_, err := program.Run(ctx, "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund",
			"--prefix", dir, corePackage)
		return err
	})
	if err != nil {
		return "", err
	}
	executable := filepath.Join(dir, "node_modules", name, "deltachat-rpc-server")
	if _, err := os.Stat(executable); err != nil {
		return "", fmt.Errorf("the npm package has no program for this machine: %w", err)
	}
	return executable, nil
}

package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// coreVersion is that of the Delta Chat core of the real apps, pinned: a newer one is
// taken on purpose, never by itself. For arm64 npm has no newer one than 2.57.
var coreVersion = map[string]string{"amd64": "2.62.0", "arm64": "2.57.0"}[runtime.GOARCH]

// oldCores are versions that people still have, the oldest first.
var oldCores = []string{"2.33.0", "2.48.0"}

// npmArch is npm's name for the machine's architecture.
var npmArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// coreProgram returns the path of a version of deltachat-rpc-server, installed into
// the cache first if need be. npm's package is that of the architecture: the one that
// chooses it, @deltachat/stdio-rpc-server, stops at 2.57.
func coreProgram(ctx context.Context, w io.Writer, version string) (string, error) {
	arch, ok := npmArch[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no Delta Chat core for %s", runtime.GOARCH)
	}
	name := "@deltachat/stdio-rpc-server-linux-" + arch
	corePackage := name + "@" + version
	dir, err := cached(ctx, "core-"+fingerprint(corePackage), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "installing the real client from npm, once: %s\n", corePackage)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		_, err := run(ctx, "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund",
			"--prefix", dir, corePackage)
		return err
	})
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "node_modules", name, "deltachat-rpc-server")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("the npm package has no program for this machine: %w", err)
	}
	return program, nil
}

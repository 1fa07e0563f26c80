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
// taken on purpose, never by itself.
const coreVersion = "2.57.0"

// oldCores are versions that people still have, the oldest first.
var oldCores = []string{"2.33.0", "2.48.0"}

// npmArch is npm's name for the machine's architecture.
var npmArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// coreProgram returns the path of a version of deltachat-rpc-server, installed into
// the cache first if need be.
func coreProgram(ctx context.Context, w io.Writer, version string) (string, error) {
	arch, ok := npmArch[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no Delta Chat core for %s", runtime.GOARCH)
	}
	corePackage := "@deltachat/stdio-rpc-server@" + version
	dir, err := cached(ctx, "core-"+fingerprint(corePackage, arch), func(ctx context.Context, dir string) error {
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
	program := filepath.Join(dir, "node_modules/@deltachat/stdio-rpc-server-linux-"+arch, "deltachat-rpc-server")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("the npm package has no program for this machine: %w", err)
	}
	return program, nil
}

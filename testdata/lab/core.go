package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// corePackage is the Delta Chat core of the real apps, pinned: a newer one is
// taken on purpose, never by itself.
const corePackage = "@deltachat/stdio-rpc-server@2.57.0"

// npmArch is npm's name for the machine's architecture.
var npmArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

// coreProgram returns the path of deltachat-rpc-server, installed into the
// cache first if need be.
func coreProgram(ctx context.Context, w io.Writer) (string, error) {
	arch, ok := npmArch[runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no Delta Chat core for %s", runtime.GOARCH)
	}
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

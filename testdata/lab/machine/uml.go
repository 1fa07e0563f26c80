package machine

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/program"
)

//go:embed uml/xstate.c
var xstateSource []byte

// xstateLibrary returns the library that User-mode Linux needs on a processor with AMX,
// built from uml/xstate.c first if need be.
func xstateLibrary(ctx context.Context) (string, error) {
	const library = "xstate.so"
	dir, err := cache.Get(ctx, "xstate-"+cache.Fingerprint(string(xstateSource)), func(ctx context.Context, dir string) error {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		source := filepath.Join(dir, "xstate.c")
		if err := os.WriteFile(source, xstateSource, 0o644); err != nil {
			return err
		}
		if _, err := program.Run(ctx, "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", filepath.Join(dir, library), source); err != nil {
			return fmt.Errorf("building what User-mode Linux preloads: %w", err)
		}
		return nil
	})
	return filepath.Join(dir, library), err
}

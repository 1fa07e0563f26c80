package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// aptTimeout bounds a look at apt's lists. Without its cache, apt reads them all, which
// takes some seconds on a small machine.
const aptTimeout = 20 * time.Second

// Versions are those of a package: which is installed, and which apt would install. Each
// is "" if there is none.
type Versions struct{ Installed, Candidate string }

// PackageVersions looks up a package in apt's lists, as the last "apt update" left them;
// it needs no network. On a machine without apt there is none.
func PackageVersions(ctx context.Context, h Host, name string) (Versions, error) {
	ctx, cancel := context.WithTimeout(ctx, aptTimeout)
	defer cancel()
	out, err := h.run(ctx, "apt-cache", "policy", name)
	if errors.Is(err, exec.ErrNotFound) {
		return Versions{}, nil
	}
	if err != nil {
		return Versions{}, fmt.Errorf("looking for a new version: %w", err)
	}
	return parsePolicy(out), nil
}

// parsePolicy parses what "apt-cache policy" prints of a package: apt-cache(8).
func parsePolicy(out string) (v Versions) {
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if value == "(none)" {
			continue
		}
		switch key {
		case "Installed":
			v.Installed = value
		case "Candidate":
			v.Candidate = value
		}
	}
	return v
}

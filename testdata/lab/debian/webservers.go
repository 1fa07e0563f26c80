package debian

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"chatmaild/testdata/lab/cache"
)

// webServers are Debian's web servers beside nginx that can share their ports with a relay.
var webServers = []string{"caddy", "haproxy"}

// tunnelPrograms are what "chatmaild proxy-config --wireguard" installs, and WireGuard as a
// program: the kernel here has none, and wg-quick(8) then takes that.
var tunnelPrograms = []string{"wireguard-tools", "wireguard-go", "nftables"}

// WebServers returns the cached directory of the packages of caddy and haproxy for a
// Debian's root, with what they depend on (15 MB). Progress goes to w.
func WebServers(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "web servers", webServers)
}

// TunnelPrograms is WebServers for the programs of a tunnel.
func TunnelPrograms(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "WireGuard", tunnelPrograms)
}

// podman is Podman with the runtime that Debian's prefers, and what a user other than root
// needs: more than one user ID, and a systemd and a bus of his own.
var podman = []string{"podman", "crun", "uidmap", "libpam-systemd", "dbus-user-session"}

// Podman is WebServers for Podman.
func Podman(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "Podman", podman)
}

// packages returns the cached directory of packages for a Debian's root, with what they
// depend on.
func packages(ctx context.Context, w io.Writer, suite Suite, what string, names []string) (string, error) {
	root, err := Root(ctx, w, suite)
	if err != nil {
		return "", err
	}
	return cache.Get(ctx, "packages-"+cache.Fingerprint(filepath.Base(root), fmt.Sprint(names)), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "downloading %s of %s, once\n", what, suite)
		sources, err := mirror(root)
		if err != nil {
			return err
		}
		if err := download(ctx, root, dir, sources, append([]string{"install"}, names...)...); err != nil {
			return fmt.Errorf("downloading the %s of %s: %w", what, suite, err)
		}
		return nil
	})
}

// PostgreSQL is WebServers for PostgreSQL: where a relay of several machines has its accounts.
func PostgreSQL(ctx context.Context, w io.Writer, suite Suite) (string, error) {
	return packages(ctx, w, suite, "PostgreSQL", []string{"postgresql"})
}

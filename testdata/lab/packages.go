package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
)

// A PackageSet returns the directory of packages for a Debian's root; debian.OpenDKIM is one.
type PackageSet func(context.Context, io.Writer, debian.Suite) (string, error)

// InstallPackages installs packages of Debian's on a host without a way to a mirror. None of
// their services is started.
func InstallPackages(ctx context.Context, w io.Writer, h *machine.Host, get PackageSet) error {
	dir, err := get(ctx, w, h.Suite)
	if err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	if debs == nil {
		return fmt.Errorf("there are no packages in %s", dir)
	}
	for _, deb := range debs {
		if err := copyTo(ctx, h, deb, "/srv/debs/"+filepath.Base(deb)); err != nil {
			return err
		}
	}
	const lines = `printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
		dpkg --install /srv/debs/*.deb; rm /usr/sbin/policy-rc.d`
	_, err = h.Script(ctx, lines)
	return err
}

func copyTo(ctx context.Context, h *machine.Host, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return h.WriteFile(ctx, to, 0o644, f)
}

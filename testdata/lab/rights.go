package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/program"
)

// A right is a capability.
type right struct {
	name string
	bit  uint
}

// rights are the capabilities that booting a machine takes (capabilities(7)).
var rights = []right{{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN}, {"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}}

// Rights tells whether the lab may do on this machine what it has to, and if not, what
// lacks. It needs no program but unshare(1) and mount(8), and takes no time.
func Rights(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root: it makes network namespaces and boots containers")
	}
	lacking, err := lacks(rights)
	if err != nil {
		return err
	}
	if lacking != nil {
		return fmt.Errorf("the lab boots machines, and may not here: %s missing (in a container: docker run --privileged). The tests that boot none: make check",
			strings.Join(lacking, " and "))
	}
	// A filter of system calls may forbid it all the same.
	if _, err := program.Run(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"); err != nil {
		return fmt.Errorf("the lab boots machines, and may not here: %w. The tests that boot none: make check", err)
	}
	return nil
}

// lacks are the names of those capabilities that we do not have.
func lacks(rights []right) (names []string, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return nil, fmt.Errorf("reading our capabilities: %w", err)
	}
	for _, r := range rights {
		if data[r.bit/32].Effective&(1<<(r.bit%32)) == 0 {
			names = append(names, r.name)
		}
	}
	return names, nil
}

// Announce says what the lab needs, and fails where it cannot have that.
func Announce(ctx context.Context, w io.Writer) error {
	if err := Rights(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "The lab needs root, 5 GB of disk and a network for Debian's and npm's packages, once. This machine may boot others: good.")
	return err
}

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/program"
)

// A tool is a program that the lab needs on the machine.
type tool struct {
	program string
	pkg     string // Debian package that has it
}

var tools = []tool{
	{"mmdebstrap", "mmdebstrap"},
	{"systemd-nspawn", "systemd-container"},
	{"ip", "iproute2"},
	{"nft", "nftables"},
	{"npm", "npm"},
	{"node", "nodejs"},
	{"nsenter", "util-linux"},
	{"zbarimg", "zbar-tools"},
	{"unshare", "util-linux"},
	{"mount", "mount"},
	{"prometheus", "prometheus"},
	{"promtool", "prometheus"},
	{"mke2fs", "e2fsprogs"},
	{"dpkg-scanpackages", "dpkg-dev"},
	{"turnutils_uclient", "coturn"},
	{"linux.uml", "user-mode-linux"},
	{"gcc", "build-essential"},
	{"apt-ftparchive", "apt-utils"},
	{"gpg", "gpg"},
	{"gpg-agent", "gpg-agent"},
}

// relayTools are those that a relay without systemd takes, and its clients.
var relayTools = []tool{
	{"mmdebstrap", "mmdebstrap"}, {"ip", "iproute2"}, {"npm", "npm"}, {"node", "nodejs"},
	{"nsenter", "util-linux"}, {"setpriv", "util-linux"}, {"mount", "mount"},
}

// missing lists the packages of the tools that are not there.
func missing() (packages []string) { return missingOf(tools) }

func missingOf(tools []tool) (packages []string) {
	for _, t := range tools {
		if _, err := exec.LookPath(t.program); err != nil {
			packages = append(packages, t.pkg)
		}
	}
	return packages
}

// check is Check for a way: only a machine is booted.
func check(way Way) error {
	if way == Machine {
		return Check()
	}
	if packages := missingOf(relayTools); packages != nil {
		return fmt.Errorf("packages that are not installed are needed: %s; as root: apt-get install them", strings.Join(packages, " "))
	}
	return nil
}

// PrepareRelay is Prepare for a relay in a container or a directory, and real clients.
func PrepareRelay(ctx context.Context, w io.Writer, suite debian.Suite) error {
	if packages := missingOf(relayTools); packages != nil && os.Geteuid() == 0 && !Inside() {
		fmt.Fprintf(w, "installing with apt-get what the demo needs: %s\n", strings.Join(packages, " "))
		if err := aptInstall(ctx, packages); err != nil {
			return err
		}
	}
	if err := check(Directory); err != nil {
		return err
	}
	if _, err := debian.Root(ctx, w, suite); err != nil {
		return err
	}
	_, err := core.Program(ctx, w, core.Version)
	return err
}

// Check tells whether the lab can work on this machine, and if not, what to do.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root: it makes network namespaces and boots containers")
	}
	if packages := missing(); packages != nil {
		return fmt.Errorf("the lab needs packages that are not installed: %s; run: go run ./testdata/lab/prepare",
			strings.Join(packages, " "))
	}
	return nil
}

// Prepare brings a Debian machine to where New can work: it installs the tools
// that are missing, having said which, and fills the cache with the roots, web servers
// and WireGuard of these Debians, and the Delta Chat core.
func Prepare(ctx context.Context, w io.Writer, suites ...debian.Suite) error {
	if err := Rights(ctx); err != nil {
		return err
	}
	if packages := missing(); packages != nil {
		fmt.Fprintf(w, "installing with apt-get what the lab needs: %s\n", strings.Join(packages, " "))
		if err := aptInstall(ctx, packages); err != nil {
			return err
		}
	}
	if err := Check(); err != nil {
		return err
	}
	// Beside each other: they wait for the network, and unpack.
	errs := make([]error, len(suites)+1)
	var group sync.WaitGroup
	for i, suite := range suites {
		group.Go(func() { errs[i] = prepareSuite(ctx, w, suite) })
	}
	group.Go(func() { errs[len(suites)] = prepareCores(ctx, w) })
	group.Wait()
	return errors.Join(errs...)
}

func prepareSuite(ctx context.Context, w io.Writer, suite debian.Suite) error {
	for _, get := range []func(context.Context, io.Writer, debian.Suite) (string, error){
		debian.Unattended, // and its root
		debian.WebServers, debian.TunnelPrograms, debian.OpenDKIM, debian.DKIMPy, debian.PostgreSQL,
	} {
		if _, err := get(ctx, w, suite); err != nil {
			return err
		}
	}
	return nil
}

func prepareCores(ctx context.Context, w io.Writer) error {
	for _, version := range append([]string{core.Version}, core.Old...) {
		if _, err := core.Program(ctx, w, version); err != nil {
			return err
		}
	}
	return nil
}

func aptInstall(ctx context.Context, packages []string) error {
	if _, err := program.Run(ctx, "apt-get", "update", "--quiet"); err != nil {
		return err
	}
	// Another apt-get, such as that of another test, is waited for.
	args := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "--option=DPkg::Lock::Timeout=300", "install", "--yes", "--quiet", "--no-install-recommends"}, packages...)
	_, err := program.Run(ctx, "env", args...)
	return err
}

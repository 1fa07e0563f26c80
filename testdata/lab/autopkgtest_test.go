package lab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
)

// TestAutopkgtest runs the tests of debian/tests against the installed package,
// also those that autopkgtest(1) runs on a whole machine alone: a host of the lab
// is one.
func TestAutopkgtest(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "autopkgtest")
	diagnose(t, &Relay{Host: host, Domain: "_relay.test", lab: l})
	if err := host.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "debian", "tests")
	control, err := os.ReadFile(filepath.Join(dir, "control"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^Tests: (.*)$`).FindAllStringSubmatch(string(control), -1)
	if names == nil {
		t.Fatal("debian/tests/control names no tests")
	}
	for _, m := range names {
		for _, name := range strings.Fields(m[1]) {
			t.Run(name, func(t *testing.T) {
				script, err := os.Open(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				defer script.Close()
				if err := host.WriteFile(ctx, "/opt/"+name, 0o755, script); err != nil {
					t.Fatal(err)
				}
				if _, err := host.Run(ctx, "/opt/"+name); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

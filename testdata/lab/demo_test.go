package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/machine"
)

// demoTimeout bounds one show, which may first have to fetch what it takes.
const demoTimeout = 10 * time.Minute

// TestDemo has make demo's show with no more rights than in a container of Docker's: below
// supervise in a user namespace, and, as where that is forbidden, in a directory.
func TestDemo(t *testing.T) {
	_, deb := newLab(t)
	demo := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "./demo").CombinedOutput(); err != nil {
		t.Fatalf("building the demo: %v: %s", err, out)
	}
	for _, way := range []Way{Namespaces, Directory} {
		t.Run(string(way), func(t *testing.T) {
			cmd := exec.CommandContext(deadline(t, demoTimeout), "setpriv", "--bounding-set", machine.DockerCapabilities, demo)
			cmd.Dir = filepath.Dir(filepath.Dir(deb))
			cmd.Env = append(os.Environ(), "DEMO_EXIT=1", "DEMO="+string(way))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			for _, want := range []string{"without systemd, in a ", "a file of 5 MB from Bob reaches Alice  ", "DCACCOUNT:"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

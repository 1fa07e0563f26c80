package lab

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
)

// victimEnv makes this test binary a run that is killed.
const victimEnv = "CHATMAILD_LAB_VICTIM"

// TestCleanup kills a run with a booted host in the hardest way. Its processes
// die with it, and the next lab removes all that it has left behind, but
// nothing of a run that lives.
func TestCleanup(t *testing.T) {
	if os.Getenv(victimEnv) != "" {
		victim(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	living, err := New(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := living.Close(); err != nil {
			t.Error(err)
		}
	}()

	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestCleanup$")
	cmd.Env = append(os.Environ(), victimEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id := ""
	for s := bufio.NewScanner(out); id == "" && s.Scan(); {
		id, _ = strings.CutPrefix(s.Text(), "victim ")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if id == "" {
		t.Fatal("the victim did not start")
	}
	dead := &Lab{Network: &network.Network{ID: id}, dir: strings.Replace(living.dir, living.ID, id, 1)}
	if leftovers(dead) == nil {
		t.Fatal("a killed run left nothing behind: this test sees nothing")
	}
	if err := Cleanup(ctx); err != nil {
		t.Fatal(err)
	}
	if err := leftovers(dead); err != nil {
		t.Error(err)
	}
	if leftovers(living) == nil {
		t.Error("the living run was removed as well")
	}
}

// victim boots a host and waits for its end.
func victim(t *testing.T) {
	l, err := New(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.StartHost(t.Context(), "victim"); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("victim " + l.ID + "\n")
	<-t.Context().Done()
}

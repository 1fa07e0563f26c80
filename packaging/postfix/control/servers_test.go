package control

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestEndServers ends the servers of the ports that are named, and no others.
func TestEndServers(t *testing.T) {
	m := newMachine(t)
	processes := map[string]*exec.Cmd{}
	for _, service := range []string{"587", "127.0.0.1:10465", "[::]:465", "smtp", "127.0.0.1:10025", "10465x"} {
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		dir := filepath.Join(m.Root, "proc", strconv.Itoa(cmd.Process.Pid))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(server, filepath.Join(dir, "exe")); err != nil {
			t.Fatal(err)
		}
		line := strings.Join([]string{"smtpd", "-n", service, "-t", "inet", "-u", ""}, "\x00")
		if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
		processes[service] = cmd
	}
	if err := m.EndServers([]int{465, 587, 10465}); err != nil {
		t.Fatal(err)
	}
	ended := []string{"587", "127.0.0.1:10465", "[::]:465"}
	for service, cmd := range processes {
		want := syscall.SIGTERM
		if !slices.Contains(ended, service) {
			// Of several signals a process ends by the first one.
			want = syscall.SIGKILL
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Wait()
		if got := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != want {
			t.Errorf("%s ended by %v, want %v", service, got, want)
		}
	}
}

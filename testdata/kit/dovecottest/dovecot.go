// Package dovecottest runs this machine's own Dovecot for a test, in a directory of its own.
package dovecottest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Dir makes the directory, which goes with the test. Its path is short, since that of a
// socket may have 107 bytes, and every user that Dovecot runs a process as can enter it. The
// test is skipped where there is no Dovecot, or no root to run it.
func Dir(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("dovecot"); err != nil || os.Geteuid() != 0 {
		t.Skip("SKIPPED: it needs root and Debian's dovecot-imapd and dovecot-lmtpd")
	}
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Port returns a TCP port of 127.0.0.1 that is free.
func Port(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Choose returns the configuration for this machine's Dovecot: Debian 12 has 2.3, and 13 has
// 2.4, whose settings have other names.
func Choose(t *testing.T, v23, v24 string) string {
	t.Helper()
	version, err := exec.Command("dovecot", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(version), "2.3.") {
		return v23
	}
	return "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" + v24
}

// Start runs a Dovecot with this configuration until the test ends, and returns its master
// process. The configuration is written to dovecot.conf in dir, and has to log to log there.
func Start(t *testing.T, dir, conf string) (pid int) {
	t.Helper()
	file := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dovecot", "-F", "-c", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("Dovecot's log: %v\n%s", err, log)
		}
	})
	return cmd.Process.Pid
}

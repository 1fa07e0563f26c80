// Package hosttest is a machine for the tests of commands that read or change one.
package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
)

// Machine is a Debian 12 in a temporary directory whose systemd and servers do what a
// test wants.
type Machine struct {
	host.Host
	T       *testing.T
	Active  map[string]time.Time // unit → since
	Reloads map[string]time.Time // unit → the last
	Enabled map[string]bool
	Dovecot string   // what it says of its version
	Refuse  string   // the program that does not take its configuration
	Did     []string // systemctl calls that change something
}

// New returns a machine with the files by which a Debian with the servers is known, and
// with nothing running.
func New(t *testing.T) *Machine {
	t.Helper()
	m := &Machine{T: t, Active: map[string]time.Time{}, Reloads: map[string]time.Time{}, Enabled: map[string]bool{}, Dovecot: "2.3.19.1 (9b53102964)\n"}
	m.Root = t.TempDir()
	m.Command = m.Systemd
	m.Write("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")
	m.Write("/proc/net/tcp", "  sl  local_address\n")
	m.Write("/usr/lib/sysctl.d/50-chatmaild.conf", "")
	for _, program := range []string{
		"/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/lmtp",
		"/usr/lib/dovecot/modules/lib22_push_notification_lua_plugin.so",
		"/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_stream_module.so",
	} {
		m.Write(program, "")
	}
	return m
}

// Write makes a file of the machine, and the directories above it.
func (m *Machine) Write(path, text string) {
	m.T.Helper()
	full := filepath.Join(m.Root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		m.T.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		m.T.Fatal(err)
	}
}

// Systemd answers as systemctl and the servers' own checks would. What is started counts
// from a second ahead: files that the test writes at the same time are older, as they are
// on a machine where a start takes a while.
func (m *Machine) Systemd(_ context.Context, name string, args ...string) (string, error) {
	switch {
	case name == "systemctl" && args[0] == "show":
		var out []string
		for _, unit := range args[slices.Index(args, "--")+1:] {
			active, since, changed := "inactive", "", ""
			if t, ok := m.Active[unit]; ok {
				const form = "Mon 2006-01-02 15:04:05.000000 MST"
				active, since, changed = "active", t.UTC().Format(form), t.UTC().Format(form)
				if r := m.Reloads[unit]; r.After(t) {
					changed = r.UTC().Format(form)
				}
			}
			enabled := "disabled"
			if m.Enabled[unit] {
				enabled = "enabled"
			}
			out = append(out, fmt.Sprintf("Id=%s\nLoadState=loaded\nActiveState=%s\nUnitFileState=%s\nNRestarts=0\nActiveEnterTimestamp=%s\nStateChangeTimestamp=%s\n",
				unit, active, enabled, since, changed))
		}
		return strings.Join(out, "\n"), nil
	case name == "systemctl":
		m.Did = append(m.Did, strings.Join(args, " "))
		units := args[1:]
		// postfix.service of Debian 12 only stands for its instance, which follows it.
		if slices.Contains(units, desired.Postfix) {
			units = append(slices.Clone(units), desired.Bookworm.PostfixInstance())
		}
		for _, unit := range units {
			switch args[0] {
			case "start", "restart":
				m.Active[unit] = time.Now().Add(time.Second)
			case "reload":
				m.Reloads[unit] = time.Now().Add(time.Second)
			case "stop":
				delete(m.Active, unit)
			case "enable":
				m.Enabled[unit] = true
			case "disable":
				delete(m.Enabled, unit)
			}
		}
		return "", nil
	case strings.HasSuffix(name, "/dovecot") && slices.Equal(args, []string{"--version"}):
		return m.Dovecot, nil
	case m.Refuse != "" && strings.HasSuffix(name, m.Refuse):
		return "", errors.New("exit status 1: line 7 is odd")
	default:
		return "", nil
	}
}

// Everything is what the machine holds, path → content.
func (m *Machine) Everything() map[string]string {
	m.T.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(m.Root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		m.T.Fatal(err)
	}
	return files
}

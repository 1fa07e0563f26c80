package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"chatmaild/applets/supervise/process"
)

// children are those of the test program: there can be one reaper.
var children = sync.OnceValues(process.New)

// TestMain is also the daemon of the tests.
func TestMain(m *testing.M) {
	if os.Getenv("SUPERVISE_DAEMON") != "" {
		if err := testDaemon(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testDaemon is ready at once, greets one client at its socket and ends.
func testDaemon() error {
	if os.Getenv("LISTEN_PID") != fmt.Sprint(os.Getpid()) || os.Getenv("LISTEN_FDNAMES") != "greeting" {
		return errors.New("the socket is for another process")
	}
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return err
	}
	n, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	if _, err := n.Write([]byte("STATUS=well\nREADY=1")); err != nil {
		return err
	}
	c, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.WriteString(c, "hello")
	return errors.Join(err, c.Close())
}

// A machine is a supervisor with the units of a test.
type machine struct {
	*Supervisor
	t     *testing.T
	dir   string
	lines chan string // of the log
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	c, err := children()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: t.TempDir(), lines: make(chan string, 1000)}
	m.Supervisor, err = newSupervisor(helpers{c, &output{w: m}}, []string{m.dir}, filepath.Join(m.dir, "run"), filepath.Join(m.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.stopAll(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Write takes a line of the log.
func (m *machine) Write(p []byte) (int, error) {
	m.lines <- string(bytes.TrimRight(p, "\n"))
	return len(p), nil
}

// logged waits for a line with this text.
func (m *machine) logged(text string) {
	m.t.Helper()
	for line := range m.lines {
		if strings.Contains(line, text) {
			return
		}
	}
}

func (m *machine) unit(name string, lines ...string) {
	m.t.Helper()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "DIR", m.dir)
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// script is a program of sh; the line that has a service run it.
func (m *machine) script(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	return "ExecStart=" + path
}

// ctl does what systemctl does with these words.
func (m *machine) ctl(words string) {
	m.t.Helper()
	if _, err := m.systemctl(m.t.Context(), strings.Fields(words)); err != nil {
		m.t.Errorf("%s: %v", words, err)
	}
}

// shows checks a property of a unit.
func (m *machine) shows(name, property, want string) {
	m.t.Helper()
	out, err := m.systemctl(m.t.Context(), []string{"show", "--property=" + property, "--", name})
	if got := strings.TrimSpace(out); err != nil || got != property+"="+want {
		m.t.Errorf("%s: got %q, %v, want %s", name, got, err, want)
	}
}

func TestStartStop(t *testing.T) {
	m := newMachine(t)
	m.unit("a.service", "[Service]", m.script("a", "echo up $VAR; umask; exec sleep 1000"), "Environment=VAR=x", "UMask=0077")
	m.shows("a.service", "ActiveState", "inactive")
	m.ctl("start a.service")
	m.shows("a.service", "ActiveState", "active")
	m.logged("a: up x")
	m.logged("a: 0077")
	m.ctl("start a.service") // again: nothing
	m.ctl("stop a.service")
	m.shows("a.service", "ActiveState", "inactive")
	m.ctl("try-restart a.service")
	m.shows("a.service", "ActiveState", "inactive")
	m.ctl("restart a.service")
	m.shows("a.service", "ActiveState", "active")
	m.shows("a.service", "NRestarts", "0")
	m.shows("b.service", "LoadState", "not-found")
	if _, err := m.systemctl(t.Context(), []string{"start", "b.service"}); !errors.Is(err, errNoUnit) {
		t.Errorf("starting what is not there: got %v", err)
	}
	if _, err := m.systemctl(t.Context(), []string{"isolate", "a.service"}); err == nil {
		t.Error("a verb that is not supported is accepted")
	}
}

func TestRestart(t *testing.T) {
	m := newMachine(t)
	m.unit("a.service", "[Unit]", "StartLimitIntervalSec=0", "[Service]", m.script("a", "exit 3"), "Restart=on-failure", "RestartSec=1ms")
	m.ctl("start a.service")
	for _, delay := range []string{"in=1ms", "in=2ms", "in=4ms"} {
		m.logged(delay)
	}
	m.ctl("stop a.service")
	m.shows("a.service", "ActiveState", "inactive")
}

// TestGivenUp has a socket closed whose daemon will not come.
func TestGivenUp(t *testing.T) {
	for name, lines := range map[string][]string{
		"is not started again":  {"[Service]", "RestartPreventExitStatus=2"},
		"fails again and again": {"[Unit]", "StartLimitIntervalSec=60", "StartLimitBurst=3", "[Service]"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.unit("a.socket", "[Socket]", "ListenStream=DIR/socket")
			m.unit("a.service", append(lines, "Restart=always", "RestartSec=1ms", m.script("a", "exit 2"), "[Unit]", "Requires=a.socket")...)
			m.ctl("start a.service")
			m.logged(name)
			for {
				if out, _ := m.systemctl(t.Context(), []string{"show", "--property=ActiveState", "--", "a.socket"}); out == "ActiveState=inactive\n" {
					break
				}
			}
			m.shows("a.service", "ActiveState", "failed")
			if c, err := net.Dial("unix", filepath.Join(m.dir, "socket")); err == nil {
				c.Close()
				t.Error("the socket is open")
			}
		})
	}
}

// TestActivation has a connection start a daemon, which is told by name of its socket, and
// says when it is ready; and another one after that has ended.
func TestActivation(t *testing.T) {
	m := newMachine(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.unit("a.socket", "[Socket]", "ListenStream=DIR/socket", "FileDescriptorName=greeting", "Symlinks=DIR/link")
	m.unit("a.service", "[Unit]", "Requires=a.socket", "[Service]", "Type=notify", "ExecStart="+program, "Environment=SUPERVISE_DAEMON=1")
	m.ctl("start a.socket")
	m.shows("a.service", "ActiveState", "inactive")
	for range 3 {
		c, err := net.Dial("unix", filepath.Join(m.dir, "link"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		c.Close()
	}
	// The socket goes with what cannot be without it.
	m.ctl("stop a.socket")
	m.shows("a.service", "ActiveState", "inactive")
}

// TestService has a socket of another name start a daemon that can be without it: it is handed
// over while it is open, on a port of all addresses.
func TestService(t *testing.T) {
	m := newMachine(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	m.unit("more.socket", "[Socket]", "Service=a.service", "ListenStream=0", "FileDescriptorName=greeting")
	m.unit("a.service", "[Service]", "Type=notify", "ExecStart="+program, "Environment=SUPERVISE_DAEMON=1")
	m.ctl("start more.socket")
	p, err := m.part("more.socket")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(p.(*socket).file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if addr := l.Addr().(*net.TCPAddr); !addr.IP.IsUnspecified() {
		t.Errorf("it listens at %v alone", addr)
	}
	c, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	m.ctl("stop more.socket")
	m.ctl("stop a.service")
	if _, err := m.systemctl(t.Context(), []string{"start", "a.service"}); err == nil {
		t.Error("the daemon got a socket that is closed")
	}
}

// TestTarget starts what it wants, though one fails, and stops what is part of it.
func TestTarget(t *testing.T) {
	m := newMachine(t)
	m.unit("all.target", "[Unit]", "Wants=none.service bad.service skipped.service a.service")
	m.unit("a.service", "[Unit]", "PartOf=all.target", "[Service]", m.script("a", "exec sleep 1000"))
	m.unit("bad.service", "[Service]", "Type=oneshot", m.script("bad", "exit 1"))
	m.unit("skipped.service", "[Unit]", "ConditionPathExists=DIR/none", "[Service]", "ExecStart=/bin/false")
	m.ctl("start all.target")
	m.shows("a.service", "ActiveState", "active")
	m.shows("bad.service", "ActiveState", "failed")
	m.shows("skipped.service", "ActiveState", "inactive")
	m.ctl("stop all.target")
	m.shows("a.service", "ActiveState", "inactive")
}

// TestDropins holds that a drop-in counts once it is told of, and not before.
func TestDropins(t *testing.T) {
	m := newMachine(t)
	m.unit("a.service", "[Service]", m.script("a", "echo VAR is $VAR.; exec sleep 1000"))
	m.ctl("start a.service")
	m.logged("VAR is .")
	if err := os.Mkdir(filepath.Join(m.dir, "a.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.unit("a.service.d/x.conf", "[Service]", "Environment=VAR=1", "[Install]", "Alias=b.service")
	m.ctl("restart a.service")
	m.logged("VAR is .")
	m.ctl("daemon-reload")
	m.ctl("restart a.service")
	m.logged("VAR is 1.")
	m.unit("a.service.d/x.conf", "[Service]", "Slice=x")
	if _, err := m.systemctl(t.Context(), []string{"daemon-reload"}); err == nil {
		t.Error("a drop-in that is not understood is accepted")
	}
}

// TestDisabled outlives the supervisor.
func TestDisabled(t *testing.T) {
	m := newMachine(t)
	m.unit("a.service", "[Service]", "ExecStart=/bin/true")
	m.shows("a.service", "UnitFileState", "enabled")
	m.ctl("disable a.service")
	again, err := readNames(m.disabled.path)
	if err != nil || !again.has("a.service") {
		t.Errorf("it is forgotten: %v", err)
	}
	m.shows("a.service", "UnitFileState", "disabled")
	m.ctl("enable a.service")
	m.shows("a.service", "UnitFileState", "enabled")
}

// TestKilled says so of a program that does not want to end.
func TestKilled(t *testing.T) {
	m := newMachine(t)
	m.unit("a.service", "[Service]", m.script("a", "trap '' TERM; echo deaf; while :; do sleep 1; done"), "TimeoutStopSec=100ms")
	m.ctl("start a.service")
	m.logged("deaf")
	if _, err := m.systemctl(t.Context(), []string{"stop", "a.service"}); !errors.Is(err, errKilled) {
		t.Errorf("got %v, want %v", err, errKilled)
	}
	m.shows("a.service", "ActiveState", "inactive")
}

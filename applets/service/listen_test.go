package service

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// activated marks the process that TestActivation starts.
const activated = "CHATMAILD_TEST_ACTIVATED"

func TestMain(m *testing.M) {
	if address := os.Getenv(activated); address != "" {
		serveActivated(address)
	}
	os.Exit(m.Run())
}

// serveActivated is a daemon that answers every connection with its address.
func serveActivated(address string) {
	// systemd sets LISTEN_PID to the daemon's own, which exec.Cmd cannot know.
	os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	serve := func(_ context.Context, l net.Listener) error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintf(c, "%s\n", l.Addr())
		return c.Close()
	}
	s := Service{
		Name: "echo", Address: Unix(address), Serve: serve, Log: slog.New(slog.DiscardHandler),
		More: []Endpoint{{Name: "more", Address: Unix(address + ".more"), Serve: serve}, {Name: "handed", Handed: true, Serve: serve}},
	}
	fmt.Fprintln(os.Stderr, s.Run(context.Background()))
	os.Exit(0)
}

// TestActivation hands two listeners to a process as systemd does. Each of its
// endpoints must use the one of its name and leave the configured address alone.
func TestActivation(t *testing.T) {
	for _, test := range []struct {
		names    string
		endpoint string // whose second listener it is, by the end of the own path
		own      bool   // the process must make its own listener
	}{
		{"other:echo", "", false},
		{"other:another", "", true},
		{"echo:more", ".more", false},
		{"echo:another", ".more", true},
		{"echo:handed", ".handed", false},
	} {
		t.Run(test.names, func(t *testing.T) {
			dir := t.TempDir()
			var files []*os.File
			var listeners []*net.UnixListener
			for _, name := range []string{"first", "second"} {
				l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				file, err := l.File()
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				listeners, files = append(listeners, l), append(files, file)
			}
			base := filepath.Join(dir, "own")
			own := base + test.endpoint
			notify := notifications(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), activated+"="+base, "LISTEN_FDS=2", "LISTEN_FDNAMES="+test.names)
			cmd.ExtraFiles = files
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				cmd.Process.Kill()
				cmd.Wait()
			})
			expect(t, notify, "READY=1")
			want := listeners[1].Addr().String()
			if test.own {
				want = own
			} else if _, err := os.Stat(own); err == nil {
				t.Error("it made a socket of its own too")
			}
			got, err := bufio.NewReader(dial(t, "unix", want)).ReadString('\n')
			if strings.TrimSpace(got) != want {
				t.Errorf("got %q (%v), want %q", got, err, want)
			}
		})
	}
}

// TestHeld wants an error that says which port or socket another program holds.
func TestHeld(t *testing.T) {
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	path := filepath.Join(t.TempDir(), "s")
	socket, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, test := range []struct {
		address Address
		want    string
	}{
		{Loopback(port.Addr().(*net.TCPAddr).Port), "cannot listen on " + port.Addr().String() + ": another program holds the port"},
		{Unix(path), "cannot listen on " + path + ": another program holds the socket"},
		{Unix("/proc/none/s"), "creating the socket's directory: "},
		{Unix(filepath.Join(t.TempDir(), strings.Repeat("x", 120))), "cannot listen: "},
	} {
		l, err := listen(test.address)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the holder has lost its socket: %v", err)
	} else {
		c.Close()
	}
}

// TestStale replaces a socket that a killed process has left behind.
func TestStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()

	l, err := listen(Address{Network: "unix", Addr: path, Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial(t, "unix", path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode: got %o, want 600", got)
	}
}

// TestNoSocket leaves a file alone that is not a socket.
func TestNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := listen(Unix(path))
	if err == nil {
		l.Close()
	}
	if want := "cannot listen on " + path + ": it is not a socket"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, err := os.ReadFile(path); string(got) != "mine" {
		t.Errorf("the file holds %q (%v)", got, err)
	}
}

// TestEarly listens at addresses that the machine does not have (RFC 5737, RFC 3849), which
// fails otherwise.
func TestEarly(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:0", "[2001:db8::1]:0"} {
		if l, err := listen(Address{Network: "tcp", Addr: addr}); err == nil {
			l.Close()
			t.Errorf("%s: the machine has it", addr)
		}
		l, err := listen(Address{Network: "tcp", Addr: addr, Early: true})
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}

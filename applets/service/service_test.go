package service

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serveEcho accepts until ctx is done, then finishes what it has accepted: a
// connection at a time, which sends back its lines.
func serveEcho(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		_, err = io.Copy(c, c)
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
}

// notifications gives systemd's side of sd_notify(3): what the service says.
func notifications(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func expect(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 256)
	n, err := conn.Read(buf)
	if got := string(buf[:n]); got != want {
		t.Fatalf("got the notification %q (%v), want %q", got, err, want)
	}
}

// TestRun follows a daemon through its life: it says READY once it listens, and
// after the request to stop it says so, accepts no more and finishes what it has
// accepted.
func TestRun(t *testing.T) {
	systemd := notifications(t)
	path := filepath.Join(t.TempDir(), "run", "echo.socket")
	s := Service{Name: "echo", Address: Unix(path), Serve: serveEcho, Log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()

	expect(t, systemd, "READY=1")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o660); got != want {
		t.Errorf("the socket's mode: got %o, want %o", got, want)
	}
	c := dial(t, "unix", path)
	say(t, c, "before\n")
	stop()
	expect(t, systemd, "STOPPING=1")
	say(t, c, "after\n")
	for { // until the listener is closed
		late, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		late.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("Run ended with %v while a connection was served", err)
	default:
	}
	c.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); got != line {
		t.Fatalf("got %q (%v), want %q", got, err, line)
	}
}

// TestEnds wants the right error for every way in which a daemon can end.
func TestEnds(t *testing.T) {
	fault := errors.New("fault")
	untilDone := func(ctx context.Context, _ net.Listener) error { <-ctx.Done(); return ctx.Err() }
	for _, test := range []struct {
		name       string
		serve      func(context.Context, net.Listener) error
		background func(context.Context) error
		stop       bool
		want       string // part of the error; "" for none
	}{
		{name: "asked to stop", serve: untilDone, stop: true},
		{name: "asked to stop, with a task", serve: untilDone, stop: true,
			background: func(ctx context.Context) error { <-ctx.Done(); return nil }},
		{name: "serving fails", want: "fault",
			serve: func(context.Context, net.Listener) error { return fault }},
		{name: "serving ends by itself", want: "without having been asked",
			serve: func(context.Context, net.Listener) error { return nil }},
		{name: "the task fails", serve: untilDone, want: "fault",
			background: func(context.Context) error { return fault }},
		{name: "the task ends by itself", serve: untilDone, want: "without having been asked",
			background: func(context.Context) error { return nil }},
		{name: "draining takes too long", stop: true, want: "not everything was finished 2s after",
			serve: func(context.Context, net.Listener) error { time.Sleep(time.Hour); return nil }},
		{name: "finishing fails", stop: true, want: "fault",
			serve: func(ctx context.Context, _ net.Listener) error { <-ctx.Done(); return fault }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			synctest.Test(t, func(t *testing.T) {
				s := Service{
					Name: "test", Address: Unix(path), Drain: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
					Serve: func(ctx context.Context, l net.Listener) error {
						defer l.Close()
						return test.serve(ctx, l)
					},
					Background: test.background,
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				if test.stop {
					time.AfterFunc(time.Minute, stop)
				}
				err := s.Run(ctx)
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				time.Sleep(time.Hour) // of the bubble's time: a late one ends too
			})
		})
	}
}

// TestNoListener follows a daemon that listens nowhere.
func TestNoListener(t *testing.T) {
	systemd := notifications(t)
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	s := Service{Name: "mute", Log: slog.New(slog.DiscardHandler), Background: func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}}
	go func() { ended <- s.Run(ctx) }()
	expect(t, systemd, "READY=1")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestLogger(t *testing.T) {
	for _, test := range []struct {
		journald bool
		level    slog.Level
		want     string
	}{
		{true, slog.LevelInfo, "<6>msg=told n=1 g.k=v\n<4>msg=warned n=1 g.k=v\n<3>msg=failed n=1 g.k=v\n"},
		{true, slog.LevelDebug, "<7>msg=whispered n=1 g.k=v\n<6>msg=told n=1 g.k=v\n<4>msg=warned n=1 g.k=v\n<3>msg=failed n=1 g.k=v\n"},
		{true, slog.LevelError, "<3>msg=failed n=1 g.k=v\n"},
	} {
		var out bytes.Buffer
		log := NewLogger(&out, test.level, test.journald).With("n", 1).WithGroup("g").With("k", "v")
		log.Debug("whispered")
		log.Info("told")
		log.Warn("warned")
		log.Error("failed")
		if got := out.String(); got != test.want {
			t.Errorf("at %v: got\n%swant\n%s", test.level, got, test.want)
		}
	}
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, false).Info("told")
	if got := out.String(); !strings.HasPrefix(got, "time=") || !strings.HasSuffix(got, "level=INFO msg=told\n") {
		t.Errorf("without journald: got %q, want time, level and message", got)
	}
}

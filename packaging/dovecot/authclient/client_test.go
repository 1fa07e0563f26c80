package authclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/packaging/dovecot/authserver"
)

const alice = "a@chat.example"

// accounts is authserver's Handler: an account with the password "right".
type accounts struct {
	authserver.Handler
	slow chan struct{} // a login with the password "slow" waits for it
}

func (a accounts) Remembered(authproto.Credentials) (string, bool) { return "", false }

func (a accounts) Login(_ context.Context, c authproto.Credentials, client netip.Addr) (string, bool, error) {
	switch c.Password {
	case "fault":
		return "", false, errors.New("a fault that nobody is shown")
	case "later":
		return "", false, authproto.TryLater("Too many. Please try again later.")
	case "where":
		return client.String(), true, nil
	case "slow":
		<-a.slow
	}
	return alice, strings.EqualFold(c.User, alice) && c.Password != "wrong", nil
}

// serve runs our server at a socket, and returns a client of it.
func serve(t *testing.T, a accounts) (client *Client, log *strings.Builder) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	server := &authserver.Server{Handler: a, Log: slog.New(slog.DiscardHandler), PID: 17}
	l := listen(t, socket)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.ServeSASL(ctx, l) }()
	client, log = newClient(socket)
	t.Cleanup(func() {
		client.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return client, log
}

func listen(t *testing.T, socket string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func newClient(socket string) (*Client, *strings.Builder) {
	log := new(strings.Builder)
	return &Client{Socket: socket, Service: "smtp", PID: 3001, Log: slog.New(slog.NewTextHandler(log, nil))}, log
}

func TestLogin(t *testing.T) {
	client, _ := serve(t, accounts{})
	for _, test := range []struct {
		user, password string
		want           string
		err            error
	}{
		{alice, "right", alice, nil},
		{"A@chat.example", "right", alice, nil},
		{alice, "where", "192.0.2.1", nil},
		{alice, "fault", "", authproto.TryLater("")},
		{alice, "later", "", authproto.TryLater("Too many. Please try again later.")},
		{alice, "wrong", "", nil},
	} {
		user, ok, err := client.Login(t.Context(), authproto.Credentials{User: test.user, Password: test.password}, netip.MustParseAddr("192.0.2.1"))
		if user != test.want || ok != (test.want != "") || !errors.Is(err, test.err) {
			t.Errorf("%s: got %q, %t, %v; want %q, %v", test.password, user, ok, err, test.want, test.err)
		}
	}
}

// TestMany has logins overtake one that waits, on one connection.
func TestMany(t *testing.T) {
	a := accounts{slow: make(chan struct{})}
	client, _ := serve(t, a)
	first := make(chan string)
	go func() {
		user, _, err := client.Login(t.Context(), authproto.Credentials{User: alice, Password: "slow"}, netip.Addr{})
		first <- fmt.Sprint(user, err)
	}()
	var others sync.WaitGroup
	for i := range 50 {
		others.Go(func() {
			address := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			user, ok, err := client.Login(t.Context(), authproto.Credentials{User: alice, Password: "where"}, address)
			if user != address.String() || !ok || err != nil {
				t.Errorf("got %q, %t, %v, want the login of %v", user, ok, err, address)
			}
		})
	}
	others.Wait()
	close(a.slow)
	if got, want := <-first, alice+"<nil>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGivenUp: a login that is not waited for any more leaves nothing behind.
func TestGivenUp(t *testing.T) {
	a := accounts{slow: make(chan struct{})}
	client, log := serve(t, a)
	defer close(a.slow)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := client.Login(ctx, authproto.Credentials{User: alice, Password: "slow"}, netip.Addr{})
		done <- err
	}()
	for client.current() == nil || client.current().pending() == 0 {
		if _, ok, err := client.Login(t.Context(), authproto.Credentials{User: alice, Password: "right"}, netip.Addr{}); !ok {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if n := client.current().pending(); n != 0 {
		t.Errorf("%d logins are still waited for", n)
	}
	if log.Len() > 0 {
		t.Errorf("the log has %q", log)
	}
}

func (c *connection) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// greeting is how a server begins.
var greeting = string(authproto.AppendClientHandshake(nil, 17, 1, strings.Repeat("0", authproto.CookieLen)))

// TestRestart has a server end, before and after a question, and come back: the login that
// waited is answered by the next one.
func TestRestart(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l := listen(t, socket)
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewScanner(c)
			if n > 0 {
				fmt.Fprint(c, greeting)
			}
			for in.Scan() && n > 0 {
				if question := in.Text(); !strings.HasPrefix(question, "AUTH\t") {
					continue
				}
				if n > 1 {
					fmt.Fprint(c, "NEWS\tof a later version\n", "OK\t1\tuser=a@chat.example\n")
				}
				break
			}
			c.Close()
		}
	}()
	client, log := newClient(socket)
	user, ok, err := client.Login(t.Context(), authproto.Credentials{User: alice, Password: "right"}, netip.Addr{})
	if user != alice || !ok || err != nil {
		t.Errorf("got %q, %t, %v", user, ok, err)
	}
	if log.Len() > 0 {
		t.Errorf("the log has %q", log)
	}
}

// TestAway: a server that cannot be reached is an error, in time, and the log says so once.
func TestAway(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	client, log := newClient(socket)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*firstPause)
		if _, ok, err := client.Login(ctx, authproto.Credentials{User: alice, Password: "right"}, netip.Addr{}); ok || !errors.Is(err, errUnavailable) {
			t.Errorf("got %t, %v", ok, err)
		}
		cancel()
	}
	l := listen(t, socket)
	go func() {
		c, err := l.Accept()
		if err == nil {
			fmt.Fprint(c, greeting, "OK\t1\tuser=a@chat.example\n")
			_, _ = bufio.NewReader(c).ReadString('\x00')
		}
	}()
	// The answer may come before the question, and is ignored then.
	ctx, cancel := context.WithTimeout(t.Context(), 3*firstPause)
	defer cancel()
	_, _, _ = client.Login(ctx, authproto.Credentials{User: alice, Password: "right"}, netip.Addr{})
	client.Close()
	if got := strings.Count(log.String(), "does not answer;"); got != 1 {
		t.Errorf("it is logged %d times:\n%s", got, log)
	}
	for _, secret := range []string{"right", alice, "AGE"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}

// TestBroken: who does not speak the protocol is no authentication server.
func TestBroken(t *testing.T) {
	for _, said := range []string{
		"220 mail ESMTP\r\n", "VERSION\t2\t0\nDONE\n", "MECH\tPLAIN\nVERSION\t1\t2\nDONE\n", "VERSION\t1\t2\nVERSION\t1\t2\nDONE\n", "DONE\n",
		"VERSION\t1\t2\n" + strings.Repeat("MECH\tPLAIN\n", maxGreeting), "VERSION\t1\t2\n" + strings.Repeat("x", 2*authproto.MaxLine),
		greeting + "OK\n", greeting + "FAIL\tx\n", greeting + "OK\t1\n",
	} {
		t.Run(fmt.Sprintf("%.30q", said), func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "s")
			l := listen(t, socket)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					fmt.Fprint(c, said)
					_, _ = bufio.NewReader(c).ReadString('\x00') // until the client hangs up
					c.Close()
				}
			}()
			client, _ := newClient(socket)
			ctx, cancel := context.WithTimeout(t.Context(), 5*firstPause)
			defer cancel()
			if user, ok, err := client.Login(ctx, authproto.Credentials{User: alice, Password: "right"}, netip.Addr{}); ok || err == nil {
				t.Errorf("got %q, %t, %v", user, ok, err)
			}
		})
	}
}

// FuzzServer: whatever a server says, a login is granted to nobody but by OK.
func FuzzServer(f *testing.F) {
	f.Add(greeting, "OK\t1\tuser=a@chat.example\n")
	f.Add(greeting, "FAIL\t1\tuser=a\treason=[UNAVAILABLE] Wait.\n")
	f.Add(greeting, "CONT\t1\t\nOK\t2\tuser=b\n")
	f.Add("VERSION\t1\t2\nDONE\n", "OK\t1\tuser=\x01t\n")
	f.Add("VERSION\t2\t2\nDONE\n", "")
	f.Fuzz(func(t *testing.T, hello, answers string) {
		server := &script{in: strings.NewReader(hello), asked: make(chan struct{})}
		c, err := greet(t.Context(), server, 3001)
		if err != nil {
			return
		}
		server.answers = strings.NewReader(answers)
		go c.run()
		a, err := c.ask(t.Context(), "smtp", authproto.Credentials{User: alice, Password: "right"}, netip.Addr{})
		if err == nil && a.User != "" && (a.Later != nil || !strings.Contains(hello+answers, "OK\t")) {
			t.Fatalf("got %+v of %q", a, answers)
		}
	})
}

// script is a connection to a server that has said all that it will ever say: at first, and
// once it is asked.
type script struct {
	net.Conn
	in      io.Reader
	answers io.Reader // nil: it ends before
	asked   chan struct{}
	once    sync.Once
}

func (s *script) Read(b []byte) (int, error) {
	n, err := s.in.Read(b)
	if err != io.EOF || s.answers == nil {
		return n, err
	}
	<-s.asked
	return s.answers.Read(b)
}

func (s *script) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "AUTH\t") {
		s.once.Do(func() { close(s.asked) })
	}
	return len(b), nil
}

func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) Close() error                     { s.once.Do(func() { close(s.asked) }); return nil }

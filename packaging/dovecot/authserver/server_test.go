package authserver

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/packaging/dovecot/authproto"
)

// accounts is a Handler of one account, a@chat.example, with the password "right".
type accounts struct {
	slow  chan struct{} // a login with the password "slow" waits for it
	names []string
	home  netip.AddrPort  // of all mailboxes; zero: they are here
	via   chan netip.Addr // who has connected for a client; nil: nobody wants to know
}

const alice = "a@chat.example"

// Remembered knows the password "known", for which Login fails.
func (a *accounts) Remembered(c authproto.Credentials) (string, bool) {
	if c.Password == "panic" {
		panic("a fault that nobody is shown")
	}
	return alice, c.Password == "known"
}

func (a *accounts) Login(ctx context.Context, c authproto.Credentials, client netip.Addr) (string, bool, error) {
	switch c.Password {
	case "fault", "known":
		return "", false, errors.New("a fault that nobody is shown")
	case "later":
		return "", false, fmt.Errorf("a login: %w", authproto.TryLater("Too many. Please try again later."))
	case "panic":
		panic("a fault that nobody is shown")
	case "never":
		<-ctx.Done()
		return "", false, ctx.Err()
	case "slow":
		<-a.slow
	case "here":
		return client.String(), true, nil
	}
	return alice, strings.EqualFold(c.User, alice) && c.Password != "wrong", nil
}

// Home has the mailbox elsewhere for who comes by 192.0.2.7.
func (a *accounts) Home(_ context.Context, _ string, via netip.Addr) (netip.AddrPort, error) {
	if a.via != nil {
		a.via <- via
	}
	switch via {
	case netip.MustParseAddr("192.0.2.7"):
		return netip.AddrPortFrom(via, 143), nil
	case netip.MustParseAddr("192.0.2.8"):
		return netip.AddrPort{}, errors.New("a fault that nobody is shown")
	}
	return a.home, nil
}

func (a *accounts) User(_ context.Context, name string) (string, bool, error) {
	if name == "fault" {
		return "", false, errors.New("a fault that nobody is shown")
	}
	return alice, strings.EqualFold(name, alice), nil
}

func (a *accounts) Users(_ context.Context, yield func(string) error) error {
	for _, name := range a.names {
		if name == "fault" {
			return errors.New("a fault that nobody is shown")
		}
		if err := yield(name); err != nil {
			return err
		}
	}
	return nil
}

// relay is a Server under test, in a synctest bubble: its time is not the world's.
type relay struct {
	*Server
	accounts *accounts
	log      *strings.Builder
	ctx      context.Context
	stop     context.CancelFunc
	served   sync.WaitGroup
}

func bubble(t *testing.T, test func(*testing.T, *relay)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &relay{accounts: &accounts{slow: make(chan struct{})}, log: &strings.Builder{}}
		r.ctx, r.stop = context.WithCancel(t.Context())
		r.Server = &Server{Handler: r.accounts, Log: slog.New(slog.NewTextHandler(r.log, nil)), PID: 17}
		test(t, r)
		r.stop()
		r.served.Wait()
		for _, secret := range []string{"right", "wrong", "nobody is shown", "chat.example", "AGE"} {
			if strings.Contains(r.log.String(), secret) {
				t.Errorf("the log has %q:\n%s", secret, r.log)
			}
		}
	})
}

// peer is the other end of a connection.
type peer struct {
	t     *testing.T
	net   net.Conn
	lines chan string // what the server sends; closed at the end
}

// connect has the Server serve a new connection as one of its sockets does.
func (r *relay) connect(t *testing.T, serve func(context.Context, net.Listener) error) *peer {
	t.Helper()
	ours, theirs := net.Pipe()
	r.served.Go(func() {
		l := &once{conn: theirs}
		l.closed, l.close = context.WithCancel(context.WithoutCancel(r.ctx))
		if err := serve(r.ctx, l); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	p := &peer{t: t, net: ours, lines: make(chan string, 10_000)}
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(ours); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	t.Cleanup(func() { ours.Close() })
	return p
}

// login is a connection of an imap-login process, after the handshake.
func (r *relay) login(t *testing.T, pid int) (p *peer, cookie string) {
	t.Helper()
	p = r.connect(t, r.ServeLogin)
	cookie = p.handshake(pid)
	return p, cookie
}

func (p *peer) handshake(pid int) (cookie string) {
	p.t.Helper()
	p.send("VERSION\t1\t2", fmt.Sprint("CPID\t", pid))
	p.want("VERSION\t1\t2", "MECH\tPLAIN\tplaintext", "SPID\t17")
	if line := <-p.lines; !strings.HasPrefix(line, "CUID\t") {
		p.t.Fatalf("got %q", line)
	}
	cookie, ok := strings.CutPrefix(<-p.lines, "COOKIE\t")
	if !ok || len(cookie) != authproto.CookieLen {
		p.t.Fatalf("got the cookie %q", cookie)
	}
	p.want("DONE")
	return cookie
}

func (r *relay) master(t *testing.T, serve func(context.Context, net.Listener) error) *peer {
	t.Helper()
	p := r.connect(t, serve)
	p.send("VERSION\t1\t2")
	p.want("VERSION\t1\t2", "SPID\t17")
	return p
}

func (p *peer) send(lines ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.net, strings.Join(lines, "\n")+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) want(lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		if got, ok := <-p.lines; got != want || !ok {
			p.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// quiet wants no line now: all that is in progress waits.
func (p *peer) quiet() {
	p.t.Helper()
	synctest.Wait()
	select {
	case line, ok := <-p.lines:
		p.t.Fatalf("got %q (open: %t), want nothing", line, ok)
	default:
	}
}

func (p *peer) ended() {
	p.t.Helper()
	if line, ok := <-p.lines; ok {
		p.t.Fatalf("got %q, want the end", line)
	}
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// auth is the AUTH of one of imap-login's users.
func auth(id int, password string) string {
	return fmt.Sprintf("AUTH\t%d\tPLAIN\tservice=imap\trip=192.0.2.1\tresp=%s", id, plain(alice, password))
}

// once is a listener of one connection.
type once struct {
	conn   net.Conn
	closed context.Context
	close  context.CancelFunc
}

func (l *once) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed.Done()
	return nil, net.ErrClosed
}

func (l *once) Close() error   { l.close(); return nil }
func (l *once) Addr() net.Addr { return &net.UnixAddr{} }

// sorted are the next n lines, in order: those of different logins have none.
func (p *peer) sorted(n int) []string {
	var all []string
	for range n {
		all = append(all, <-p.lines)
	}
	slices.Sort(all)
	return all
}

// took is how long f takes, in the bubble's time.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

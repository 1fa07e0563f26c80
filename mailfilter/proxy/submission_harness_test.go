package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/packaging/dovecot/authproto"
	"chatmaild/testdata/kit/pki"
)

// accounts is an Authenticator: everybody's password is "right".
type accounts struct {
	mu      sync.Mutex
	clients []netip.Addr
}

func (a *accounts) Login(_ context.Context, c authproto.Credentials, client netip.Addr) (string, bool, error) {
	a.mu.Lock()
	a.clients = append(a.clients, client)
	a.mu.Unlock()
	switch c.Password {
	case "away":
		return "", false, errors.New("a fault that nobody is shown")
	case "later":
		return "", false, authproto.TryLater("Too many. Please try again later.")
	}
	return strings.ToLower(c.User), c.Password == "right", nil
}

// doorkeeper counts what it notices.
type doorkeeper struct {
	mu   sync.Mutex
	seen map[Occasion]int
}

func (d *doorkeeper) Noticed(_ string, o Occasion) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[o]++
}

func (d *doorkeeper) count(o Occasion) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen[o]
}

// front is a running Submission, with an entrance of each kind.
type front struct {
	*Submission
	t          testing.TB
	filter     *filter
	addrs      map[string]string
	accounts   *accounts
	doorkeeper *doorkeeper
	config     *tls.Config // of clients
	stop       context.CancelFunc
	ended      sync.WaitGroup
}

var entrances = []Entrance{
	{Name: "submission"},
	{Name: "submissions", TLS: Implicit},
	{Name: "submissions-443", TLS: Implicit, Proxied: true},
	{Name: "submission-proxy", Proxied: true},
	{Name: "submission-websocket", TLS: Outside, Proxied: true},
}

var testCertificate = sync.OnceValues(func() (tls.Certificate, error) {
	cert, key, err := pki.NewPEM("our.test")
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
})

// submit runs a filter for users' clients in front of the queue at addr.
func submit(t testing.TB, queue string, change func(*Options, *SubmissionOptions)) *front {
	t.Helper()
	cert, err := testCertificate()
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, addrs: map[string]string{}, accounts: &accounts{}, doorkeeper: &doorkeeper{seen: map[Occasion]int{}}}
	opts := SubmissionOptions{
		Hostname: "mx.our.test", Auth: f.accounts, Certificate: func() (*tls.Certificate, error) { return &cert, nil },
		MaxClients: 100, MaxOfOne: 100, SpoolDir: t.TempDir(), IdleTimeout: 20 * time.Second, Doorkeeper: f.doorkeeper,
	}
	f.filter = start(t, queue, func(o *Options) {
		if change != nil {
			change(o, &opts)
		}
	})
	f.Submission = f.filter.server.NewSubmission(opts)
	f.config = &tls.Config{InsecureSkipVerify: true}
	var ctx context.Context
	ctx, f.stop = context.WithCancel(t.Context())
	for _, e := range entrances {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f.addrs[e.Name] = l.Addr().String()
		f.ended.Go(func() {
			if err := f.Serve(ctx, l, e); err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		f.stop()
		f.ended.Wait()
	})
	return f
}

// connect connects to an entrance, and says nothing.
func (f *front) connect(entrance string) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addrs[entrance])
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// client speaks on a connection.
func (f *front) client(conn net.Conn) *client { return &client{f.t, conn, bufio.NewReader(conn)} }

// enter gets as far as EHLO under TLS.
func (f *front) enter() *client {
	f.t.Helper()
	c := f.client(tls.Client(f.connect("submissions"), f.config))
	c.want("220 mx.our.test ESMTP Postfix")
	c.do("EHLO phone", "250 ENHANCEDSTATUSCODES")
	return c
}

// login gets as far as a login.
func (f *front) login() *client {
	f.t.Helper()
	c := f.enter()
	c.do("AUTH PLAIN "+plain64("free@our.test", "right"), "235 2.7.0")
	return c
}

func plain64(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

func text64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

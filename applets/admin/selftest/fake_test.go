package selftest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/testdata/kit/pki"
)

// fake is a relay in this process, which keeps all its promises but one: its
// fault.
type fake struct {
	domain string
	fault  string
	peer   *fake  // the other relay; may be nil
	turn   string // as METADATA announces it
	iroh   string // the socket of the iroh relay

	authority *authority
	listeners map[int]net.Listener

	mu      sync.Mutex
	users   map[string]*mailbox
	flood   map[string]int // messages since the limit was last met
	changed chan struct{}  // closed when any mailbox gets a message
}

type mailbox struct {
	password string
	messages []string
	token    string
}

// The limits of a fake.
const (
	sizeLimit  = 100_000
	burstLimit = 20
)

func newFake(t *testing.T, domain, fault string, a *authority) *fake {
	t.Helper()
	f := &fake{
		domain: domain, fault: fault, authority: a, listeners: make(map[int]net.Listener),
		users: make(map[string]*mailbox), flood: make(map[string]int), changed: make(chan struct{}),
	}
	for _, port := range []int{25, 80, 143, 443, 465, 587, 993} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		f.listeners[port] = l
		if f.is("closed", port) {
			l.Close()
			continue
		}
		go f.accept(l, port)
	}
	f.iroh = newIrohRelay(t)
	f.turn = newTurnServer(t, f.is("announces a dead TURN server"))
	return f
}

// is reports whether the fault is this one, at this port if it has one.
func (f *fake) is(fault string, port ...int) bool {
	for _, p := range port {
		fault += fmt.Sprintf(" %d", p)
	}
	return f.fault == fault
}

func (f *fake) accept(l net.Listener, port int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			f.serve(conn, port)
		}()
	}
}

func (f *fake) serve(conn net.Conn, port int) {
	switch port {
	case 25, 587:
		f.smtp(conn, port, false)
		return
	case 143:
		f.imap(conn, port, false)
		return
	case 80:
		f.web(conn, false)
		return
	}
	secure := tls.Server(conn, f.config(port))
	if secure.Handshake() != nil {
		return
	}
	switch protocol := secure.ConnectionState().NegotiatedProtocol; {
	case port == 993, protocol == "imap":
		f.imap(secure, port, true)
	case port == 465, protocol == "smtp":
		f.smtp(secure, port, true)
	default:
		f.web(secure, true)
	}
}

func (f *fake) config(port int) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{f.certificate(port)}, NextProtos: []string{"imap", "smtp", "http/1.1"}}
	if f.is("old TLS", port) {
		c.MinVersion = tls.VersionTLS10
	}
	return c
}

func (f *fake) certificate(port int) tls.Certificate {
	a := f.authority
	switch {
	case f.is("certificate expired", port):
		return a.expired
	case f.is("certificate of another name", port):
		return a.elsewhere
	case f.is("certificate of nobody", port):
		return a.unknown
	case f.is("certificate old", port):
		return a.old
	}
	return a.good
}

// dial takes the ports of the relays' names to where the fakes listen, over whatever
// version of IP.
func dial(fakes ...*fake) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		for _, f := range fakes {
			if host != f.domain && !strings.HasSuffix(host, "."+f.domain) {
				continue
			}
			for number, l := range f.listeners {
				if fmt.Sprint(number) != port {
					continue
				}
				if network == "tcp6" && f.is("closed over IPv6", number) {
					return nil, errors.New("connection refused")
				}
				var d net.Dialer
				return d.DialContext(ctx, "tcp", l.Addr().String())
			}
		}
		return nil, errors.New("no route to " + address)
	}
}

// login knows an account, or makes it.
func (f *fake) login(addr, password string, port int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.users[addr]
	if u == nil {
		_, domain, _ := strings.Cut(addr, "@")
		if domain != f.domain && !f.is("takes any domain") || f.is("closed registration") || f.is("asks for invites") {
			return false
		}
		f.users[addr] = &mailbox{password: password}
		return true
	}
	return (u.password == password || f.is("takes any password")) && !f.is("forgets", port)
}

var author = regexp.MustCompile(`(?mi)^From: .*<([^>]*)>`)

// encrypted is as much of the policy as the checks can tell apart.
func encrypted(message string) bool {
	return strings.Contains(message, "multipart/encrypted") || strings.Contains(message, "Secure-Join: vc-request")
}

// submit is what becomes of a user's message.
func (f *fake) submit(sender, to, message string) string {
	switch from := author.FindStringSubmatch(message); {
	case f.is("refuses requests") && strings.Contains(message, "\r\nSecure-Join: vc-request"),
		!encrypted(message) && !f.is("takes cleartext"):
		return "523 Encryption Needed: Invalid Unencrypted Mail"
	case (from == nil || from[1] != sender) && !f.is("takes forged From"):
		return "500 Invalid FROM <x> for <y>"
	}
	message = f.clean(message)
	_, domain, _ := strings.Cut(to, "@")
	if domain == f.domain {
		f.deliver(to, message)
	} else if f.peer != nil && domain == f.peer.domain && !f.is("loses mail to others") {
		f.peer.receive(to, message)
	}
	return "250 2.0.0 Ok"
}

var (
	subject = regexp.MustCompile(`(?m)^Subject: .*\r\n`)
	traces  = regexp.MustCompile(`(?m)^(User-Agent|X-Mailer|X-Originating-IP|Received): .*\r\n`)
)

// clean takes out what tells of the client.
func (f *fake) clean(message string) string {
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	head += "\r\n"
	if !f.is("shows subjects") {
		head = subject.ReplaceAllString(head, "Subject: [...]\r\n")
	}
	if !f.is("shows clients") {
		head = traces.ReplaceAllString(head, "")
	}
	return head + "\r\n" + body
}

// stranger is what becomes of a message that anybody brings to port 25.
func (f *fake) stranger(to, message string) string {
	switch signed := strings.Contains(message, "DKIM-Signature:"); {
	case !encrypted(message) && !f.is("takes cleartext from outside"):
		return "523 Encryption Needed: Invalid Unencrypted Mail"
	case encrypted(message) && !signed && !f.is("takes unsigned mail"):
		return "554 5.7.1 No DKIM signature found"
	case signed && !f.is("takes bad signatures"):
		return "554 5.7.1 No valid DKIM signature found: key is another one"
	}
	f.deliver(to, message)
	return "250 2.0.0 Ok"
}

// receive is stranger for what the other relay has signed.
func (f *fake) receive(to, message string) {
	if f.is("loses mail of others") || f.is("refuses requests of others") && strings.Contains(message, "\r\nSecure-Join: vc-request") {
		return
	}
	f.deliver(to, message)
}

func (f *fake) deliver(to, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.users[to]
	if u == nil || f.is("loses mail") {
		return
	}
	if f.is("changes mail") {
		message = strings.NewReplacer("A", "B", "B", "A").Replace(message)
	}
	u.messages = append(u.messages, message)
	close(f.changed)
	f.changed = make(chan struct{})
}

// tooFast is a limit that is lifted as soon as it was met.
func (f *fake) tooFast(sender string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.is("has no limit") {
		return false
	}
	f.flood[sender]++
	if f.flood[sender] <= burstLimit {
		return false
	}
	if !f.is("never forgives") {
		f.flood[sender] = 0
	}
	return true
}

// authority makes the certificates of all fakes.
type authority struct {
	roots                                  *x509.CertPool
	good, expired, elsewhere, unknown, old tls.Certificate
}

func newAuthority(t *testing.T, now time.Time, names ...string) *authority {
	t.Helper()
	a := &authority{roots: x509.NewCertPool()}
	days := func(n int) time.Time { return now.Add(time.Duration(n) * 24 * time.Hour) }
	root := a.issue(t, nil, days(-100), days(100), "root")
	a.roots.AddCert(root.Leaf)
	other := a.issue(t, nil, days(-100), days(100), "other root")
	a.good = a.issue(t, &root, days(-10), days(80), names...)
	a.expired = a.issue(t, &root, days(-91), days(-1), names...)
	a.old = a.issue(t, &root, days(-80), days(10), names...)
	a.elsewhere = a.issue(t, &root, days(-10), days(80), "elsewhere.test")
	a.unknown = a.issue(t, &other, days(-10), days(80), names...)
	return a
}

// issue makes a certificate, as package pki does.
func (a *authority) issue(t *testing.T, issuer *tls.Certificate, from, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	c, err := pki.New(issuer, pki.Request{Names: names, From: from, Until: until})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// network is how the checks reach the fakes.
func network(names *nameServer, a *authority, fakes ...*fake) remote.Network {
	return remote.Network{Dial: dial(fakes...), Resolver: names.resolver(), NameServerPort: names.port(), Roots: a.roots}
}

package courier

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"chatmaild/applets/transport/health"
	"chatmaild/applets/transport/mxdeliv"
	"chatmaild/applets/transport/routes"
	"chatmaild/applets/transport/smtpout"
	"chatmaild/mailfilter"
)

// peer is a host of another relay, as it behaves.
type peer struct {
	https func(w http.ResponseWriter, r *http.Request) // nil: port 443 is closed
	rcpt  func(to string) *smtp.SMTPError              // nil function: port 25 is closed
	data  *smtp.SMTPError
	hello string // greeting in place of the server's
	plain bool   // no STARTTLS
	name  string // of its certificate, if that is not its own

	mu    sync.Mutex
	asked []string // "443" or "25" for each connection
	got   []string // "WAY to,to"
}

func (p *peer) note(list *[]string, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*list = append(*list, text)
}

func (p *peer) messages() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.got, "; ")
}

func (p *peer) ports() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, " ")
}

// Deliver implements mxdeliv.Filter.
func (p *peer) Deliver(_ context.Context, env mailfilter.Envelope, r io.Reader) string {
	text, err := io.ReadAll(r)
	if err != nil || !strings.HasSuffix(string(text), message) {
		return "554 5.6.0 not what was sent"
	}
	p.note(&p.got, "https "+strings.Join(env.Recipients, ","))
	return "250 2.0.0 queued"
}

// session is an SMTP session with a peer.
type session struct {
	*peer
	to []string
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := s.rcpt(to); err != nil {
		return err
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.data != nil {
		return s.data
	}
	if string(text) != message {
		return errors.New("not what was sent")
	}
	s.note(&s.got, "smtp "+strings.Join(s.to, ","))
	return nil
}
func (s *session) Reset()        { s.to = nil }
func (s *session) Logout() error { return nil }

// world is peers by the names of their hosts, and the domains that have them.
type world struct {
	t         *testing.T
	domains   map[string][]string
	peers     map[string]*peer
	listeners map[string]string // "ADDRESS:PORT": where that listens in truth
	names     map[string]netip.Addr
	roots     *x509.CertPool
	ca        *x509.Certificate
	caKey     *ecdsa.PrivateKey
}

func newWorld(t *testing.T, domains map[string][]string, peers map[string]*peer) *world {
	t.Helper()
	w := &world{t: t, domains: domains, peers: peers, listeners: map[string]string{}, names: map[string]netip.Addr{}}
	w.authority()
	n := 0
	for name, p := range peers {
		n++
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
		if literal, err := netip.ParseAddr(name); err == nil {
			addr = literal
		}
		w.names[name+"."] = addr
		certificate := name
		if p.name != "" {
			certificate = p.name
		}
		config := &tls.Config{Certificates: []tls.Certificate{w.certificate(certificate)}}
		if p.https != nil {
			server := httptest.NewUnstartedServer(http.HandlerFunc(p.https))
			server.TLS = config
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			t.Cleanup(server.Close)
			w.listeners[fmt.Sprintf("%v:443", addr)] = server.Listener.Addr().String()
		}
		if p.rcpt != nil {
			w.listeners[fmt.Sprintf("%v:25", addr)] = w.serveSMTP(p, config)
		}
	}
	return w
}

func (w *world) serveSMTP(p *peer, config *tls.Config) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	if p.hello != "" {
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, p.hello+"\r\n")
				conn.Close()
			}
		}()
		return l.Addr().String()
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{peer: p}, nil }))
	server.Domain, server.ErrorLog = "peer", discard{}
	if !p.plain {
		server.TLSConfig = config
	}
	w.t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	return l.Addr().String()
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (w *world) authority() {
	var err error
	if w.caKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, w.caKey.Public(), w.caKey)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.ca, err = x509.ParseCertificate(der); err != nil {
		w.t.Fatal(err)
	}
	w.roots = x509.NewCertPool()
	w.roots.AddCert(w.ca)
}

// certificate is one for a name; "_…" and addresses sign their own.
func (w *world) certificate(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	parent, parentKey := w.ca, w.caKey
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "192.") {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// LookupMX implements route.Resolver.
func (w *world) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	var records []*net.MX
	for i, host := range w.domains[strings.TrimSuffix(name, ".")] {
		records = append(records, &net.MX{Host: host + ".", Pref: uint16(i)})
	}
	if records == nil {
		return nil, &net.DNSError{IsNotFound: true}
	}
	return records, nil
}

// LookupNetIP implements route.Resolver.
func (w *world) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	if addr, ok := w.names[name]; ok {
		return []netip.Addr{addr}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

// LookupTXT implements Resolver: a domain has a policy if there is a host for it.
func (w *world) LookupTXT(_ context.Context, name string) ([]string, error) {
	if _, ok := w.names["mta-sts."+strings.TrimPrefix(name, "_mta-sts.")]; ok {
		return []string{"v=STSv1; id=1"}, nil
	}
	return nil, &net.DNSError{IsNotFound: true}
}

func (w *world) connect(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, _ := net.SplitHostPort(address)
	for name, addr := range w.names {
		if addr.String() == host {
			p := w.peers[strings.TrimSuffix(name, ".")]
			p.note(&p.asked, port)
		}
	}
	truth, ok := w.listeners[address]
	if !ok {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, network, truth)
}

// counter is an Observer.
type counter struct {
	mu        sync.Mutex
	delivered map[Way]int
}

func (c *counter) Delivered(way Way, recipients int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivered[way] += recipients
}

func (c *counter) Failed(Way) {}

func (w *world) courier() (*Courier, *health.Tracker, *counter) {
	tracker, count := &health.Tracker{Now: time.Now}, &counter{delivered: map[Way]int{}}
	return New(w.options(tracker, count)), tracker, count
}

func (w *world) options(tracker *health.Tracker, count *counter) Options {
	return Options{
		Name: "us.test", Own: func(a netip.Addr) bool { return a == w.names["ours.test."] },
		Resolver: w, Health: tracker, Routes: &routes.Table{Now: time.Now}, Observer: count, Connect: w.connect, Roots: w.roots,
	}
}

// message is what is sent.
const message = "From: <a@us.test>\r\n\r\n.hello\r\n..\r\n"

func to(recipients ...string) smtpout.Message {
	return smtpout.Message{
		Sender: "a@us.test", Recipients: recipients, Size: int64(len(message)),
		Open: func() io.Reader { return bytes.NewReader([]byte(message)) },
	}
}

// takes is a port 443 that takes messages.
func (p *peer) takes() func(http.ResponseWriter, *http.Request) {
	handler := mxdeliv.New(mxdeliv.Options{Name: "peer", Filter: p, Now: time.Now, MaxAtOnce: 10})
	return func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Real-IP", "192.0.2.99") // as nginx does
		handler.ServeHTTP(w, r)
	}
}

// status is a port 443 that answers with one.
func status(code int, text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// anyone is a port 25 that takes messages for everybody.
func anyone(string) *smtp.SMTPError { return nil }

package peer

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/network"
)

// A Host is the mail server of another relay that behaves in a way of its own. Each
// port that it has no way for refuses connections.
type Host struct {
	// SMTP, if set, answers each message on port 25, which has come whole.
	SMTP func(m Received) *smtp.SMTPError
	// HTTPS, if set, answers port 443.
	HTTPS http.HandlerFunc
	// Mute is ports that take connections and say nothing.
	Mute []int
	// Wrong is the name that its certificate has, if that is not its own.
	Wrong string

	mu    sync.Mutex
	mails []Received
	close []func()
}

// Start starts it on a station of its own, and publishes it as the host of a domain.
func (p *Host) Start(ctx context.Context, n *network.Network, domain string) (network.Station, error) {
	s, err := n.AddStation(ctx, strings.Trim(strings.ReplaceAll(domain, ".", "-"), "_"))
	if err != nil {
		return s, err
	}
	for _, record := range [][2]string{{"MX", "10 " + domain + "."}, {"A", s.IPv4.String()}} {
		if err := s.Zone.Set(domain, record[0], record[1]); err != nil {
			return s, err
		}
	}
	name := domain
	if p.Wrong != "" {
		name = p.Wrong
	}
	pair, err := pki.New(nil, pki.Request{Names: []string{name}})
	if err != nil {
		return s, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	for _, port := range p.Mute {
		listener, err := s.Listen(port)
		if err != nil {
			return s, err
		}
		p.close = append(p.close, func() { listener.Close() })
	}
	if p.SMTP != nil {
		if err := p.startSMTP(s, domain, config); err != nil {
			return s, err
		}
	}
	if p.HTTPS != nil {
		listener, err := s.Listen(443)
		if err != nil {
			return s, err
		}
		server := httptest.NewUnstartedServer(p.HTTPS)
		server.Listener.Close()
		server.Listener, server.TLS = listener, config
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		p.close = append(p.close, func() {
			server.CloseClientConnections()
			server.Close()
		})
	}
	return s, nil
}

func (p *Host) startSMTP(s network.Station, domain string, config *tls.Config) error {
	listener, err := s.Listen(25)
	if err != nil {
		return err
	}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &peerSession{mxSession{}, p}, nil
	}))
	server.Domain, server.TLSConfig = domain, config
	server.ErrorLog = log.New(io.Discard, "", 0)
	go server.Serve(listener)
	p.close = append(p.close, func() { server.Close() })
	return nil
}

// peerSession is one connection.
type peerSession struct {
	mxSession
	peer *Host
}

// Data implements smtp.Session.
func (s *peerSession) Data(r io.Reader) error {
	if err := s.read(r); err != nil {
		return err
	}
	if err := s.peer.SMTP(s.mail); err != nil {
		return err
	}
	s.peer.Keep(s.mail)
	return nil
}

// Keep keeps a message.
func (p *Host) Keep(m Received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, m)
}

// Received returns what has come so far.
func (p *Host) Received() []Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// TakeHTTPS is an HTTPS that takes messages as a relay does.
func (p *Host) TakeHTTPS(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxMail))
	to := r.Header.Values("X-Mail-To")
	if err != nil || r.URL.Path != "/mxdeliv" || r.Method != http.MethodPost || len(to) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.Keep(Received{r.Header.Get("X-Mail-From"), to, string(text)})
	_, _ = io.WriteString(w, "250 OK")
}

// Close ends it.
func (p *Host) Close() {
	for _, f := range p.close {
		f()
	}
}

package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"chatmaild/applets/chat/imap"
)

// Protocol is what is spoken at a port.
type Protocol string

// The protocols of a relay.
const (
	SMTPProtocol Protocol = "SMTP"
	IMAPProtocol Protocol = "IMAP"
	HTTPProtocol Protocol = "HTTP"
)

// Service is a public port with TLS.
type Service struct {
	Port     int
	Protocol Protocol
	StartTLS bool   // otherwise TLS from the first byte (RFC 8314 §3)
	ALPN     string // what to ask for in the handshake (RFC 7301); may be ""
	What     string
}

// The services of a relay.
var (
	FromRelays  = Service{25, SMTPProtocol, true, "", "SMTP from other relays"}
	IMAPStart   = Service{143, IMAPProtocol, true, "", "IMAP with STARTTLS"}
	Web         = Service{443, HTTPProtocol, false, "", "HTTPS"}
	Submissions = Service{465, SMTPProtocol, false, "", "submission with TLS"}
	Submission  = Service{587, SMTPProtocol, true, "", "submission with STARTTLS"}
	IMAPS       = Service{993, IMAPProtocol, false, "", "IMAP with TLS"}

	// A client that can reach no other port names its protocol to 443.
	IMAPByALPN = Service{443, IMAPProtocol, false, "imap", "IMAP behind port 443"}
	SMTPByALPN = Service{443, SMTPProtocol, false, "smtp", "submission behind port 443"}
)

// Services returns what each public port with TLS is for, in ascending order.
func Services() []Service {
	return []Service{FromRelays, IMAPStart, Web, Submissions, Submission, IMAPS}
}

// Open connects to a service before STARTTLS, or inside of TLS where that comes
// first. No certificate is looked at: the question is whether a server is there.
func (r *Relay) Open(ctx context.Context, s Service) (net.Conn, error) {
	conn, err := r.Connect(ctx, s.Port)
	if err != nil || s.StartTLS {
		return conn, err
	}
	return handshake(ctx, conn, &tls.Config{ServerName: r.Host, InsecureSkipVerify: true})
}

// Greet returns the first words of a service; of one that waits for the client's,
// the version of TLS.
func (r *Relay) Greet(ctx context.Context, s Service) (string, error) {
	conn, err := r.Open(ctx, s)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	switch s.Protocol {
	case SMTPProtocol:
		d, err := NewSMTP(conn)
		if err != nil {
			return "", err
		}
		return d.Greeting.String(), nil
	case IMAPProtocol:
		d, err := imap.New(conn)
		if err != nil {
			return "", err
		}
		return d.Greeting, nil
	}
	secure, ok := conn.(*tls.Conn)
	if !ok {
		return "", errors.New("no TLS")
	}
	return tls.VersionName(secure.ConnectionState().Version), nil
}

// Secure connects to a service as far as its TLS handshake, after STARTTLS where
// that comes first.
func (r *Relay) Secure(ctx context.Context, s Service, config *tls.Config) (*tls.Conn, error) {
	conn, err := r.Connect(ctx, s.Port)
	if err != nil {
		return nil, err
	}
	if s.StartTLS {
		if err := startTLS(conn, s.Protocol); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return handshake(ctx, conn, config)
}

// startTLS speaks the protocol in the clear up to the command after which the handshake
// begins.
func startTLS(conn net.Conn, p Protocol) error {
	if p == IMAPProtocol {
		d, err := imap.New(conn)
		if err != nil {
			return err
		}
		_, err = d.OK("STARTTLS")
		return err
	}
	d, err := NewSMTP(conn)
	if err != nil {
		return err
	}
	if _, err := d.Hello(); err != nil {
		return err
	}
	_, err = d.Want(220, "STARTTLS")
	return err
}

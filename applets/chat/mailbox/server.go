// Package mailbox is the network side of a chat client: one account on a relay,
// as a phone has it. An [Inbox] waits for mail over IMAP (RFC 9051; IDLE, UID
// EXPUNGE), an [Outbox] submits it (RFC 6409). Both over TLS from the first byte
// (RFC 8314). Every method ends when its context does; the session is then closed.
//
// What is in the mail is package chat's to make and to read.
package mailbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// A Server tells how to reach a relay.
type Server struct {
	IMAP string // host and port, "chat.example:993"
	SMTP string // host and port, "chat.example:465"

	// TLS must name the server, or say that the certificate is not checked.
	TLS *tls.Config

	// Dial opens connections; nil means the system's way.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns the server of a relay at a host: a name, or an address.
func New(host string, config *tls.Config) *Server {
	return &Server{IMAP: net.JoinHostPort(host, "993"), SMTP: net.JoinHostPort(host, "465"), TLS: config}
}

const dialTimeout = 20 * time.Second

func (s *Server) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := s.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	encrypted := tls.Client(conn, s.TLS)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return encrypted, nil
}

// endWith closes the connection when the context ends, so that nothing hangs on
// it; until stop is called.
func endWith(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { conn.Close() })
}

// because says what failed, or the context's end if that was the cause.
func because(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

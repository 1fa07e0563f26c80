package network

import (
	"context"
	"net"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
)

// The ports of clients, with TLS from the start (RFC 8314 §3).
const (
	IMAPSPort       = "993"
	SubmissionsPort = "465"
)

// maxFetched is more than any message has that the lab's clients send, in bytes.
const maxFetched = 64 << 20

// IMAP connects by TLS to port 993. The dialogue has to end when ctx does.
func (s Station) IMAP(ctx context.Context, host string) (*imap.Client, error) {
	conn, err := s.DialTLS(ctx, net.JoinHostPort(host, IMAPSPort))
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	c, err := imap.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.MaxResponse = maxFetched
	return c, nil
}

// SMTP connects to a port, with TLS from the start on port 465. The dialogue has to end
// when ctx does.
func (s Station) SMTP(ctx context.Context, host, port string) (*smtp.Client, error) {
	address := net.JoinHostPort(host, port)
	if port == SubmissionsPort {
		conn, err := s.DialTLS(ctx, address)
		if err != nil {
			return nil, err
		}
		return smtp.New(ctx, conn)
	}
	conn, err := s.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return smtp.New(ctx, conn)
}

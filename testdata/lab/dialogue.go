package lab

import (
	"context"
	"net"

	"chatmaild/testdata/kit/imap"
	"chatmaild/testdata/kit/smtp"
)

const (
	imapsPort       = "993"
	submissionsPort = "465"
)

// IMAP connects by TLS to port 993. The dialogue has to end when ctx does.
func (s Station) IMAP(ctx context.Context, host string) (*imap.Client, error) {
	conn, err := s.DialTLS(ctx, net.JoinHostPort(host, imapsPort))
	if err != nil {
		return nil, err
	}
	return imap.New(ctx, conn)
}

// SMTP connects to a port, with TLS from the start on port 465. The dialogue has to end
// when ctx does.
func (s Station) SMTP(ctx context.Context, host, port string) (*smtp.Client, error) {
	address := net.JoinHostPort(host, port)
	if port == submissionsPort {
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

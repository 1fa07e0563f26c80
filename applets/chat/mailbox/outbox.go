package mailbox

import (
	"bytes"
	"context"
	"net"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// An Outbox is an open session for submission. It is for one goroutine.
type Outbox struct {
	conn   net.Conn
	client *smtp.Client
	addr   string
}

// OpenOutbox logs in for submission.
func (s *Server) OpenOutbox(ctx context.Context, addr, password string) (*Outbox, error) {
	conn, err := s.dial(ctx, s.SMTP)
	if err != nil {
		return nil, err
	}
	defer endWith(ctx, conn)()
	out := &Outbox{conn: conn, client: smtp.NewClient(conn), addr: addr}
	if err := out.client.Auth(sasl.NewPlainClient("", addr, password)); err != nil {
		out.Close()
		return nil, because(ctx, "logging in over SMTP", err)
	}
	return out, nil
}

// Send submits one message to those in to. A refusal is a *smtp.SMTPError in the
// error's chain.
func (out *Outbox) Send(ctx context.Context, to []string, raw []byte) error {
	defer endWith(ctx, out.conn)()
	err := out.client.SendMail(out.addr, to, bytes.NewReader(raw))
	if err != nil && ctx.Err() == nil {
		// The session continues with the next message.
		if reset := out.client.Reset(); reset != nil {
			out.client.Close()
		}
	}
	return because(ctx, "sending", err)
}

// Close ends the session.
func (out *Outbox) Close() error { return out.client.Close() }

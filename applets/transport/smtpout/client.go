package smtpout

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds of a delivery.
const (
	commandTimeout = 60 * time.Second // for each reply
	// The reply to a message may take long (RFC 5321, section 4.5.3.2.6): who gives up
	// sooner sends it twice.
	finalTimeout = 10 * time.Minute
	port         = 25
)

// Dial connects to port 25 of a host for messages.
type Dial func(ctx context.Context, host string) (net.Conn, error)

// Client delivers. It is safe for concurrent use.
type Client struct {
	name                 string // to say hello with
	dial                 Dial
	verified, selfSigned *tls.Config
	pool                 pool
}

// NewClient returns a client that calls itself name, connects with dial and trusts roots;
// nil means the system's.
func NewClient(name string, dial Dial, roots *x509.CertPool) *Client {
	sessions := func() tls.ClientSessionCache { return tls.NewLRUClientSessionCache(maxIdle) }
	return &Client{
		name: name, dial: dial,
		verified:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ClientSessionCache: sessions()},
		selfSigned: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, ClientSessionCache: sessions()},
	}
}

// Message is what is delivered.
type Message struct {
	Sender     string
	Recipients []string
	UTF8       bool // the envelope has addresses that are not ASCII (RFC 6531)
	Size       int64
	Open       func() io.Reader // once for each attempt
}

// Reply is what a host said of a message for a recipient.
type Reply struct {
	Code   int
	Status [3]int // RFC 3463; zero if there was none
	Text   string
}

// Accepted reports whether the host took the message.
func (r Reply) Accepted() bool { return r.Code/100 == 2 }

// Deliver sends a message to a host, whose certificate need not be verified if it is
// selfSigned. It returns the host's reply for each recipient; or an error if the host gave
// none, so that another one may be tried.
func (c *Client) Deliver(ctx context.Context, host string, selfSigned bool, m Message) ([]Reply, error) {
	for {
		l, used, err := c.link(ctx, host, selfSigned)
		if err != nil {
			return nil, err
		}
		replies, begun, err := l.deliver(ctx, m)
		if err == nil {
			c.pool.put(l)
			return replies, nil
		}
		l.close()
		if !used || begun || ctx.Err() != nil {
			return nil, err
		}
		// The host closed the connection while it was idle, or the way to it has changed.
		// Nothing has been said.
	}
}

// link returns a connection that is ready for a message, and whether it was used before.
func (c *Client) link(ctx context.Context, host string, selfSigned bool) (l *link, used bool, err error) {
	key := key{host, selfSigned}
	if l := c.pool.take(key); l != nil {
		return l, true, nil
	}
	conn, err := c.dial(ctx, host)
	if err != nil {
		return nil, false, fmt.Errorf("SMTP: %w", err)
	}
	l = &link{key: key, conn: conn, born: time.Now()}
	defer l.bound(ctx)()
	if err := l.open(c.name, c.config(key)); err != nil {
		l.close()
		return nil, false, err
	}
	return l, false, nil
}

func (c *Client) config(k key) *tls.Config {
	config := c.verified
	if k.selfSigned {
		config = c.selfSigned
	}
	config = config.Clone()
	config.ServerName = k.host
	return config
}

// link is a connection to a host.
type link struct {
	key    key
	conn   net.Conn
	client *smtp.Client
	born   time.Time
}

// bound has the end of ctx be that of what waits for the host, until the function that it
// returns is called.
func (l *link) bound(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	return func() { stop() }
}

// open says hello, twice: the second time with TLS.
func (l *link) open(name string, config *tls.Config) error {
	if err := l.conn.SetDeadline(time.Now().Add(commandTimeout)); err != nil {
		return fmt.Errorf("SMTP: %w", err)
	}
	if err := startTLS(l.conn, name); err != nil {
		return err
	}
	secure := tls.Client(l.conn, config)
	if err := secure.Handshake(); err != nil {
		return fmt.Errorf("SMTP: TLS: %w", err)
	}
	l.client = smtp.NewClient(&greeted{secure, strings.NewReader("220 TLS\r\n")})
	l.client.CommandTimeout, l.client.SubmissionTimeout = commandTimeout, finalTimeout
	if err := l.client.Hello(name); err != nil {
		return said("EHLO", err)
	}
	return nil
}

// greeted has a greeting before all else that is read. go-smtp waits for one, and there is
// none after STARTTLS; what it does before that itself says hello as localhost.
type greeted struct {
	net.Conn
	greeting *strings.Reader
}

// Read implements net.Conn.
func (g *greeted) Read(b []byte) (int, error) {
	if g.greeting.Len() > 0 {
		return g.greeting.Read(b)
	}
	return g.Conn.Read(b)
}

// maxOffer bounds what a host says before TLS, in bytes.
const maxOffer = 64 << 10

// startTLS talks until the handshake can begin.
func startTLS(conn net.Conn, name string) error {
	limited := struct {
		io.Reader
		io.WriteCloser
	}{io.LimitReader(conn, maxOffer), conn}
	text := textproto.NewConn(limited)
	if _, _, err := text.ReadResponse(220); err != nil {
		return said("the connection", err)
	}
	offer, err := command(text, 250, "EHLO "+name)
	if err != nil {
		return said("EHLO", err)
	}
	if !slices.ContainsFunc(strings.Split(offer, "\n"), func(line string) bool { return strings.EqualFold(line, "STARTTLS") }) {
		return ErrNoTLS
	}
	if _, err := command(text, 220, "STARTTLS"); err != nil {
		return said("STARTTLS", err)
	}
	if text.R.Buffered() > 0 { // what comes before the handshake is not the host's (RFC 3207, section 4.2)
		return errors.New("SMTP: the host said something between STARTTLS and the handshake")
	}
	return nil
}

// ErrNoTLS is what a host fails with that does not offer STARTTLS.
var ErrNoTLS = errors.New("SMTP: the host does not offer STARTTLS")

func command(text *textproto.Conn, want int, line string) (reply string, err error) {
	if err := text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, reply, err = text.ReadResponse(want)
	return reply, err
}

// deliver sends a message. begun says whether the host has answered anything.
func (l *link) deliver(ctx context.Context, m Message) (replies []Reply, begun bool, err error) {
	defer l.bound(ctx)()
	if max, known := l.client.MaxMessageSize(); known && max > 0 && m.Size > int64(max) {
		return all(m, Reply{552, [3]int{5, 3, 4}, fmt.Sprintf("the message has %d bytes, the host takes %d", m.Size, max)}), true, nil
	}
	if err := l.client.Mail(m.Sender, &smtp.MailOptions{Size: m.Size, UTF8: m.UTF8}); err != nil {
		r, err := reply("MAIL", err)
		if err != nil {
			return nil, false, err
		}
		return all(m, r), true, nil
	}
	replies = make([]Reply, len(m.Recipients))
	accepted := 0
	for i, to := range m.Recipients {
		err := l.client.Rcpt(to, nil)
		if err == nil {
			accepted++
			continue
		}
		if replies[i], err = reply("RCPT", err); err != nil {
			return nil, true, err
		}
	}
	if accepted == 0 {
		if err := l.client.Reset(); err != nil {
			l.conn.Close() // the next message finds that out
		}
		return replies, true, nil
	}
	r, err := l.data(m)
	if err != nil {
		return nil, true, err
	}
	for i := range replies {
		if replies[i].Code == 0 {
			replies[i] = r
		}
	}
	return replies, true, nil
}

// data sends the text of a message.
func (l *link) data(m Message) (Reply, error) {
	w, err := l.client.Data()
	if err != nil {
		return reply("DATA", err)
	}
	if _, err := io.Copy(w, m.Open()); err != nil {
		return Reply{}, fmt.Errorf("SMTP: sending a message: %w", err)
	}
	response, err := w.CloseWithResponse()
	if err != nil {
		return reply("a message", err)
	}
	return Reply{250, [3]int{2, 0, 0}, response.StatusText}, nil
}

func all(m Message, r Reply) []Reply {
	replies := make([]Reply, len(m.Recipients))
	for i := range replies {
		replies[i] = r
	}
	return replies
}

// reply is the host's refusal in err. If there is none, or it is that the host is about to
// hang up (RFC 5321, section 3.8), the error is returned: what is not the expected answer, nor
// a refusal, says nothing about the message.
func reply(to string, err error) (Reply, error) {
	var word *smtp.SMTPError
	if !errors.As(err, &word) || word.Code == 421 || word.Code/100 != 4 && word.Code/100 != 5 {
		return Reply{}, said(to, err)
	}
	return Reply{word.Code, [3]int(word.EnhancedCode), word.Message}, nil
}

// said is an error with the command to which it is the answer.
func said(to string, err error) error {
	var word *smtp.SMTPError
	var early *textproto.Error
	switch {
	case errors.As(err, &word):
		return fmt.Errorf("SMTP: the host answered %s with %d %s", to, word.Code, word.Message)
	case errors.As(err, &early):
		return fmt.Errorf("SMTP: the host answered %s with %d %s", to, early.Code, early.Msg)
	}
	return fmt.Errorf("SMTP: no answer to %s: %w", to, err)
}

func (l *link) close() { l.conn.Close() }

// quit says goodbye and closes, without waiting for the answer.
func (l *link) quit() {
	if l.conn.SetDeadline(time.Now().Add(time.Second)) == nil {
		l.client.CommandTimeout = time.Second
		_ = l.client.Quit()
	}
	l.close()
}

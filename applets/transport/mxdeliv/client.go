package mxdeliv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"chatmaild/auth/mailaddr"
	"chatmaild/mailfilter"
)

// Bounds of a request.
const (
	handshakeTimeout = 5 * time.Second
	answerTimeout    = 60 * time.Second // once the message has been sent
	continueTimeout  = time.Second
	idleTimeout      = 30 * time.Second // of a connection; nginx keeps it for 75
	idlePerHost      = 2
	maxIdle          = 100
	maxAnswer        = 4 << 10 // bytes of it that are read
	maxAnswerHeader  = 16 << 10
	sendBuffer       = 32 << 10

	// expectSize is how large a message is in bytes whose sender asks first whether it
	// is wanted: a web server that is not a relay's says no to it without having got it.
	// Such a message has a connection of its own, because a refusal ends that.
	expectSize = 512 << 10
)

// Dial connects to a host for messages at port 443.
type Dial func(ctx context.Context, host string) (net.Conn, error)

// Client delivers to other relays. It is safe for concurrent use.
type Client struct {
	verified, selfSigned *http.Transport
}

// NewClient returns a client that connects with dial, and trusts roots; nil means the
// system's.
func NewClient(dial Dial, roots *x509.CertPool) *Client {
	transport := func(config *tls.Config) *http.Transport {
		config.MinVersion = tls.VersionTLS12
		config.ClientSessionCache = tls.NewLRUClientSessionCache(maxIdle)
		return &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return dial(ctx, host)
			},
			TLSClientConfig: config, TLSHandshakeTimeout: handshakeTimeout,
			ResponseHeaderTimeout: answerTimeout, ExpectContinueTimeout: continueTimeout,
			IdleConnTimeout: idleTimeout, MaxIdleConnsPerHost: idlePerHost, MaxIdleConns: maxIdle,
			MaxResponseHeaderBytes: maxAnswerHeader, WriteBufferSize: sendBuffer, DisableCompression: true,
		}
	}
	return &Client{
		verified:   transport(&tls.Config{RootCAs: roots}),
		selfSigned: transport(&tls.Config{InsecureSkipVerify: true}),
	}
}

// Message is what is delivered.
type Message struct {
	Envelope mailfilter.Envelope
	Size     int64
	Open     func() io.Reader // once for each attempt
}

// Answer is what a host said.
type Answer struct {
	Status int
	Reply  string // an SMTP reply; "" if the answer is not that of a relay
}

// Deliver posts a message to a host, whose certificate need not be verified if it is
// selfSigned. An error means that there is no answer.
func (c *Client) Deliver(ctx context.Context, host string, selfSigned bool, m Message) (Answer, error) {
	transport := c.verified
	if selfSigned {
		transport = c.selfSigned
	}
	answer, reused, err := send(ctx, transport, host, m)
	var timeout net.Error
	if err != nil && reused && ctx.Err() == nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		// The host closed the connection while it was idle, or the way to it has changed.
		transport.CloseIdleConnections()
		answer, _, err = send(ctx, transport, host, m)
	}
	return answer, err
}

func send(ctx context.Context, transport *http.Transport, host string, m Message) (a Answer, reused bool, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+mailaddr.InURL(host)+Path, m.Open())
	if err != nil {
		return Answer{}, false, fmt.Errorf("HTTPS: %w", err)
	}
	r.ContentLength = m.Size
	r.Header = http.Header{"Content-Type": {"application/octet-stream"}, recipientField: m.Envelope.Recipients, "User-Agent": nil}
	if m.Envelope.Sender != "" {
		r.Header.Set(senderField, m.Envelope.Sender)
	}
	if m.Size > expectSize {
		r.Header.Set("Expect", "100-continue")
		r.Close = true
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return Answer{}, reused, fmt.Errorf("HTTPS: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		text = nil // the status says enough
	}
	return Answer{resp.StatusCode, smtpReply(resp.StatusCode, string(text))}, reused, nil
}

// smtpReply returns the SMTP reply in the body of an answer with that status, in one line,
// or "".
func smtpReply(status int, body string) string {
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		return "" // no relay that takes messages says so
	}
	body = strings.Join(strings.Fields(body), " ")
	if len(body) < 4 || body[3] != ' ' || strings.Trim(body[:3], "0123456789") != "" || body[0] < '2' || body[0] > '5' {
		return ""
	}
	if (body[0] == '2') != (status == http.StatusOK) {
		return ""
	}
	const longest = 400 // of what is passed on
	return printableASCII(body[:min(len(body), longest)])
}

// printableASCII has "?" in place of everything else.
func printableASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Package peer is a client of an iroh relay, as far as one is needed to see that the
// relay works.
package peer

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"chatmaild/applets/iroh/frame"
)

// Peer is connected, and has said who it is. The relay does not answer that; Ping finds
// out whether it has believed it.
type Peer struct {
	conn net.Conn
	in   *bufio.Reader
	Key  frame.Key
}

// Dialer connects to an address, as net.Dialer's DialContext does.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// Dial connects to the relay of a URL, as METADATA has it; its certificate must prove
// its name.
func Dial(ctx context.Context, relay string, dial Dialer, config *tls.Config, key ed25519.PrivateKey) (*Peer, error) {
	u, err := url.Parse(relay)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := dial(ctx, net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" {
		config = config.Clone()
		config.ServerName = u.Hostname()
		conn = tls.Client(conn, config)
	}
	return New(ctx, conn, u.Host, key)
}

// Relays has two clients of a relay send something to each other.
func Relays(ctx context.Context, relay string, dial Dialer, config *tls.Config) error {
	var both []*Peer
	for range 2 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		p, err := Dial(ctx, relay, dial, config, key)
		if err != nil {
			return err
		}
		defer p.Close()
		stop := context.AfterFunc(ctx, func() { _ = p.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		if err := p.Ping(); err != nil {
			return fmt.Errorf("no answer to a ping: %w", err)
		}
		both = append(both, p)
	}
	for i, from := range both {
		to := both[1-i]
		const text = "chatmail"
		if err := from.Send(to.Key, []byte(text)); err != nil {
			return err
		}
		f, err := to.Next()
		if err != nil {
			return fmt.Errorf("nothing comes through: %w", err)
		}
		if f.Type != frame.ReceivePacket || f.Key != from.Key || string(f.Data) != text {
			return fmt.Errorf("a frame of type %d and %d bytes in place of what was sent", f.Type, len(f.Data))
		}
	}
	return nil
}

// New begins on a connection to the relay called host. If it fails, it closes the
// connection.
func New(ctx context.Context, conn net.Conn, host string, key ed25519.PrivateKey) (p *Peer, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if err != nil || !stop() {
			conn.Close()
		}
	}()
	p = &Peer{conn, bufio.NewReaderSize(conn, frame.MaxSize), frame.Key(key.Public().(ed25519.PublicKey))}
	// As hyper writes it.
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nupgrade: %s\r\nhost: %s\r\n\r\n", frame.Path, frame.Upgrade, host); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(p.in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Upgrade") != frame.Upgrade {
		return nil, fmt.Errorf("%s: %s, in place of %q", frame.Path, answer.Status, frame.Upgrade)
	}
	return p, p.Write(frame.Append(nil, frame.Prove(key)))
}

// Write sends whole frames.
func (p *Peer) Write(frames []byte) error {
	_, err := p.conn.Write(frames)
	return err
}

// Send sends a packet to the client that has a key.
func (p *Peer) Send(to frame.Key, packet []byte) error {
	return p.Write(frame.Append(nil, frame.Frame{Type: frame.SendPacket, Key: to, Data: packet}))
}

// Frame returns the next frame, whose data is the client's until then.
func (p *Peer) Frame() (frame.Frame, error) { return frame.Read(p.in) }

// Next is Frame for a client that answers pings.
func (p *Peer) Next() (frame.Frame, error) {
	for {
		f, err := p.Frame()
		if err != nil || f.Type != frame.Ping {
			return f, err
		}
		if err := p.Write(frame.Append(nil, frame.Frame{Type: frame.Pong, Data: f.Data})); err != nil {
			return f, err
		}
	}
}

// Ping waits until the relay has answered.
func (p *Peer) Ping() error {
	const text = "chatmail"
	if err := p.Write(frame.Append(nil, frame.Frame{Type: frame.Ping, Data: []byte(text)})); err != nil {
		return err
	}
	for {
		f, err := p.Next()
		if err != nil || f.Type == frame.Pong && string(f.Data) == text {
			return err
		}
	}
}

// SetDeadline bounds all that follows.
func (p *Peer) SetDeadline(t time.Time) error { return p.conn.SetDeadline(t) }

// Close ends the connection.
func (p *Peer) Close() error { return p.conn.Close() }

package smtpout

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatmaild/applets/keys"
)

// host is one that says what a script says: each command has an answer, or hangUp.
type host struct {
	answers map[string]string // by the first word of a command; "." is the final dot
	between string            // what it says between STARTTLS and the handshake
	offer   string            // EHLO keywords beside STARTTLS

	connections, messages atomic.Int32
	hangUp                atomic.Bool // before the next command
}

const plainOffer = "250-host\r\n250 STARTTLS\r\n"

// serve speaks on one connection.
func (h *host) serve(conn net.Conn, config *tls.Config) {
	h.connections.Add(1)
	defer conn.Close()
	_, _ = io.WriteString(conn, "220 host\r\n")
	r := bufio.NewReader(conn)
	secure := false
	for {
		line, err := r.ReadString('\n')
		if err != nil || h.hangUp.Swap(false) {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		answer, scripted := h.answers[verb]
		switch {
		case scripted:
		case verb == "EHLO" && !secure:
			answer = plainOffer
		case verb == "EHLO":
			answer = "250-host\r\n" + h.offer + "250 PIPELINING\r\n"
		case verb == "STARTTLS":
			answer = "220 go\r\n"
		case verb == "DATA":
			answer = "354 go\r\n"
		case verb == "QUIT":
			answer = "221 bye\r\n"
		default:
			answer = "250 2.0.0 ok\r\n"
		}
		if _, err := io.WriteString(conn, answer+map[bool]string{true: h.between}[verb == "STARTTLS"]); err != nil {
			return
		}
		switch {
		case verb == "STARTTLS" && answer[0] == '2':
			tlsConn := tls.Server(conn, config)
			conn, r, secure = tlsConn, bufio.NewReader(tlsConn), true
		case verb == "DATA" && answer[0] == '3':
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
			}
			h.messages.Add(1)
			answer := "250 2.0.0 queued\r\n"
			if other, ok := h.answers["."]; ok {
				answer = other
			}
			if _, err := io.WriteString(conn, answer); err != nil {
				return
			}
		}
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := keys.SelfSign("host", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func (h *host) client(t *testing.T) *Client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go h.serve(conn, config)
		}
	}()
	return NewClient("us.test", func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}, nil)
}

func hello(to ...string) Message {
	const text = "From: <a@us.test>\r\n\r\nhello\r\n"
	return Message{Sender: "a@us.test", Recipients: to, Size: int64(len(text)), Open: func() io.Reader { return strings.NewReader(text) }}
}

// TestAnswers has a host answer one command in a way of its own.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		command, answer string
		want            string // the reply, or "" for none
	}{
		{"", "", "250 2.0.0 queued"},
		{"EHLO", "502 5.5.1 what\r\n", ""},
		{"EHLO", "250-host\r\n250 PIPELINING\r\n", ""}, // no STARTTLS
		{"STARTTLS", "454 4.7.0 not now\r\n", ""},
		{"MAIL", "451 4.7.1 later\r\n", "451 4.7.1 later"},
		{"MAIL", "421 4.3.2 bye\r\n", ""},
		{"RCPT", "550 5.1.1 nobody\r\n", "550 5.1.1 nobody"},
		{"RCPT", "421 4.3.2 bye\r\n", ""},
		{"DATA", "554 5.7.1 no\r\n", "554 5.7.1 no"},
		{"DATA", "250 2.0.0 what\r\n", ""},
		{"MAIL", "354 what\r\n", ""},
		{"RCPT", "220 what\r\n", ""},
		{".", "552 5.2.2 full\r\n", "552 5.2.2 full"},
		{".", "421 4.3.2 bye\r\n", ""},
		{".", "garbage\r\n", ""},
	} {
		h := &host{answers: map[string]string{}}
		if test.command != "" {
			h.answers[test.command] = test.answer
		}
		replies, err := h.client(t).Deliver(t.Context(), "host", true, hello("x@host"))
		got := ""
		if err == nil {
			r := replies[0]
			got = fmt.Sprintf("%d %d.%d.%d %s", r.Code, r.Status[0], r.Status[1], r.Status[2], strings.TrimPrefix(r.Text, "2.0.0 "))
		}
		if got != test.want {
			t.Errorf("%s %q: got %q (%v), want %q", test.command, test.answer, got, err, test.want)
		}
	}
}

// TestInjected wants nothing to count that comes between STARTTLS and the handshake.
func TestInjected(t *testing.T) {
	h := &host{between: "250 2.0.0 injected\r\n"}
	if replies, err := h.client(t).Deliver(t.Context(), "host", true, hello("x@host")); err == nil {
		t.Errorf("got %+v", replies)
	}
}

func TestTooLarge(t *testing.T) {
	h := &host{offer: "250-SIZE 10\r\n"}
	replies, err := h.client(t).Deliver(t.Context(), "host", true, hello("x@host", "y@host"))
	if err != nil || len(replies) != 2 || replies[1].Code != 552 || h.messages.Load() > 0 {
		t.Errorf("got %+v, %v", replies, err)
	}
}

func TestCertificate(t *testing.T) {
	h := &host{}
	if _, err := h.client(t).Deliver(t.Context(), "host", false, hello("x@host")); err == nil || h.messages.Load() > 0 {
		t.Error("a certificate that nobody vouches for was taken")
	}
}

// TestReuse sends messages over one connection, also after a refusal, and over a new one
// when the host has closed it.
func TestReuse(t *testing.T) {
	h := &host{}
	c := h.client(t)
	for n := range 5 {
		if n == 3 {
			h.hangUp.Store(true)
		}
		replies, err := c.Deliver(t.Context(), "host", true, hello("x@host"))
		if err != nil || !replies[0].Accepted() {
			t.Fatalf("message %d: got %+v, %v", n+1, replies, err)
		}
	}
	if m, conns := h.messages.Load(), h.connections.Load(); m != 5 || conns != 2 {
		t.Errorf("%d messages over %d connections, want 5 over 2", m, conns)
	}
}

// TestCancel has the caller give up while the host says nothing.
func TestCancel(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	c := NewClient("us.test", func(context.Context, string) (net.Conn, error) { return here, nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Deliver(ctx, "host", true, hello("x@host")); err == nil {
		t.Error("no error")
	}
}

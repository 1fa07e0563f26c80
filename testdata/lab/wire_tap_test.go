package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/testdata/lab/network"
)

// filterPort is where filtermail-out takes what comes by WebSockets, from which TLS has been
// taken off. The wire listens for clients where it does otherwise.
const (
	filterPort = "127.0.0.1:10588"
	wirePort   = ":" + network.SubmissionsPort
)

// A wire lies between clients and the filter and keeps the messages that pass,
// as they pass.
type wire struct {
	relay    *Relay
	listener net.Listener

	mu    sync.Mutex
	mails []capture
}

// A capture is a message with its envelope.
type capture struct {
	env  mailfilter.Envelope
	text []byte // with CRLF, without the doubled dots
}

// tap puts a wire in front of the filter of mail that our users send. It has the relay's
// certificate, and nobody can send past it.
func (r *Relay) tap(t *testing.T) *wire {
	t.Helper()
	w := &wire{relay: r}
	pair := []byte(sh(t, r, `
cat /var/lib/chatmaild/submission/certificate.pem
systemctl stop chatmaild-submission.socket chatmaild-submissions.socket chatmaild-submissions-443.socket chatmaild-filtermail-out.service
systemctl start chatmaild-submission-websocket.socket
systemctl start chatmaild-filtermail-out.service`))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), partTimeout)
		defer cancel()
		if w.listener != nil {
			w.listener.Close()
		}
		if _, err := r.Script(ctx, "chatmaild run --skip-dns-check"); err != nil {
			t.Error(err)
		}
	})
	certificate, err := tls.X509KeyPair(pair, pair)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Do(func() (err error) {
		w.listener, err = new(net.ListenConfig).Listen(context.Background(), "tcp", wirePort)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.listener = tls.NewListener(w.listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	go w.serve()
	return w
}

func (w *wire) serve() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.carry(client)
	}
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	filter, err := w.relay.DialContext(context.Background(), "tcp", filterPort)
	if err != nil {
		return
	}
	defer filter.Close()
	// All clients are one, which has enough of the connections.
	if _, err := io.WriteString(filter, "PROXY TCP4 192.0.2.1 192.0.2.2 1 465\r\n"); err != nil {
		return
	}
	go func() {
		io.Copy(client, filter)
		client.Close()
	}()
	w.listen(bufio.NewReader(io.TeeReader(client, filter)))
}

// listen reads what an SMTP client says, which waits for the reply to DATA.
func (w *wire) listen(r *bufio.Reader) {
	var env mailfilter.Envelope
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, ":<")
		path, _, _ := strings.Cut(rest, ">")
		switch strings.ToUpper(verb) {
		case "MAIL FROM":
			env = mailfilter.Envelope{Sender: path}
		case "RCPT TO":
			env.Recipients = append(env.Recipients, path)
		case "DATA":
			text, err := readData(r)
			if err != nil {
				return
			}
			w.mu.Lock()
			w.mails = append(w.mails, capture{env, text})
			w.mu.Unlock()
		}
	}
}

// readData reads a message up to the final dot (RFC 5321, section 4.5.2).
func readData(r *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return text, nil
		}
		text = append(text, bytes.TrimPrefix(line, []byte("."))...)
	}
}

func (w *wire) all() []capture {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.mails)
}

// checkCapture has both directions of the filter judge a message of the client.
func checkCapture(t *testing.T, step string, c capture) {
	t.Helper()
	own := []string{domainOf(c.env.Sender)}
	out, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{Domains: own, Limiter: unlimited{}})
	if err != nil {
		t.Fatal(err)
	}
	in := mailfilter.NewIncoming(mailfilter.IncomingOptions{Mailboxes: enforcing{}, Domains: own})
	for name, policy := range map[string]mailfilter.Policy{"outgoing": out, "incoming": in} {
		if err := judge(policy, c); err != nil {
			header, _, _ := bytes.Cut(c.text, []byte("\r\n\r\n"))
			t.Errorf("%s: %s: %v; its header:\n%s", step, name, err, header)
		}
	}
}

// clear says whether a message is not encrypted.
func (c capture) clear() bool { return !bytes.Contains(c.text, []byte("multipart/encrypted")) }

func judge(policy mailfilter.Policy, c capture) error {
	r := bufio.NewReader(bytes.NewReader(c.text))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		return err
	}
	check, err := policy.Check(c.env, h)
	if err != nil {
		return err
	}
	if check.Envelope.Sender != c.env.Sender {
		return fmt.Errorf("the sender became %q", check.Envelope.Sender)
	}
	return check.Body(r)
}

func domainOf(addr string) string { return addr[strings.LastIndexByte(addr, '@')+1:] }

type unlimited struct{}

func (unlimited) Allow(string) bool { return true }

type enforcing struct{}

func (enforcing) EnforcesEncryption(string) (bool, error) { return true, nil }

package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// sink is a queue: it keeps what it takes, and behaves as its answers say.
type sink struct {
	t        testing.TB
	listener net.Listener
	answer   func(command string) string // nil or "" means yes; see the say constants below
	offer    string                      // EHLO keywords

	mu       sync.Mutex
	conns    map[net.Conn]bool
	accepted int // connections
	mails    []mail
	dropped  int // messages whose data ended without a dot
}

// mail is one message as the sink got it.
type mail struct {
	envelope []string // MAIL and RCPT, as they came
	data     string   // dots stuffed, without the final one
}

// Answers that are none.
const (
	hangUp = "(hang up)"
	stall  = "(stall)" // until the sink closes
)

func newSink(t testing.TB, answer func(string) string) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{t: t, listener: l, answer: answer, offer: "PIPELINING", conns: make(map[net.Conn]bool)}
	go s.accept(l)
	t.Cleanup(s.close)
	return s
}

func (s *sink) addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listener.Addr().String()
}

func (s *sink) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.accepted++
		s.conns[c] = true
		s.mu.Unlock()
		go func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		}()
	}
}

// restart listens again where it did before close.
func (s *sink) restart() {
	l, err := net.Listen("tcp", s.addr())
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	go s.accept(l)
}

// hangUpAll closes all connections, as a restart does.
func (s *sink) hangUpAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *sink) close() {
	s.mu.Lock()
	s.listener.Close()
	s.mu.Unlock()
	s.hangUpAll()
}

func (s *sink) got() []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]mail(nil), s.mails...)
}

// connections returns how many there have been.
func (s *sink) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// drops returns how many messages were interrupted in the middle.
func (s *sink) drops() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

func (s *sink) serve(c net.Conn) {
	r := bufio.NewReader(c)
	say := func(command, yes string) bool {
		reply := ""
		if s.answer != nil {
			reply = s.answer(command)
		}
		switch reply {
		case hangUp:
			return false
		case stall:
			_, _ = io.Copy(io.Discard, r)
			return false
		case "":
			reply = yes
		}
		_, err := io.WriteString(c, reply+"\r\n")
		return err == nil && (reply[0] == '2' || reply[0] == '3' || command != "CONNECT")
	}
	if !say("CONNECT", "220 sink") {
		return
	}
	var envelope []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		verb, _, _ := strings.Cut(line, " ")
		ok := true
		switch verb {
		case "EHLO":
			ok = say(line, "250-sink\r\n250-"+s.offer+"\r\n250 8BITMIME")
			envelope = nil
		case "MAIL", "RCPT":
			envelope = append(envelope, line)
			ok = say(line, "250 2.1.0 Ok")
		case "DATA":
			if ok = say(line, "354 go"); !ok {
				break
			}
			data, err := readData(r)
			s.mu.Lock()
			if err != nil {
				s.dropped++
			}
			s.mu.Unlock()
			if err != nil {
				return
			}
			if s.answer == nil || s.answer(".") == "" {
				s.mu.Lock()
				s.mails = append(s.mails, mail{envelope, data})
				s.mu.Unlock()
			}
			ok = say(".", fmt.Sprintf("250 2.0.0 Ok: queued as %X", len(data)))
			envelope = nil
		case "QUIT":
			return
		default:
			s.t.Errorf("sink: got %q", line)
		}
		if !ok {
			return
		}
	}
}

// readData reads up to the final dot, which it takes off.
func readData(r *bufio.Reader) (string, error) {
	var b bytes.Buffer
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(line)
	}
}

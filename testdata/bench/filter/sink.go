package main

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// sink is the queue: an SMTP server that takes everything and keeps nothing.
type sink struct {
	listener net.Listener
	delay    atomic.Int64 // nanoseconds to think about a message
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sink{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s, nil
}

func (s *sink) addr() string { return s.listener.Addr().String() }

// target is the sink as what messages are sent to.
func (s *sink) target() *target { return &target{name: "queue", addr: s.addr()} }

func (s *sink) port() string { return strconv.Itoa(s.listener.Addr().(*net.TCPAddr).Port) }

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	reply := []byte("220 queue ESMTP\r\n")
	for {
		// What is pipelined is answered together.
		if r.Buffered() == 0 && len(reply) > 0 {
			if _, err := conn.Write(reply); err != nil {
				return
			}
			reply = reply[:0]
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		switch verb {
		case "EHLO":
			reply = append(reply, "250-queue\r\n250-PIPELINING\r\n250-SIZE 99999999\r\n250 8BITMIME\r\n"...)
		case "DATA":
			if _, err := conn.Write(append(reply, "354 go on\r\n"...)); err != nil {
				return
			}
			if !discard(r) {
				return
			}
			time.Sleep(time.Duration(s.delay.Load()))
			reply = append(reply[:0], "250 2.0.0 Ok: queued as BENCH\r\n"...)
		case "QUIT":
			_, _ = conn.Write(append(reply, "221 2.0.0 Bye\r\n"...))
			return
		default:
			reply = append(reply, "250 2.1.0 Ok\r\n"...)
		}
	}
}

// discard reads up to and with the dot that ends a message. It looks at the
// bytes in big steps, so that the queue is not what is measured.
func discard(r *bufio.Reader) bool {
	end := []byte("\r\n.\r\n")
	for {
		if _, err := r.Peek(len(end)); err != nil {
			return false
		}
		b, _ := r.Peek(r.Buffered())
		if i := bytes.Index(b, end); i >= 0 {
			_, _ = r.Discard(i + len(end))
			return true
		}
		_, _ = r.Discard(len(b) - len(end) + 1)
	}
}

package proxy

import (
	"bytes"
	"errors"
	"net"
	"syscall"
	"time"
)

// maxCommand is the greatest size of a command line with its line end. Postfix
// reads commands of up to 2048 bytes (line_length_limit).
const maxCommand = 4096

var (
	errCommandLong = errors.New("command line too long")
	errCommandByte = errors.New("bare CR or LF, or NUL, in a command line")
)

// peer is the connection that messages come from. Replies are gathered and go
// out when it would otherwise wait for input, or they are many, which is what a client that
// pipelines wants (RFC 2920, section 3.2).
type peer struct {
	conn net.Conn
	arm  func() error // sets the deadline of what follows, or says that it is over
	buf  [maxCommand]byte
	in   []byte // what has been read and not consumed; usually a part of buf
	out  []byte

	waited time.Duration // the time spent waiting for message data
}

func (p *peer) reset(conn net.Conn) {
	p.conn, p.in, p.out, p.waited = conn, nil, p.out[:0], 0
}

func (p *peer) say(r string) { p.out = append(p.out, r...) }

func (p *peer) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	_, err := p.conn.Write(p.out)
	p.out = p.out[:0]
	return err
}

// cork keeps back what is said from now on until the connection is closed (tcp(7),
// TCP_CORK), so that it goes out with the end, in one segment: each one costs both
// sides another turn. Input that has not been read by then would make it be lost.
func (p *peer) cork() {
	conn := p.conn
	for {
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = over.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1)
	})
}

// line returns the next command line without its line end. It is valid until
// the next call of a method of p.
func (p *peer) line() ([]byte, error) {
	if err := p.arm(); err != nil {
		return nil, err
	}
	if len(p.out) >= maxCommand { // a reply may be much longer than its command
		if err := p.flush(); err != nil {
			return nil, err
		}
	}
	seen := 0
	for {
		if i := bytes.IndexByte(p.in[seen:], '\n'); i >= 0 {
			end := seen + i
			line, ok := bytes.CutSuffix(p.in[:end], []byte("\r"))
			p.in = p.in[end+1:]
			if !ok || bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
				return nil, errCommandByte
			}
			return line, nil
		}
		seen = len(p.in)
		if seen >= maxCommand {
			return nil, errCommandLong
		}
		p.in = p.buf[:copy(p.buf[:], p.in)]
		n, err := p.read(p.buf[seen:])
		if n == 0 && err != nil {
			return nil, err
		}
		p.in = p.buf[:seen+n]
	}
}

// Read reads message data.
func (p *peer) Read(b []byte) (int, error) {
	if len(p.in) > 0 {
		n := copy(b, p.in)
		p.in = p.in[n:]
		return n, nil
	}
	if err := p.arm(); err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := p.read(b)
	p.waited += time.Since(start)
	return n, err
}

// unread gives back what Read returned beyond the end of the message: the
// commands of a client that pipelines.
func (p *peer) unread(b []byte) {
	if len(b) > 0 {
		p.in = append(append(make([]byte, 0, len(b)+len(p.in)), b...), p.in...)
	}
}

// waiting implements source.
func (p *peer) waiting() time.Duration { return p.waited }

// gone implements source. That a client has gone shows when it is answered.
func (p *peer) gone() bool { return false }

func (p *peer) read(b []byte) (int, error) {
	if err := p.flush(); err != nil {
		return 0, err
	}
	return p.conn.Read(b)
}

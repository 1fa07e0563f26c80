package relay

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"chatmaild/applets/iroh/frame"
)

// readSize is how much is read at once, in bytes: more than a frame.
const readSize = 128 << 10

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// errMemory ends the connection of a client that sends a frame in pieces while there is
// no memory left for those.
var errMemory = errors.New("too many frames of all clients are not there as a whole")

// budget bounds what all clients together have in memory, in bytes.
type budget struct {
	most int64
	used atomic.Int64
}

func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) <= b.most {
		return true
	}
	b.give(n)
	return false
}

func (b *budget) give(n int) { b.used.Add(-int64(n)) }

// input is what a client sends. It has a buffer only while there is something to read:
// most clients have nothing to say most of the time.
type input struct {
	raw    syscall.RawConn
	memory *budget
	buf    *[readSize]byte // or nil: then what is there is in rest
	have   []byte          // of buf: what has been read and not been taken
	rest   []byte
}

// newInput begins with what has been read.
func newInput(conn net.Conn, memory *budget, rest []byte) (*input, error) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.New("not a connection of the operating system's")
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	if !memory.take(len(rest)) {
		return nil, errMemory
	}
	return &input{raw: raw, memory: memory, rest: rest}, nil
}

// load fetches a buffer.
func (in *input) load() {
	if in.buf == nil {
		in.buf = readBuffers.Get().(*[readSize]byte)
		in.have = in.buf[:copy(in.buf[:], in.rest)]
		in.memory.give(len(in.rest))
		in.rest = nil
	}
}

// store gives it back, and keeps what is in it.
func (in *input) store() error {
	if in.buf == nil {
		return nil
	}
	if n := len(in.have); n > 0 {
		if !in.memory.take(n) {
			return errMemory
		}
		in.rest = append(make([]byte, 0, n), in.have...)
	}
	readBuffers.Put(in.buf)
	in.buf, in.have = nil, nil
	return nil
}

// release gives back all there is.
func (in *input) release() {
	in.have = nil
	_ = in.store() // which needs no memory
	in.memory.give(len(in.rest))
	in.rest = nil
}

// next takes a whole frame; ok is false if there is none.
func (in *input) next() (f frame.Frame, ok bool, err error) {
	in.load()
	f, n, err := frame.Next(in.have)
	in.have = in.have[n:]
	return f, n > 0, err
}

// partial reports whether a frame has begun.
func (in *input) partial() bool { return len(in.have)+len(in.rest) > 0 }

// read waits until there is more, and returns how much.
func (in *input) read() (n int, err error) {
	var failed error
	err = in.raw.Read(func(fd uintptr) bool {
		in.load()
		// What is left moves to the front: there is room for a frame behind it.
		in.have = in.buf[:copy(in.buf[:], in.have)]
		for {
			n, failed = syscall.Read(int(fd), in.buf[len(in.have):])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed != syscall.EAGAIN {
			return true
		}
		n = 0
		failed = in.store()
		return failed != nil
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, failed
	case n == 0:
		return 0, io.EOF
	}
	in.have = in.buf[:len(in.have)+n]
	return n, nil
}

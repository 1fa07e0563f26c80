package tabline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"
)

// readBuffer is in bytes. A longer line is put together on the heap.
const readBuffer = 1 << 10

// Errors of Reader.Next, beside io.EOF at the end of a line.
var (
	ErrTooLong = errors.New("a line is too long")
	ErrCut     = errors.New("the connection ended within a line")
)

// Reader reads lines of a bounded length.
type Reader struct {
	in  *bufio.Reader
	max int
}

// buffers are kept between connections: Dovecot often makes one for each request.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, readBuffer) }}

// NewReader returns a Reader of lines of at most maxLine bytes. Close gives its
// buffer back.
func NewReader(r io.Reader, maxLine int) *Reader {
	in := buffers.Get().(*bufio.Reader)
	in.Reset(r)
	return &Reader{in: in, max: maxLine}
}

// Close ends the use of the Reader, but not of what it reads from.
func (r *Reader) Close() {
	r.in.Reset(nil)
	buffers.Put(r.in)
	r.in = nil
}

// Next returns the next line without its line feed. It is valid until the next
// call.
func (r *Reader) Next() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	long := append([]byte(nil), line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > r.max {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.max)
		}
		line, err = r.in.ReadSlice('\n')
		long = append(long, line...)
	}
	switch {
	case err == nil && len(long) > r.max+1:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, r.max)
	case err == nil:
		return long[:len(long)-1], nil
	case errors.Is(err, io.EOF) && len(long) > 0:
		return nil, ErrCut
	default:
		return nil, err
	}
}

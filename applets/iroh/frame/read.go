package frame

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Read reads one frame. The buffer of r must have room for it: MaxSize, or less where
// less is expected (bufio.ErrBufferFull). What the frame has is r's until the next read.
func Read(r *bufio.Reader) (Frame, error) {
	for want := header; ; {
		b, err := r.Peek(want)
		if err == io.EOF && len(b) > 0 {
			err = io.ErrUnexpectedEOF
		}
		f, n, bad := Next(b)
		switch {
		case bad != nil:
			return Frame{}, bad
		case err != nil:
			return Frame{}, err
		case n > 0:
			_, err = r.Discard(n)
			return f, err
		}
		want = header + int(binary.BigEndian.Uint32(b[1:]))
	}
}

package proxy

import (
	"bufio"
	"bytes"
)

// stuffer writes a message as it goes over the wire: a line that begins with a
// dot gets a second one (RFC 5321, section 4.5.2).
type stuffer struct {
	w    *bufio.Writer
	midl bool // the last byte was not a line end
}

// Write never fails: its writer's target, a *queue.Injection, keeps the failure.
func (s *stuffer) Write(b []byte) (int, error) {
	n := len(b)
	if n == 0 {
		return 0, nil
	}
	midl := b[n-1] != '\n'
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '.')
		if i < 0 {
			break
		}
		i += from
		if i > 0 && b[i-1] == '\n' || i == 0 && !s.midl {
			_, _ = s.w.Write(b[:i])
			_ = s.w.WriteByte('.')
			b, from, s.midl = b[i:], 1, true
			continue
		}
		from = i + 1
	}
	_, _ = s.w.Write(b)
	s.midl = midl
	return n, nil
}

package queue

import (
	"bufio"
	"errors"
	"fmt"
)

// maxReply bounds a reply of the queue in bytes, all of its lines together.
const maxReply = 4096

var errReply = errors.New("the queue's reply is not SMTP")

// Reply is a whole reply of the queue, with line ends, to be handed on as it is.
type Reply string

// class returns the first digit, which says all that matters here.
func (r Reply) class() byte { return r[0] }

// Closing reports whether the queue is about to hang up (RFC 5321, section 3.8).
func (r Reply) Closing() bool { return r[:3] == "421" }

// ReadReply reads a reply, which may have many lines (RFC 5321, section 4.2.1).
func ReadReply(r *bufio.Reader) (Reply, error) {
	var all []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", fmt.Errorf("reading a reply of the queue: %w", err)
		}
		n := len(line)
		if n < 5 || line[n-2] != '\r' || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) ||
			n > 5 && line[3] != ' ' && line[3] != '-' || len(all)+n > maxReply {
			return "", errReply
		}
		last := n == 5 || line[3] == ' '
		if last && all == nil {
			return intern(line), nil
		}
		all = append(all, line...)
		if last {
			return Reply(all), nil
		}
	}
}

// intern spares the allocation for the replies that Postfix gives most often.
func intern(line []byte) Reply {
	for _, known := range [...]Reply{
		"250 2.1.0 Ok\r\n",
		"250 2.1.5 Ok\r\n",
		"354 End data with <CR><LF>.<CR><LF>\r\n",
	} {
		if string(line) == string(known) {
			return known
		}
	}
	return Reply(line)
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

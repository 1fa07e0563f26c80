package journal

import (
	"net"
	"time"
)

const (
	// patience is how long the log waits for the metrics daemon to take a line; once it has
	// not, no line waits for longer than impatience.
	patience   = 100 * time.Millisecond
	impatience = time.Millisecond
)

// Sender is the other end of Follow, in "chatmaild supervise": it passes the servers' lines on
// to the metrics daemon, which counts what happens. A line that the daemon does not take is
// not counted.
type Sender struct {
	Path string // of the socket
	conn *net.UnixConn
	lost bool // the last line was
}

// Line passes on a datagram of syslog(3)'s.
func (p *Sender) Line(datagram []byte) {
	if p.conn == nil {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: p.Path, Net: "unixgram"})
		if err != nil {
			return // the socket is not there yet
		}
		p.conn = conn
	}
	wait := patience
	if p.lost {
		wait = impatience
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(wait))
	_, err := p.conn.Write(datagram)
	p.lost = err != nil
	if err != nil && !isTimeout(err) {
		p.conn.Close() // the socket was made again
		p.conn = nil
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

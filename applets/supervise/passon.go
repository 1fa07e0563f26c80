package supervise

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

// passOn passes the servers' lines on to the metrics daemon, which counts what happens
// (applets/metrics/journal). A line that it does not take is not counted.
type passOn struct {
	path string
	conn *net.UnixConn
	lost bool // the last line was
}

func (p *passOn) line(datagram []byte) {
	if p.conn == nil {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: p.path, Net: "unixgram"})
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

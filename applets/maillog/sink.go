package maillog

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"time"
)

// patience is how long the journal may take no line before lines are lost: the servers
// wait meanwhile. Once some are lost, none waits for longer than impatience.
const (
	patience   = time.Second
	impatience = time.Millisecond
)

// sink is the journal's socket.
type sink struct {
	path string
	conn *net.UnixConn
	lost int
	log  *slog.Logger
}

// write gives the journal a line, or counts it as lost: no server has to wait for a
// journal that does not move.
func (s *sink) write(line []byte) {
	err := s.try(line)
	if err != nil && s.conn != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		// journald has made its socket again.
		s.conn.Close()
		s.conn = nil
		err = s.try(line)
	}
	switch {
	case err != nil:
		s.lost++
	case s.lost > 0:
		s.log.Warn("the journal did not accept all lines of the servers", "lost", s.lost)
		s.lost = 0
	}
}

func (s *sink) try(line []byte) error {
	if s.conn == nil {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"})
		if err != nil {
			return err
		}
		s.conn = conn
	}
	wait := patience
	if s.lost > 0 {
		wait = impatience
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(wait)); err != nil {
		return err
	}
	_, err := s.conn.Write(line)
	return err
}

package relay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"chatmaild/applets/iroh/frame"
)

var errHandshake = errors.New("refused")

// handshake answers HTTP and takes the client's proof. It returns what the client has
// sent beyond that.
func (s *Server) handshake(conn net.Conn) (key frame.Key, rest []byte, err error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return key, nil, err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxHandshake))
	request, err := http.ReadRequest(in)
	if err != nil {
		s.options.Events.Refused(Handshake)
		return key, nil, err
	}
	if code := status(request); code != http.StatusSwitchingProtocols {
		s.options.Events.Refused(Handshake)
		// A client that does not take the answer needs none.
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nUpgrade: %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", code, http.StatusText(code), frame.Upgrade)
		return key, nil, errHandshake
	}
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n", frame.Upgrade); err != nil {
		return key, nil, err
	}
	first, err := frame.Read(in)
	if err == nil {
		key, err = frame.Proven(first)
	}
	if err != nil {
		s.options.Events.Refused(Proof)
		return key, nil, err
	}
	rest, err = in.Peek(in.Buffered())
	return key, bytes.Clone(rest), errors.Join(err, conn.SetDeadline(time.Time{}))
}

// status is the answer to a request. Frames in a websocket, which iroh in a browser
// speaks, no chatmail client needs.
func status(r *http.Request) int {
	switch {
	case r.URL.Path != frame.Path:
		return http.StatusNotFound
	case r.Method != http.MethodGet || r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return http.StatusBadRequest
	case r.Header.Get("Upgrade") != frame.Upgrade:
		return http.StatusUpgradeRequired
	}
	return http.StatusSwitchingProtocols
}

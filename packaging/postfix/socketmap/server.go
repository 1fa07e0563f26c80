package socketmap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"chatmaild/applets/service/accept"
)

// Bounds of a Server.
const (
	maxConns       = 1024    // Postfix's proxymap makes 100
	maxRequest     = 8 << 10 // bytes; Postfix cuts SMTP lines at 2048
	requestTimeout = 25 * time.Second
	writeTimeout   = 30 * time.Second
)

// Handler answers look-ups. It is called concurrently for different connections.
type Handler interface {
	// Lookup returns the value of key in a table. The text of an error, which
	// stands for a fault that may pass, is shown to Postfix, which logs it.
	Lookup(ctx context.Context, table, key string) (value string, found bool, err error)
}

// Server serves the socketmap protocol. Both fields are required.
type Server struct {
	Handler Handler
	Log     *slog.Logger
}

// Serve answers l's connections until ctx is done. It then closes l, finishes the
// requests that are being answered, closes the connections and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	loop := accept.Loop{Protocol: "socketmap", Max: maxConns, Log: s.Log}
	return loop.Serve(ctx, l, s.serveConn)
}

// serveConn answers one connection until it ends, breaks, or ctx is done.
func (s *Server) serveConn(ctx context.Context, nc net.Conn) {
	switch err := s.run(ctx, nc); {
	case err == nil, errors.Is(err, io.EOF):
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
	default:
		s.Log.Warn("socketmap connection dropped", "error", err)
	}
}

func (s *Server) run(ctx context.Context, nc net.Conn) error {
	in := bufio.NewReaderSize(nc, 512)
	var out []byte
	for ctx.Err() == nil {
		request, err := readNetstring(in, maxRequest)
		if err != nil {
			return err
		}
		table, key, err := parseRequest(request)
		if err != nil {
			return err
		}
		out = s.answer(context.WithoutCancel(ctx), out[:0], table, key)
		if err := nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
		if _, err := nc.Write(out); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
	return nil
}

func (s *Server) answer(ctx context.Context, out []byte, table, key string) []byte {
	ctx, cancel := accept.Within(ctx, requestTimeout)
	defer cancel()
	value, found, err := s.Handler.Lookup(ctx, table, key)
	return appendReply(out, value, found, err)
}

package dict

import (
	"context"
	"log/slog"
	"net"
	"time"

	"chatmaild/applets/service/accept"
)

// Defaults of Server's bounds.
const (
	DefaultMaxConns       = 16384            // each imap process holds one to metadata
	DefaultMaxLine        = 64 << 10         // bytes; DICT_CLIENT_MAX_LINE_LENGTH
	DefaultRequestTimeout = 25 * time.Second // Dovecot gives up after 30
	DefaultWriteTimeout   = 30 * time.Second
)

// Server serves the dict protocol. Handler and Log are required; a zero bound
// stands for its default.
type Server struct {
	Handler Handler
	Log     *slog.Logger

	MaxConns       int           // connections at once; further ones are closed
	MaxLine        int           // bytes in a line; a longer one ends its connection
	RequestTimeout time.Duration // bounds the context of each Handler call
	WriteTimeout   time.Duration // how long a peer may leave its answers unread
}

// Serve answers l's connections until ctx is done. It then closes l, finishes the
// requests that are being answered, closes the connections and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s = s.withDefaults()
	loop := accept.Loop{Protocol: "dict", Max: s.MaxConns, Log: s.Log}
	return loop.Serve(ctx, l, s.serveConn)
}

func (s *Server) withDefaults() *Server {
	d := *s
	if d.MaxConns <= 0 {
		d.MaxConns = DefaultMaxConns
	}
	if d.MaxLine <= 0 {
		d.MaxLine = DefaultMaxLine
	}
	if d.RequestTimeout <= 0 {
		d.RequestTimeout = DefaultRequestTimeout
	}
	if d.WriteTimeout <= 0 {
		d.WriteTimeout = DefaultWriteTimeout
	}
	return &d
}

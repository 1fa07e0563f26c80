package dict

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Defaults of Server's bounds.
const (
	DefaultMaxConns       = 16384            // each imap process holds one to metadata
	DefaultMaxLine        = 64 << 10         // octets; DICT_CLIENT_MAX_LINE_LENGTH
	DefaultRequestTimeout = 25 * time.Second // Dovecot gives up after 30
	DefaultWriteTimeout   = 30 * time.Second
)

// Server serves the dict protocol. Handler and Log are required; a zero bound
// stands for its default.
type Server struct {
	Handler Handler
	Log     *slog.Logger

	MaxConns       int           // connections at once; further ones are closed
	MaxLine        int           // octets in a line; a longer one ends its connection
	RequestTimeout time.Duration // bounds the context of each Handler call
	WriteTimeout   time.Duration // how long a peer may leave its answers unread
}

// Serve answers l's connections until ctx is done. It then closes l, finishes the
// requests that are being answered, closes the connections and returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s = s.withDefaults()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()

	var bufs readers
	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, s.MaxConns)
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			if err = s.acceptFailed(ctx, err); err != nil {
				return err
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			s.Log.Warn("too many dict connections", "max", s.MaxConns)
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			s.serveConn(ctx, nc, &bufs)
		})
	}
}

// acceptFailed waits a moment if the fault may pass, as running out of file
// descriptors does, and returns it if not.
func (s *Server) acceptFailed(ctx context.Context, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("accepting a dict connection: %w", err)
	}
	s.Log.Error("cannot accept a dict connection", "error", err)
	select {
	case <-ctx.Done():
	case <-time.After(100 * time.Millisecond):
	}
	return nil
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

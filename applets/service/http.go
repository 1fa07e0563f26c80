package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of a connection. The other side is nginx, over a unix socket.
const (
	maxConnections = 1024
	maxHeader      = 8 << 10 // bytes
	ioTimeout      = 10 * time.Second
	idleTimeout    = 2 * time.Minute
)

// ServeHTTP answers HTTP on l until ctx is done, and returns when the requests at hand
// are finished. It closes l.
func ServeHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	return HTTP{Handler: h, MaxHeader: maxHeader, MaxConnections: maxConnections, Log: log}.Serve(ctx, l)
}

// ServeLargeHTTP is ServeHTTP for requests with a header of up to headerSize bytes.
func ServeLargeHTTP(ctx context.Context, l net.Listener, h http.Handler, headerSize int, log *slog.Logger) error {
	return HTTP{Handler: h, MaxHeader: headerSize, MaxConnections: maxConnections, Log: log}.Serve(ctx, l)
}

// HTTP is a server with bounds of its own. All fields are required.
type HTTP struct {
	Handler        http.Handler
	MaxHeader      int // bytes
	MaxConnections int // at once, with those that a handler has taken over; further ones wait
	Log            *slog.Logger
}

// Serve is ServeHTTP with these bounds. A connection that a handler has taken over
// (http.Hijacker) is the handler's to end.
func (h HTTP) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:        h.Handler,
		ReadTimeout:    ioTimeout,
		WriteTimeout:   ioTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: h.MaxHeader,
		ErrorLog:       slog.NewLogLogger(h.Log.Handler(), slog.LevelDebug),
	}
	finished := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// service.Run bounds the time that this may take.
		finished <- server.Shutdown(context.WithoutCancel(ctx))
	})
	err := server.Serve(netutil.LimitListener(l, h.MaxConnections))
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

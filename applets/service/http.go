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
	return ServeLargeHTTP(ctx, l, h, maxHeader, log)
}

// ServeLargeHTTP is ServeHTTP for requests with a header of up to headerSize bytes.
func ServeLargeHTTP(ctx context.Context, l net.Listener, h http.Handler, headerSize int, log *slog.Logger) error {
	server := &http.Server{
		Handler:        h,
		ReadTimeout:    ioTimeout,
		WriteTimeout:   ioTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: headerSize,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	finished := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// service.Run bounds the time that this may take.
		finished <- server.Shutdown(context.WithoutCancel(ctx))
	})
	err := server.Serve(netutil.LimitListener(l, maxConnections))
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

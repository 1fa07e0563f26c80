// Package accept is the part of a server that protocols have in common: it takes
// a listener's connections, no more at once than allowed, and ends in order.
package accept

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// pause is how long nothing is accepted after a fault that may pass, as running
// out of file descriptors does.
const pause = 100 * time.Millisecond

// Loop accepts connections. All fields are required.
type Loop struct {
	Protocol string // as the log calls it
	Max      int    // connections at once; further ones are closed
	Log      *slog.Logger
}

// Serve calls handle for each of l's connections, in a goroutine of its own, and
// closes the connection afterwards, even if handle panics. When ctx is done it
// closes l, has all that wait for more from a peer read os.ErrDeadlineExceeded,
// waits until every handle has returned, and returns nil.
func (a Loop) Serve(ctx context.Context, l net.Listener, handle func(context.Context, net.Conn)) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()

	var conns sync.WaitGroup
	defer conns.Wait()
	slots := make(chan struct{}, a.Max)
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				nc.Close()
			}
			return nil
		}
		if err != nil {
			if err = a.failed(ctx, err); err != nil {
				return err
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			a.Log.Warn("too many "+a.Protocol+" connections", "max", a.Max)
			nc.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			a.serve(ctx, nc, handle)
		})
	}
}

func (a Loop) serve(ctx context.Context, nc net.Conn, handle func(context.Context, net.Conn)) {
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			a.Log.Error("internal fault in a "+a.Protocol+" request", "fault", fmt.Sprint(p), "trace", string(debug.Stack()))
		}
	}()
	handle(ctx, nc)
}

// failed waits a moment if the fault may pass, and returns it if not.
func (a Loop) failed(ctx context.Context, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("accepting a %s connection: %w", a.Protocol, err)
	}
	a.Log.Error("cannot accept a "+a.Protocol+" connection", "error", err)
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
	return nil
}

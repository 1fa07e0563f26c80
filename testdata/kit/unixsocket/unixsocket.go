// Package unixsocket has a test's server listen on a Unix socket.
package unixsocket

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// answerTimeout bounds a dialogue with the server, so that a test that waits in vain fails.
const answerTimeout = 10 * time.Second

// Serve runs serve until stop is called or the test ends, whichever is first, and returns
// the path of its socket. Stop returns what serve did.
func Serve(t testing.TB, serve func(context.Context, net.Listener) error) (path string, stop func() error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return path, stop
}

// Dial connects to the socket at path, until the test ends.
func Dial(t testing.TB, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		t.Fatal(err)
	}
	return c
}

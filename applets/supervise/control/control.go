// Package control is how admin commands have "chatmaild supervise" do what systemctl(1) does
// where there is systemd: by the same words, over a unix socket of root's.
//
// A request and its answer are a JSON object each, and then the connection is over. The
// answer comes when the work is done, as systemctl's does.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"chatmaild/applets/service/accept"
)

// Socket is where supervise listens. Only root can connect.
const Socket = "/run/chatmaild/supervise.socket"

const (
	// maxConns is how many requests are answered at the same time.
	maxConns = 64
	// maxRequest bounds a request, in bytes: a command line.
	maxRequest = 64 << 10
	// requestTimeout is how long a request may take to arrive.
	requestTimeout = 5 * time.Second
	// maxAnswer bounds an answer, in bytes: the state of all units.
	maxAnswer = 1 << 20
)

type request struct {
	Args []string `json:"args"`
}

type answer struct {
	Output string `json:"output"`
	Error  string `json:"error,omitempty"`
}

// Present reports whether units are those of supervise here, not of systemd. The socket of
// one that was killed stays; then it is still so, and Call says that nothing answers.
func Present(socket string) bool {
	_, err := os.Lstat(socket)
	return err == nil
}

// Call has supervise do what "systemctl ARGS" does, and returns what that prints.
func Call(ctx context.Context, socket string, args []string) (output string, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("asking chatmaild supervise: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(request{args}); err != nil {
		return "", fmt.Errorf("asking chatmaild supervise: %w", err)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, maxAnswer)).Decode(&a); err != nil {
		return "", fmt.Errorf("asking chatmaild supervise: %w", errors.Join(ctx.Err(), err))
	}
	if a.Error != "" {
		return a.Output, errors.New(a.Error)
	}
	return a.Output, nil
}

// Server answers by what Do returns. Both fields are required.
type Server struct {
	Do  func(ctx context.Context, args []string) (output string, err error)
	Log *slog.Logger
}

// Serve answers until ctx is done; it closes l. Work in progress is told so by its context.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	loop := accept.Loop{Protocol: "supervise", Max: maxConns, Log: s.Log}
	return loop.Serve(ctx, l, s.serve)
}

func (s Server) serve(ctx context.Context, conn net.Conn) {
	var r request
	if err := conn.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return
	}
	var a answer
	err := json.NewDecoder(io.LimitReader(conn, maxRequest)).Decode(&r)
	if err != nil {
		err = fmt.Errorf("the request is not valid: %w", err)
	} else {
		a.Output, err = s.Do(ctx, r.Args)
	}
	if err != nil {
		a.Error = err.Error()
	}
	// One that does not wait for its answer does not want it.
	_ = json.NewEncoder(conn).Encode(a)
}

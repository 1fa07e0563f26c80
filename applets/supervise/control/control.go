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
	"net"
	"os"
	"time"
)

// Socket is where supervise listens. Only root can connect.
const Socket = "/run/chatmaild/supervise.socket"

const (
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

// Serve answers until ctx is done; it closes l. Work in progress is told so by its context.
func Serve(ctx context.Context, l net.Listener, do func(ctx context.Context, args []string) (output string, err error)) error {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for admin commands: %w", err)
		}
		go func() {
			defer conn.Close()
			serve(ctx, conn, do)
		}()
	}
}

func serve(ctx context.Context, conn net.Conn, do func(ctx context.Context, args []string) (output string, err error)) {
	var r request
	if err := conn.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return
	}
	var a answer
	err := json.NewDecoder(io.LimitReader(conn, maxRequest)).Decode(&r)
	if err != nil {
		err = fmt.Errorf("the request is not valid: %w", err)
	} else {
		a.Output, err = do(ctx, r.Args)
	}
	if err != nil {
		a.Error = err.Error()
	}
	// One that does not wait for its answer does not want it.
	_ = json.NewEncoder(conn).Encode(a)
}

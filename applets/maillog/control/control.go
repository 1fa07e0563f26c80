// Package control is how root asks the maillog daemon: one request on one line, and the
// answer until the connection ends.
//
//	name NAME       the pseudonym that NAME has today
//	watch SECONDS   the servers' lines, as they were written, for so long
//
// An error is answered as "error TEXT".
package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Socket is where the daemon listens.
const Socket = "/run/chatmaild/maillog.socket"

// Bounds of what is asked, and of a line.
const (
	MaxWatch   = 24 * time.Hour
	MaxRequest = 1 << 10 // bytes
	MaxLine    = 48 << 10
)

// Watch writes the servers' lines to w as they were written, until the time is over or
// ctx is done, which is not an error. It asks the daemon at the socket.
func Watch(ctx context.Context, socket string, long time.Duration, w io.Writer) error {
	answer, stop, err := ask(ctx, socket, fmt.Sprintf("watch %d", int(long/time.Second)))
	if err != nil {
		return err
	}
	defer stop()
	for answer.Scan() {
		line := answer.Text()
		if text, ok := strings.CutPrefix(line, "error "); ok {
			return errors.New(text)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if err := answer.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading the servers' log: %w", err)
	}
	return nil
}

// Name returns the pseudonym that a name has in today's lines.
func Name(ctx context.Context, socket, name string) (string, error) {
	if strings.ContainsAny(name, "\n\r") || len(name) > MaxRequest/2 {
		return "", fmt.Errorf("%q is not a name", name)
	}
	answer, stop, err := ask(ctx, socket, "name "+name)
	if err != nil {
		return "", err
	}
	defer stop()
	if !answer.Scan() {
		return "", fmt.Errorf("asking for a pseudonym: no answer: %w", errors.Join(answer.Err(), io.ErrUnexpectedEOF))
	}
	if text, ok := strings.CutPrefix(answer.Text(), "error "); ok {
		return "", errors.New(text)
	}
	return answer.Text(), nil
}

// ask sends a request. Its answer is read until stop is called or ctx is done.
func ask(ctx context.Context, socket, request string) (answer *bufio.Scanner, stop func(), err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the maillog daemon: %w", err)
	}
	quiet := context.AfterFunc(ctx, func() { conn.Close() })
	stop = func() {
		quiet()
		conn.Close()
	}
	if _, err := io.WriteString(conn, request+"\n"); err != nil {
		stop()
		return nil, nil, fmt.Errorf("asking the maillog daemon: %w", err)
	}
	answer = bufio.NewScanner(conn)
	answer.Buffer(nil, MaxLine+1)
	return answer, stop, nil
}

package routes

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"chatmaild/applets/service/accept"
)

// Bounds of the socket.
const (
	maxConns   = 16  // at once
	maxRequest = 512 // bytes
	// timeout is longer than the look-up of a domain may take.
	timeout = 15 * time.Second
)

// Transport is what answers.
type Transport interface {
	// Routes returns what is known.
	Routes() []Route
	// Retry has the hosts of a domain tried again now, and returns them. There are none if the
	// domain has no host.
	Retry(ctx context.Context, domain string) (hosts []string)
}

// Server answers by a transport. Both fields are required.
type Server struct {
	Transport Transport
	Log       *slog.Logger
}

// Serve answers requests from the connections that l accepts until ctx is done. It closes l.
func (s Server) Serve(ctx context.Context, l net.Listener) error {
	loop := accept.Loop{Protocol: "routes", Max: maxConns, Log: s.Log}
	return loop.Serve(ctx, l, s.serve)
}

func (s Server) serve(ctx context.Context, conn net.Conn) {
	if conn.SetDeadline(time.Now().Add(timeout)) != nil {
		return
	}
	line, err := bufio.NewReader(io.LimitReader(conn, maxRequest)).ReadString('\n')
	if err != nil {
		return
	}
	var answer any
	switch verb, domain, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); verb {
	case "list":
		answer = s.Transport.Routes()
	case "retry":
		answer = s.Transport.Retry(ctx, domain)
	default:
		return
	}
	// A client that has gone away needs no answer.
	_ = json.NewEncoder(conn).Encode(answer)
}

// Read asks the transport behind a socket for its routes.
func Read(ctx context.Context, socket string) (list []Route, err error) {
	if err := ask(ctx, socket, "list", &list); err != nil {
		return nil, fmt.Errorf("asking the transport for its routes: %w", err)
	}
	return list, nil
}

// Retry has the transport behind a socket try the hosts of a domain again, whatever it knows of
// them. One that does not run knows nothing.
func Retry(ctx context.Context, socket, domain string) error {
	var hosts []string
	err := ask(ctx, socket, "retry "+domain, &hosts)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("having the transport try a domain's hosts again: %w", err)
}

// ask sends a request and reads its answer.
func ask(ctx context.Context, socket, request string, answer any) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, request+"\n"); err != nil {
		return err
	}
	return json.NewDecoder(conn).Decode(answer)
}

package routes

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of the socket.
const (
	maxClients = 2   // at once
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

// Serve answers requests from the connections that l accepts until ctx is done. It closes l.
func Serve(ctx context.Context, l net.Listener, t Transport) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	l = netutil.LimitListener(l, maxClients)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for requests about routes: %w", err)
		}
		go func() {
			defer conn.Close()
			serve(ctx, conn, t)
		}()
	}
}

func serve(ctx context.Context, conn net.Conn, t Transport) {
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
		answer = t.Routes()
	case "retry":
		answer = t.Retry(ctx, domain)
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

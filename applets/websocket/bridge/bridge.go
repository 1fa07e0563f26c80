// Package bridge connects clients that speak IMAP or SMTP in a WebSocket (RFC 6455) to the
// servers of these protocols. It stands behind nginx, which ends TLS and says in X-Real-IP
// who the client is.
//
// What a client sends is a stream of bytes: messages, of either type, have no meaning of
// their own, so none is ever in memory as a whole. Answers are binary messages. This is
// what the Python relay's proposal has (chatmail/relay#1030, by websockify), and clients
// made for that one, which ask for the subprotocol "binary" or for none, work with this.
//
// github.com/coder/websocket frames it. It is maintained, has no dependencies of its own,
// reads and writes messages as streams, and takes a context everywhere. That of
// golang.org/x/net/websocket is not developed any further, as its own documentation says,
// and reads whole frames; gorilla/websocket has two mutexes to keep in mind and deadlines
// in place of contexts.
package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"chatmaild/applets/service"
)

// Bounds that no configuration changes.
const (
	maxBeginning = 256             // connections beside those of clients
	maxHeader    = 4 << 10         // bytes of a request
	dialTime     = 5 * time.Second // for a server on this machine
	writeTime    = 2 * time.Minute // for a piece of bufferSize, over a slow network
	bufferSize   = 4 << 10         // bytes, for each direction

	// A client in IDLE is silent for 29 minutes at most (RFC 2177), and Dovecot says
	// something every two.
	idleTime = 40 * time.Minute
)

// Options is what a bridge needs.
type Options struct {
	Servers map[string]string // host:port, by the path of the request; they expect the PROXY protocol
	Clients int               // at once
	Events  Events
	Log     *slog.Logger
}

// Events is told what happens. It is safe for concurrent use.
type Events interface {
	Connected(now int) // how many there are
	Left(now int)      // likewise
	Refused(Reason)
}

// Reason is why a client was refused, or left alone.
type Reason string

// The reasons.
const (
	Full      Reason = "clients"   // there are as many as may be
	Handshake Reason = "handshake" // it asks for something else
	Server    Reason = "server"    // there is none to connect it to
	Idle      Reason = "idle"      // nobody has said anything for long
)

// Reasons are all of them.
func Reasons() []string {
	return []string{string(Full), string(Handshake), string(Server), string(Idle)}
}

// Bridge connects clients to servers.
type Bridge struct {
	options Options
	clients atomic.Int64
	open    sync.WaitGroup
	idle    time.Duration
}

// New returns a bridge that does not listen yet.
func New(o Options) *Bridge { return &Bridge{options: o, idle: idleTime} }

// Clients is how many there are.
func (b *Bridge) Clients() int { return int(b.clients.Load()) }

// Serve serves l until ctx is done. It closes l.
func (b *Bridge) Serve(ctx context.Context, l net.Listener) error {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(ctx, w, r) })
	err := service.HTTP{Handler: h, MaxHeader: maxHeader, MaxConnections: b.options.Clients + maxBeginning, Log: b.options.Log}.Serve(ctx, l)
	b.open.Wait()
	return err
}

// serve answers a request, and then is the client's until one of the two sides ends it.
func (b *Bridge) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	b.open.Add(1)
	defer b.open.Done()
	server, known := b.options.Servers[r.URL.Path]
	client, err := netip.ParseAddr(r.Header.Get("X-Real-IP"))
	if !known || err != nil {
		b.refuse(w, Handshake, http.StatusNotFound)
		return
	}
	now := b.clients.Add(1)
	defer func() { b.options.Events.Left(int(b.clients.Add(-1))) }()
	b.options.Events.Connected(int(now))
	if int(now) > b.options.Clients {
		b.refuse(w, Full, http.StatusServiceUnavailable)
		return
	}
	// It answers itself what is no WebSocket, and a page of another site in a browser: that
	// could have its visitors log in from their addresses.
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{"binary"}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		b.options.Events.Refused(Handshake)
		return
	}
	defer socket.CloseNow()
	// No message is held as a whole.
	socket.SetReadLimit(-1)
	conn, err := dial(ctx, server, client)
	if err != nil {
		b.options.Log.Error("cannot connect a WebSocket to its server", "path", r.URL.Path, "error", err)
		b.options.Events.Refused(Server)
		// The client comes again, whether it takes that or not.
		_ = socket.Close(websocket.StatusTryAgainLater, "")
		return
	}
	b.join(ctx, socket, conn)
}

func (b *Bridge) refuse(w http.ResponseWriter, why Reason, status int) {
	b.options.Events.Refused(why)
	http.Error(w, http.StatusText(status), status)
}

// join passes bytes on in both directions. It closes conn.
func (b *Bridge) join(ctx context.Context, socket *websocket.Conn, conn net.Conn) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	idle := time.AfterFunc(b.idle, func() {
		b.options.Events.Refused(Idle)
		end()
	})
	defer idle.Stop()
	alive := func() { idle.Reset(b.idle) }
	var sending sync.WaitGroup
	sending.Go(func() {
		defer conn.Close()
		defer end()
		receive(ctx, socket, conn, alive)
	})
	code := send(ctx, socket, conn, alive)
	// Ends the other direction, too, and answers a client that has said goodbye.
	_ = socket.Close(code, "")
	conn.Close()
	sending.Wait()
}

// buffers are for messages that are on their way: a client that is silent has none.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// receive passes on what the client says, until it says no more.
func receive(ctx context.Context, socket *websocket.Conn, conn net.Conn, alive func()) {
	for {
		_, message, err := socket.Reader(ctx)
		if err != nil || !passOn(message, conn, alive) {
			return
		}
	}
}

// passOn writes a message to the server, and reports whether it is there to the end.
func passOn(message io.Reader, conn net.Conn, alive func()) bool {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		n, err := message.Read(buffer[:])
		if n > 0 {
			alive()
			if conn.SetWriteDeadline(time.Now().Add(writeTime)) != nil {
				return false
			}
			if _, broken := conn.Write(buffer[:n]); broken != nil {
				return false
			}
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// send passes on what the server says, and returns how to say goodbye once it says no more.
func send(ctx context.Context, socket *websocket.Conn, conn net.Conn, alive func()) websocket.StatusCode {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	buffer := make([]byte, bufferSize)
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			alive()
			if write(ctx, socket, buffer[:n]) != nil {
				return websocket.StatusGoingAway
			}
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return websocket.StatusGoingAway
		case err != nil:
			return websocket.StatusNormalClosure
		}
	}
}

func write(ctx context.Context, socket *websocket.Conn, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return socket.Write(ctx, websocket.MessageBinary, data)
}

// dial connects to a server in the client's name.
func dial(ctx context.Context, server string, client netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(proxyHeader(client)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

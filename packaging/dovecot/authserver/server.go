package authserver

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"chatmaild/applets/service/accept"
	"chatmaild/packaging/dovecot/authproto"
)

// Bounds of a Server. Dovecot's own are named beside them.
const (
	maxConns    = 16384 // of each socket: an imap process has one
	maxRequests = 8192  // of one client's connection, answered or not

	failureDelay     = 2 * time.Second   // auth_failure_delay
	grantAge         = 150 * time.Second // MASTER_AUTH_SERVER_TIMEOUT_SECS
	startAge         = time.Second       // for how long a login counts as starting
	handshakeTimeout = 30 * time.Second
	requestTimeout   = 25 * time.Second // lmtp gives up after 30
	writeTimeout     = 30 * time.Second // how long a peer may leave its answers unread
	reconnectTime    = time.Second      // for a process to be gone that connects again
	handOver         = time.Second      // for imap to ask for the last logins before the server ends
)

// Handler knows the accounts. Its methods are called concurrently. What an error
// says, unless it is authproto.TryLater, is shown to nobody: it stands for a fault that may pass.
type Handler interface {
	// Remembered says whose login it is, if the same one was verified before. It answers
	// at once; Login, which is asked about all others, may take long.
	Remembered(c authproto.Credentials) (user string, ok bool)
	// Login checks a password. Client is where the login comes from, if known; user
	// is the account's name as the mailbox has it.
	Login(ctx context.Context, c authproto.Credentials, client netip.Addr) (user string, ok bool, err error)
	// Home says which other server has the mailbox of a user who has just logged in;
	// the zero AddrPort: none, it is here. Via is who connected for the client, if
	// anybody did.
	Home(ctx context.Context, user string, via netip.Addr) (netip.AddrPort, error)
	// User says whose mailbox name is.
	User(ctx context.Context, name string) (user string, found bool, err error)
	// Users calls yield for each account until yield fails, and returns that error.
	Users(ctx context.Context, yield func(user string) error) error
}

// Server serves the authentication protocols. Handler and Log are required. All
// sockets must be served by one Server: what one of them grants, another one asks
// for.
type Server struct {
	Handler Handler
	Log     *slog.Logger
	PID     int // of this process: imap holds those of both sides against each other
	// Starting is how many logins of imap-login are checked at a time, or have their OK without
	// imap having asked whose they are, because its process is still starting; 0: no limit.
	// Those of SMTP, for which a message waits, are not among them.
	Starting int
	// Stay is how long each of them counts at least: then so many logins begin in a second at
	// most, and what is left of the processors is for everything else.
	Stay time.Duration

	clients     clients
	gate        gate
	connections atomic.Uint64
}

// ServeLogin serves the client side for imap-login: imap then asks, on the master
// side, who has logged in. Like all Serve methods it answers l's connections until
// ctx is done; it then closes l, finishes the logins that are being checked, closes
// the connections and returns nil.
func (s *Server) ServeLogin(ctx context.Context, l net.Listener) error {
	s.gate.limit(s.Starting, s.Stay)
	return s.serve(ctx, l, "auth-login", func(ctx context.Context, c *conn) error { return newClient(s, c, true).run(ctx) })
}

// ServeSASL serves the client side for filtermail-out, which asks for nothing but whether
// the password is right.
func (s *Server) ServeSASL(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, "auth-sasl", func(ctx context.Context, c *conn) error { return newClient(s, c, false).run(ctx) })
}

// ServeMaster serves the master side for imap, which may ask who has logged in: also for a moment
// after ctx is done, about the logins that have just had their OK. The next server does not know
// of them, and their sessions would end.
func (s *Server) ServeMaster(ctx context.Context, l net.Listener) error {
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() {
		until(2*handOver, s.clients.none)
		end()
	})()
	return s.serve(lasting, l, "auth-master", func(ctx context.Context, c *conn) error { return (&master{s, c, true}).run(ctx) })
}

// ServeUserdb serves the master side for lmtp and doveadm, which only look users
// up.
func (s *Server) ServeUserdb(ctx context.Context, l net.Listener) error {
	return s.serve(ctx, l, "auth-userdb", func(ctx context.Context, c *conn) error { return (&master{s, c, false}).run(ctx) })
}

func (s *Server) serve(ctx context.Context, l net.Listener, name string, run func(context.Context, *conn) error) error {
	loop := accept.Loop{Protocol: name, Max: maxConns, Log: s.Log}
	return loop.Serve(ctx, l, func(ctx context.Context, nc net.Conn) {
		c := newConn(nc)
		defer c.close()
		if err := run(ctx, c); err != nil && !c.ended(ctx, err) {
			s.Log.Warn(name+" connection dropped", "error", err)
		}
	})
}

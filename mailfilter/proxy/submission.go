package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"chatmaild/applets/service/proxyheader"
	"chatmaild/mailfilter/proxy/crowd"
	"chatmaild/packaging/dovecot/authproto"
)

// Authenticator checks logins.
type Authenticator interface {
	// Login says whose login it is. It is not ok if the password is wrong; an error means
	// that it is not known now, and an authproto.TryLater has words for the user. Client is
	// where the login comes from; the zero Addr if that is not known.
	Login(ctx context.Context, c authproto.Credentials, client netip.Addr) (user string, ok bool, err error)
}

// Entrance is a way by which users' clients come.
type Entrance struct {
	Name    string // for the Doorkeeper
	TLS     TLS
	Proxied bool // a server on this machine is in front, and says who the client is (proxyheader)
}

// TLS is when a connection is encrypted.
type TLS uint8

// The ways of TLS.
const (
	StartTLS TLS = iota // once the client asks (RFC 3207)
	Implicit            // from the first byte (RFC 8314, section 3.3)
	Outside             // who is in front has ended TLS
)

// SubmissionOptions says how users' clients are served. A zero IdleTimeout and a nil Doorkeeper
// mean the defaults; everything else is required.
type SubmissionOptions struct {
	Hostname    string // what to call oneself
	Auth        Authenticator
	Certificate func() (*tls.Certificate, error) // the one to use now

	MaxClients int // sessions at once, over all entrances
	MaxOfOne   int // of those, from one address

	// SpoolDir is where messages wait that are too large for memory, until they are whole:
	// MaxInFlight of them at once. Nobody else sees their files.
	SpoolDir string

	IdleTimeout time.Duration // for each command, and each piece of data; default 75 s
	Doorkeeper  Doorkeeper
}

// defaultIdleTimeout: Delta Chat opens a new connection once it has not used one for 60
// seconds. Less than that would cost more: it finds out that its connection has ended
// when it sends the next message, and tries again 30 s later.
const defaultIdleTimeout = 75 * time.Second

// turnedAway is how many clients are told at once that there is no room for them; further ones
// find the connection closed.
const turnedAway = 32

// Submission is the side of a Server that is for users' clients (RFC 6409). What they send
// passes as all else does, with these additions:
//
//   - Nothing but TLS is said before TLS, and no message is taken before a login. The only
//     sender is the login.
//   - What has come before a handshake is not read after it (CVE-2011-0411).
//   - A message is read whole before anything is done with it: a client that uploads slowly holds
//     neither a place in flight nor a connection of the queue.
//   - When all sessions are in use, the one that has been silent longest ends.
type Submission struct {
	server *Server
	opts   SubmissionOptions
	tls    *tls.Config
	crowd  *crowd.Crowd[*user]
	away   budget
	files  budget    // of spools
	spools sync.Pool // of *spool
	users  sync.Pool // of *user

	greeting, clearOffer, offer string
}

// NewSubmission returns the side of s that is for users' clients.
func (s *Server) NewSubmission(opts SubmissionOptions) *Submission {
	if opts.IdleTimeout == 0 {
		opts.IdleTimeout = defaultIdleTimeout
	}
	if opts.Doorkeeper == nil {
		opts.Doorkeeper = nobody{}
	}
	u := &Submission{
		server: s,
		opts:   opts,
		tls: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return opts.Certificate() },
			// A ticket would let two connections be known as those of one client.
			SessionTicketsDisabled: true,
		},
		crowd: crowd.New[*user](opts.MaxClients, opts.MaxOfOne, time.Now),
		away:  newBudget(turnedAway),
		files: newBudget(s.opts.MaxInFlight),
		// It says no more than any server does that is in wide use.
		greeting:   "220 " + opts.Hostname + " ESMTP Postfix\r\n",
		clearOffer: offer(opts.Hostname, s.opts.MaxMessageSize, "STARTTLS"),
		offer:      offer(opts.Hostname, s.opts.MaxMessageSize, "AUTH PLAIN LOGIN"),
	}
	u.spools.New = func() any {
		return &spool{dir: opts.SpoolDir, files: u.files, wait: s.opts.BusyTimeout, held: make([]byte, 0, holdBuffer)}
	}
	u.users.New = func() any { return newUser(u) }
	return u
}

// Serve serves the connections that l accepts until ctx is done, and closes l. It returns as
// the Server's Serve does, but messages that are still being uploaded are cut off after some
// seconds.
func (u *Submission) Serve(ctx context.Context, l net.Listener, e Entrance) error {
	return u.server.listen(ctx, l, u.opts.MaxClients+2*turnedAway, func(conn net.Conn) { u.serve(conn, e) })
}

func (u *Submission) serve(conn net.Conn, e Entrance) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// It would wake phones. Sessions have deadlines.
		_ = tcp.SetKeepAlive(false)
	}
	client := proxyheader.Address(conn)
	if e.Proxied {
		var err error
		if conn, client, err = proxyheader.Accept(conn); err != nil {
			u.opts.Doorkeeper.Noticed(e.Name, Unproxied)
			u.server.opts.Log.Debug("a connection without a client", "entrance", e.Name, "error", err)
			conn.Close()
			return
		}
	}
	c := u.users.Get().(*user)
	c.arrive(conn, client, e)
	u.server.add(&c.session)
	u.admit(c)
	u.server.remove(&c.session)
	c.arrive(nil, netip.Addr{}, Entrance{})
	u.users.Put(c)
}

// admit lets a client in, or tells it that there is no room for it.
func (u *Submission) admit(c *user) {
	switch u.crowd.Join(c) {
	case crowd.Full:
		u.turnAway(c, Crowded, sayCrowded)
		return
	case crowd.AddressFull:
		u.turnAway(c, AddressFull, sayAddressFull)
		return
	case crowd.InPlace:
		c.notice(MadeRoom)
	}
	c.notice(Begun)
	c.talk(u.greeting, c.command)
	u.crowd.Leave(c)
	c.notice(Ended)
}

func (u *Submission) turnAway(c *user, o Occasion, say string) {
	c.notice(o)
	select {
	case u.away <- struct{}{}:
	default:
		c.peer.conn.Close()
		return
	}
	defer u.away.release()
	c.timeout = turnAwayTimeout
	c.talk(say, nil)
}

// turnAwayTimeout is how long it may take to tell a client that there is no room.
const turnAwayTimeout = 5 * time.Second

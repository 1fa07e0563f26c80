package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime/debug"

	"chatmaild/mailfilter/proxy/queue"
)

// user is the session of a user's client.
type user struct {
	session
	submission *Submission
	entrance   Entrance
	client     netip.Addr // where it comes from; zero: not known
	secure     bool       // TLS protects what is said
	login      string     // whose session it is, and the only sender; "" before AUTH
}

func newUser(u *Submission) *user {
	c := &user{submission: u, session: session{
		server: u.server, name: u.opts.Hostname, last: hastening, most: u.server.opts.MaxMessageSize,
	}}
	c.peer.arm = c.arm
	return c
}

// arrive begins a session.
func (c *user) arrive(conn net.Conn, client netip.Addr, e Entrance) {
	c.reset(conn)
	c.client, c.entrance, c.secure, c.login = client, e, e.TLS == Outside, ""
	c.timeout = c.submission.opts.IdleTimeout
}

// Address implements crowd.Member.
func (c *user) Address() netip.Addr { return c.client }

func (c *user) notice(o Occasion) { c.submission.opts.Doorkeeper.Noticed(c.entrance.Name, o) }

// talk is the whole of a session; without do it ends with the greeting.
func (c *user) talk(greeting string, do func(line string) bool) {
	if c.entrance.TLS == Implicit {
		if err := c.handshake(); err != nil {
			c.peer.conn.Close()
			return
		}
	}
	if do == nil {
		defer c.peer.conn.Close()
		c.peer.say(greeting)
		c.finish()
		return
	}
	err := c.run(greeting, do)
	if errors.Is(err, os.ErrDeadlineExceeded) && c.open && c.server.phase.Load() == serving {
		c.notice(SilentElse)
	}
}

// handshake begins TLS. It takes more of a stack than all that follows: it has one of its own,
// which does not stay with the session.
func (c *user) handshake() error {
	err := c.arm()
	if err == nil {
		conn := tls.Server(c.peer.conn, c.submission.tls)
		done := make(chan error, 1)
		go func() { done <- shake(conn) }()
		if err = <-done; err == nil {
			c.protect(conn)
			return nil
		}
	}
	if c.server.phase.Load() == serving && !c.isOusted() {
		c.notice(NoHandshake)
	}
	c.server.opts.Log.Debug("no TLS", "entrance", c.entrance.Name, "error", err)
	return err
}

func shake(conn *tls.Conn) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal fault: %v\n%s", p, debug.Stack())
		}
	}()
	return conn.Handshake()
}

// protect goes on under TLS. Nothing that was said before counts (RFC 3207, section 4.2).
func (c *user) protect(conn *tls.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer.conn, c.peer.in = conn, nil
	c.secure, c.greeted, c.login = true, false, ""
	c.forget()
}

// command does one command and reports whether to continue. What is not of users' clients alone
// is the session's.
func (c *user) command(line string) bool {
	verb, args := cutVerb(line)
	if !c.secure {
		return c.clear(verb, args, line)
	}
	switch verb {
	case "EHLO":
		c.hello(args, c.submission.offer)
	case "AUTH":
		return c.auth(args)
	case "MAIL":
		return c.mail(args, line)
	case "DATA":
		return c.data(args)
	case "STARTTLS":
		c.fail(sayOrder)
	case "VRFY":
		c.fail(sayNoVerify)
	case "XFORWARD":
		c.fail(sayNotHere)
	default:
		return c.session.command(line)
	}
	return true
}

// clear does a command before TLS.
func (c *user) clear(verb, args, line string) bool {
	switch verb {
	case "EHLO":
		c.hello(args, c.submission.clearOffer)
	case "STARTTLS":
		return c.startTLS(args)
	case "HELO", "NOOP", "RSET", "QUIT":
		return c.session.command(line)
	default:
		c.fail(sayTLSFirst)
	}
	return true
}

func (c *user) startTLS(args string) bool {
	switch {
	case args != "":
		c.fail(saySyntax)
		return true
	case len(c.peer.in) > 0:
		// An attacker on the way may have put it there, to be taken for the client's.
		c.notice(NoHandshake)
		c.peer.say(sayInjected)
		return false
	}
	if _, err := c.submission.opts.Certificate(); err != nil {
		c.peer.say(sayNoTLS)
		return true
	}
	c.peer.say(sayStartTLS)
	return c.peer.flush() == nil && c.handshake() == nil
}

// mail begins a transaction. Only the login may send: nobody uses what another one may.
func (c *user) mail(args, line string) bool {
	if c.login == "" {
		c.fail(sayLoginFirst)
		return true
	}
	p, ok := parsePath(args, "FROM:")
	if !ok || sameAddress(c.login, p.addr) {
		return c.session.command(line)
	}
	c.notice(ForeignSender)
	if !printable(p.addr) {
		c.fail(sayAddress)
		return true
	}
	c.fail("553 5.7.1 <" + p.addr + ">: Sender address rejected: not owned by user " + c.login + "\r\n")
	return true
}

// data takes a message and answers it, and reports whether to continue. The message is read to
// its end before a place in flight is asked for.
func (c *user) data(args string) bool {
	if !c.ready(args) {
		return true
	}
	c.peer.say(sayData)
	whole := c.submission.spools.Get().(*spool)
	defer c.submission.spools.Put(whole)
	defer whole.empty()
	say, ev, clean := c.receive(whole)
	if say == "" && clean {
		say, ev = c.pass(whole)
		clean = !queue.Reply(say).Closing()
	}
	c.server.report(ev)
	c.peer.say(say)
	c.forget()
	return clean
}

// receive reads a message. If it is not to be passed on, it returns what to answer, and whether
// more can be read of the client.
func (c *user) receive(whole *spool) (say string, ev Event, clean bool) {
	dots := dotReader{src: &c.peer, limit: c.most}
	err := whole.fill(&dots)
	switch {
	case err == nil:
		return "", Event{}, true
	case dots.failed():
		if errors.Is(err, os.ErrDeadlineExceeded) && c.server.phase.Load() == serving {
			c.notice(SilentInData)
		}
		say, ev = c.server.lost()
		return say, ev, false
	}
	clean = dots.skip(whole.scratch(), dots.limit) == nil && dots.fault == nil
	say, ev = c.unkept(err)
	ev.Size = dots.size
	return say, ev, clean
}

// unkept is what to say to a client whose message is not well-formed, or has no room.
func (c *user) unkept(err error) (string, Event) {
	say, ok := malformed(err)
	switch {
	case ok:
		return say, Event{Result: Malformed}
	case errors.Is(err, errManyLarge):
		return sayBusy, Event{Result: Deferred}
	case noRoom(err):
		say = sayNoDisk
	default:
		say = sayFault
	}
	c.server.opts.Log.Error("a message cannot be taken", "error", err)
	return say, Event{Result: Deferred}
}

// pass checks a message, and hands it to the queue.
func (c *user) pass(whole *spool) (say string, ev Event) {
	if !c.server.flight.within(c.server.opts.BusyTimeout) {
		return sayBusy, Event{Result: Deferred}
	}
	defer c.server.flight.release()
	say, ev, _ = c.server.message(whole, &c.transaction, dotReader{article: true})
	if say == "" { // the file could not be read
		return sayFault, Event{Result: Deferred}
	}
	return say, ev
}

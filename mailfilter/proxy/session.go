package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

const (
	defaultMaxRecipients = 1000      // of a message
	maxEnvelope          = 256 << 10 // bytes of all recipients with their parameters
	maxErrors            = 20        // commands that are not commands, before we hang up
)

var (
	errShutdown = errors.New("shutting down")
	errOusted   = errors.New("silent while others wait")
)

// session is the conversation on one connection. Postfix opens one for each
// message: EHLO, XFORWARD, MAIL, RCPT…, DATA, QUIT.
type session struct {
	server  *Server
	peer    peer
	name    string        // what to call oneself
	timeout time.Duration // for each command, and each piece of data
	last    int32         // the phase that ends it in the middle of a transaction
	most    int64         // bytes of a message

	mu     sync.Mutex // guards what follows, and the deadline of the connection
	idle   bool       // waits for a command, and no transaction is in progress
	armed  time.Time  // when the deadline was set
	ousted bool       // another session has its place, if this one is idle

	greeted bool
	errors  int
	open    bool // a transaction, from MAIL on
	size    int  // of rcpts in bytes
	transaction
}

func newSession(s *Server) *session {
	c := &session{
		server: s, name: s.opts.Name, timeout: s.opts.ClientTimeout, last: cutting,
		most: s.opts.MaxMessageSize + receivedRoom,
	}
	c.peer.arm = c.arm
	return c
}

func (c *session) reset(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer.reset(conn)
	c.idle, c.armed, c.greeted, c.errors, c.ousted = conn != nil, time.Time{}, false, 0, false
	c.forget()
}

// forget ends the transaction.
func (c *session) forget() {
	clear(c.rcpts)
	c.open, c.size = false, 0
	// The envelope is not to be reused: the policy may keep it.
	c.transaction = transaction{rcpts: c.rcpts[:0]}
}

// deadlineSlack is the part of the timeout by which a deadline may be early. Most
// sessions last much less, and so have one deadline for all their commands.
const deadlineSlack = 100

// arm sets the deadline of what the session does next with its connection.
func (c *session) arm() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = !c.open
	switch {
	case c.ends(c.server.phase.Load()):
		return errShutdown
	case c.ousted && c.idle:
		return errOusted
	}
	now := time.Now()
	if now.Sub(c.armed) < c.timeout/deadlineSlack {
		return nil
	}
	c.armed = now
	return c.peer.conn.SetDeadline(now.Add(c.timeout))
}

// ends reports whether a phase is the end of the session, as it is now.
func (c *session) ends(phase int32) bool { return phase >= c.last || phase >= draining && c.idle }

// wake makes what the session waits for fail, if the phase is its end.
func (c *session) wake(phase int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.peer.conn != nil && c.ends(phase) {
		_ = c.peer.conn.SetReadDeadline(time.Now())
		c.armed = time.Time{} // a command that had come by then continues
	}
}

// Silent reports since when an idle session has waited.
func (c *session) Silent() (since time.Time, idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.armed, c.idle && !c.armed.IsZero()
}

// busy notes that the session waits for something else than a command.
func (c *session) busy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = false
}

// Oust ends the session if it is idle, and reports whether it is.
func (c *session) Oust() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.idle || c.peer.conn == nil {
		return false
	}
	c.ousted = true
	_ = c.peer.conn.SetReadDeadline(time.Now())
	return true
}

// run talks until either side hangs up; do does each command. It returns why a command
// could not be read, if that is the end. A panic is a fault of ours that ends this session, with
// the connection, and no other one.
func (c *session) run(greeting string, do func(line string) bool) (why error) {
	defer func() { c.peer.conn.Close() }()
	defer func() {
		if p := recover(); p != nil {
			c.server.opts.Log.Error("internal fault", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	c.peer.say(greeting)
	for {
		line, err := c.peer.line()
		if err != nil {
			c.peer.say(c.lastWords(err))
			why = err
			break
		}
		if !do(string(line)) {
			break
		}
		if c.errors > maxErrors {
			c.peer.say(sayErrors)
			break
		}
	}
	c.finish()
	return why
}

// finish sends what is left to say.
func (c *session) finish() {
	_ = c.peer.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = c.peer.flush()
}

// lastWords is what a peer is told whose command could not be read.
func (c *session) lastWords(err error) string {
	switch {
	case errors.Is(err, errCommandByte):
		return sayBare
	case errors.Is(err, errCommandLong):
		return sayLong
	case errors.Is(err, errShutdown), c.server.phase.Load() != serving:
		return sayShutdown
	case errors.Is(err, errOusted), c.isOusted():
		return sayOusted
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sayTimeout
	default:
		return ""
	}
}

func (c *session) isOusted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ousted
}

// command does one command and reports whether to continue.
func (c *session) command(line string) bool {
	verb, args := cutVerb(line)
	switch verb {
	case "EHLO":
		c.hello(args, c.server.offer)
	case "HELO":
		c.hello(args, "250 "+c.name+"\r\n")
	case "MAIL":
		c.mailFrom(args)
	case "RCPT":
		c.rcptTo(args)
	case "DATA":
		return c.data(args)
	case "RSET":
		c.forget()
		c.peer.say(sayOK)
	case "NOOP", "XFORWARD":
		c.peer.say(sayOK)
	case "VRFY":
		c.peer.say(sayVerify)
	case "QUIT":
		c.peer.cork()
		c.peer.say(sayBye)
		return false
	case "HELP", "EXPN", "ETRN", "AUTH", "STARTTLS", "BDAT", "XCLIENT":
		c.fail(sayNotHere)
	default:
		c.fail(sayUnknown)
	}
	return true
}

func (c *session) fail(say string) {
	c.errors++
	c.peer.say(say)
}

func (c *session) hello(name, answer string) {
	if name == "" {
		c.fail(saySyntax)
		return
	}
	c.forget()
	c.greeted = true
	c.peer.say(answer)
}

func (c *session) mailFrom(args string) {
	p, ok := parsePath(args, "FROM:")
	switch {
	case !c.greeted || c.open:
		c.fail(sayOrder)
		return
	case !ok:
		c.fail(saySyntax)
		return
	}
	if say := c.sizeFault(p.param("SIZE")); say != "" {
		c.peer.say(say)
		return
	}
	if err := c.server.opts.Policy.Admit(p.addr); err != nil {
		say, ev := c.server.verdict(err)
		c.peer.say(say)
		c.server.opts.Observer.Message(ev)
		return
	}
	c.open, c.params, c.env.Sender = true, p.params, p.addr
	c.peer.say(saySender)
}

// sizeFault is what to say against a declared size (RFC 1870), or "".
func (c *session) sizeFault(size string) string {
	if size == "" {
		return ""
	}
	switch n, err := strconv.ParseInt(size, 10, 64); {
	case err != nil || n < 0:
		return saySyntax
	case n > c.most:
		return sayTooLarge
	}
	return ""
}

func (c *session) rcptTo(args string) {
	p, ok := parsePath(args, "TO:")
	switch {
	case !c.open:
		c.fail(sayOrder)
	case !ok:
		c.fail(saySyntax)
	case !plain(p.addr):
		c.fail(sayAddress)
	case len(c.rcpts) >= c.server.opts.MaxRecipients, c.size+len(args) > maxEnvelope:
		c.peer.say(sayTooMany)
	default:
		c.size += len(args)
		c.add(p)
		c.peer.say(sayRcpt)
	}
}

// data takes a message and answers it, and reports whether to continue.
func (c *session) data(args string) bool {
	if !c.ready(args) {
		return true
	}
	if !c.server.flight.within(c.server.opts.BusyTimeout) {
		c.peer.say(sayBusy)
		c.server.opts.Observer.Message(Event{Result: Deferred})
		c.forget()
		return true
	}
	defer c.server.flight.release()
	c.peer.say(sayData)
	say, ev, clean := c.server.message(&c.peer, &c.transaction, dotReader{})
	c.server.report(ev)
	c.peer.say(say)
	c.forget()
	return clean
}

// ready reports whether there may be data now; else it has said why not.
func (c *session) ready(args string) bool {
	switch {
	case len(c.rcpts) == 0:
		c.fail(sayOrder)
	case args != "":
		c.fail(saySyntax)
	default:
		return true
	}
	return false
}

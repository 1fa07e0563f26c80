package authserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"chatmaild/applets/service/accept"
	"chatmaild/packaging/dovecot/authproto"
)

// client is a connection of the client side.
type client struct {
	*conn
	server *Server
	cookie string
	login  bool          // what it is granted, a master asks for
	pid    uint32        // of its process, if a master asks
	gone   chan struct{} // closed at its end

	mu       sync.Mutex
	requests map[uint32]*request
	checking sync.WaitGroup
}

// request is a login in progress. It is removed once it needs no more words, and then
// no answer to it is sent.
type request struct {
	from    netip.Addr
	via     netip.Addr
	waits   bool        // for the response, which AUTH did not have
	granted string      // the user that a master may ask for
	leave   leave       // has it leave the gate; nil before it is in
	timer   *time.Timer // of what happens next automatically; nil while it is checked
}

func newClient(s *Server, c *conn, login bool) *client {
	var cookie [authproto.CookieLen / 2]byte
	rand.Read(cookie[:])
	return &client{
		conn: c, server: s, cookie: hex.EncodeToString(cookie[:]), login: login,
		gone: make(chan struct{}), requests: map[uint32]*request{},
	}
}

func (c *client) run(ctx context.Context) error {
	err := c.serve(ctx)
	if ctx.Err() != nil {
		until(handOver, c.handedOver)
	}
	c.server.clients.remove(c)
	close(c.gone)
	c.checking.Wait()
	c.forget()
	return err
}

func (c *client) serve(ctx context.Context) error {
	if err := c.handshake(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		line, err := c.next()
		if err != nil {
			return err
		}
		if err := c.answer(context.WithoutCancel(ctx), line); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) handshake() error {
	met := c.deadline(handshakeTimeout)
	defer met()
	s := c.server
	if err := c.greet(authproto.AppendClientHandshake(nil, s.PID, s.connections.Add(1), c.cookie)); err != nil {
		return err
	}
	line, err := c.expect(authproto.CmdClientPID)
	if err != nil {
		return err
	}
	pid, err := line.PID()
	if err != nil || !c.login {
		return err
	}
	return s.clients.add(pid, c)
}

// forget drops what has not been answered, when the connection has ended.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, r := range c.requests {
		r.stop()
		delete(c.requests, id)
	}
}

func (r *request) stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
	r.over(r.granted != "")
}

// over has it leave the gate.
func (r *request) over(right bool) {
	if r.leave != nil {
		go r.leave(right) // the next one's connection may be locked by who calls
	}
}

func (c *client) answer(ctx context.Context, line authproto.Line) error {
	switch line.Command {
	case authproto.CmdAuth:
		a, err := line.Auth()
		if err != nil {
			return err
		}
		return c.begin(ctx, a)
	case authproto.CmdContinue:
		id, response, err := line.Continued()
		if err != nil {
			return err
		}
		return c.resume(ctx, id, response)
	case authproto.CmdCancel:
		id, err := line.ID()
		if err != nil {
			return err
		}
		c.remove(id)
		return nil
	}
	return unknown(line)
}

// begin takes up a login.
func (c *client) begin(ctx context.Context, a authproto.Auth) error {
	if a.Mechanism != authproto.Plain {
		return fmt.Errorf("%w: AUTH with a mechanism that was not offered", authproto.ErrBroken)
	}
	c.mu.Lock()
	if c.requests[a.ID] != nil {
		c.mu.Unlock()
		return fmt.Errorf("%w: AUTH with an id that is in use", authproto.ErrBroken)
	}
	if len(c.requests) == maxRequests {
		c.mu.Unlock()
		c.server.Log.Warn("too many logins on one connection", "max", maxRequests)
		return c.send(authproto.AppendFail(nil, a.ID, authproto.Failure{Temporary: true}))
	}
	r := &request{from: a.Client, via: a.Via, waits: !a.HasResponse}
	c.requests[a.ID] = r
	if r.waits {
		r.timer = c.after(grantAge, a.ID, r, nil)
	}
	c.mu.Unlock()
	if r.waits {
		return c.send(authproto.AppendChallenge(nil, a.ID))
	}
	c.check(ctx, a.ID, r, a.Response)
	return nil
}

// resume takes up a login whose response comes late.
func (c *client) resume(ctx context.Context, id uint32, response string) error {
	c.mu.Lock()
	r := c.requests[id]
	late := r == nil || r.waits && !r.timer.Stop()
	waited := !late && r.waits
	if waited {
		r.waits, r.timer = false, nil
	}
	c.mu.Unlock()
	switch {
	case late:
		return c.send(authproto.AppendFail(nil, id, authproto.Failure{Reason: "Authentication request timed out"}))
	case !waited:
		return fmt.Errorf("%w: CONT to a login that has its response", authproto.ErrBroken)
	}
	c.check(ctx, id, r, response)
	return nil
}

// check answers a login, beside all others of the connection.
func (c *client) check(ctx context.Context, id uint32, r *request, response string) {
	credentials, err := authproto.ParsePlain(response)
	switch {
	case errors.Is(err, authproto.ErrBase64):
		c.finish(id, r, authproto.AppendFail(nil, id, authproto.Failure{
			Code: authproto.CodeInvalidBase64, Reason: "Invalid base64 data in the response",
		}))
		return
	case err != nil:
		c.refuse(id, r, authproto.Failure{})
		return
	}
	// One that is remembered costs less than another goroutine would.
	if user, ok := c.recall(credentials); ok {
		c.grant(id, r, user)
		return
	}
	c.checking.Go(func() {
		if c.login && !c.enter(id, r) {
			return
		}
		ctx, cancel := accept.Within(ctx, requestTimeout)
		defer cancel()
		user, home, ok, err := c.ask(ctx, credentials, r)
		var later authproto.TryLater
		switch {
		case errors.As(err, &later):
			c.refuse(id, r, authproto.Failure{User: credentials.User, Temporary: true, Reason: string(later)})
		case err != nil:
			c.fault(id, r, credentials.User)
		case !ok:
			c.refuse(id, r, authproto.Failure{User: credentials.User})
		case home.IsValid():
			c.finish(id, r, authproto.AppendProxied(nil, id, user, authproto.Proxy{Host: home, Password: credentials.Password}))
		default:
			c.grant(id, r, user)
		}
	})
}

// enter waits until a login may go on, and reports whether it is still wanted.
func (c *client) enter(id uint32, r *request) bool {
	turn := make(chan bool, 1)
	c.server.gate.enter(func(leave leave) (begins bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		begins = c.requests[id] == r
		if begins {
			r.leave = leave
		}
		turn <- begins
		return begins
	})
	select {
	case begins := <-turn:
		return begins
	case <-c.gone:
		return false
	}
}

// recall asks the Handler for a login that it remembers. If it panics, Login is asked,
// too, and its fault is reported.
func (c *client) recall(credentials authproto.Credentials) (user string, ok bool) {
	defer func() {
		if recover() != nil {
			user, ok = "", false
		}
	}()
	return c.server.Handler.Remembered(credentials)
}

// ask asks the Handler, for imap-login also where the mailbox is. A panic of it is a fault
// of one login.
func (c *client) ask(ctx context.Context, credentials authproto.Credentials, r *request) (user string, home netip.AddrPort, ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			c.server.Log.Error("internal fault in a login", "trace", string(debug.Stack()))
			user, home, ok, err = "", netip.AddrPort{}, false, errors.New("internal fault")
		}
	}()
	user, ok, err = c.server.Handler.Login(ctx, credentials, r.from)
	if err == nil && ok && c.login {
		home, err = c.server.Handler.Home(ctx, user, r.via)
	}
	return user, home, ok, err
}

// grant answers that the login is right. One that was remembered enters the gate now.
func (c *client) grant(id uint32, r *request, user string) {
	if !c.login {
		c.finish(id, r, authproto.AppendOK(nil, id, user))
		return
	}
	c.mu.Lock()
	entered := r.leave
	c.mu.Unlock()
	if entered != nil {
		c.start(id, r, user, entered)
		return
	}
	c.server.gate.enter(func(leave leave) (begins bool) { return c.start(id, r, user, leave) })
}

// start has the process of a login start, unless it is not wanted any more.
func (c *client) start(id uint32, r *request, user string, leave leave) (begins bool) {
	c.mu.Lock()
	begins = c.requests[id] == r
	if begins {
		r.granted, r.leave = user, leave
		r.timer = c.after(grantAge, id, r, nil)
	}
	c.mu.Unlock()
	if begins {
		_ = c.send(authproto.AppendOK(nil, id, user)) // which ends the connection if it fails
	}
	return begins
}

// refuse answers that the login is wrong, or not available now, when failureDelay has passed.
func (c *client) refuse(id uint32, r *request, f authproto.Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests[id] == r {
		r.over(false)
		r.timer = c.after(failureDelay, id, r, authproto.AppendFail(nil, id, f))
	}
}

// fault answers that the login could not be checked.
func (c *client) fault(id uint32, r *request, user string) {
	c.finish(id, r, authproto.AppendFail(nil, id, authproto.Failure{User: user, Temporary: true}))
}

// finish sends the last word to a login, unless it was cancelled.
func (c *client) finish(id uint32, r *request, reply []byte) {
	c.mu.Lock()
	current := c.requests[id] == r
	if current {
		r.over(false)
		delete(c.requests, id)
	}
	c.mu.Unlock()
	if current && reply != nil {
		_ = c.send(reply) // which ends the connection if it fails
	}
}

// after finishes a login later.
func (c *client) after(d time.Duration, id uint32, r *request, reply []byte) *time.Timer {
	return time.AfterFunc(d, func() { c.finish(id, r, reply) })
}

// remove ends a login without a word.
func (c *client) remove(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.requests[id]; r != nil {
		r.stop()
		delete(c.requests, id)
	}
}

// handedOver reports whether no login is being checked, and imap has asked for all that are right.
func (c *client) handedOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		if r.granted != "" || r.timer == nil && !r.waits {
			return false
		}
	}
	return true
}

// take returns who has the OK of that number, once.
func (c *client) take(id uint32) (user string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.requests[id]
	if r == nil || r.granted == "" {
		return "", false
	}
	r.stop()
	delete(c.requests, id)
	return r.granted, true
}

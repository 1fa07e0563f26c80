package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab/phone"
)

const (
	// A session that has ended is opened again at once, and then after waits that double.
	firstWait, longestWait = time.Second, 16 * time.Second

	// kept is how long a connection for sending is used again.
	kept = time.Minute

	// patience is how long one waits until a message has its 250.
	patience = time.Minute

	// tries is how often a message is handed over at most.
	tries = 7
)

// A person has a phone that is online.
type person struct {
	*phone.Phone
	load   *Load
	number int
	text   *letter.Letter

	online  atomic.Bool
	sending sync.Mutex // for Out
	used    time.Time  // when Out was used last
}

// wakeable tells whether the relay wakes the person's device: that of every second one.
func (p *person) wakeable() bool { return p.number%2 == 0 }

// stay keeps a session open until ctx ends. The first one is told of.
func (p *person) stay(ctx context.Context, slots chan struct{}, first chan<- error) {
	told := false
	tell := func(err error) {
		if !told {
			told = true
			<-slots
			first <- err
		}
	}
	slots <- struct{}{}
	defer func() { tell(ctx.Err()) }()
	wait := time.Duration(0)
	for ctx.Err() == nil {
		start := time.Now()
		session, err := p.Session(ctx)
		p.load.noteLogin(ctx, start, err)
		if err != nil {
			wait = min(max(2*wait, firstWait), longestWait)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration((0.5 + rand.Float64()) * float64(wait))):
			}
			continue
		}
		wait = 0
		p.load.note(func(e *Events) { e.Sessions++ })
		p.online.Store(true)
		_ = p.read(ctx, session, func() { tell(nil) }) // it ends with the session, which is opened again
		p.online.Store(false)
		p.load.note(func(e *Events) {
			e.Sessions--
			if ctx.Err() == nil {
				e.Ended++
			}
		})
	}
}

// noteLogin notes a login, and what the server said to one that it refused. What fails
// otherwise is tried again.
func (d *Load) noteLogin(ctx context.Context, start time.Time, err error) {
	if ctx.Err() != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	refused, no := errors.AsType[*imap.Refused](err)
	switch {
	case no:
		d.events.Refused++
		d.events.words(refused)
	case err != nil:
		d.events.words(err)
	default:
		d.events.Logins++
		now := time.Now()
		d.logins = append(d.logins, Took{now, now.Sub(start)})
	}
}

// read fetches what comes, until the session ends.
func (p *person) read(ctx context.Context, session *imap.Client, open func()) error {
	stop := context.AfterFunc(ctx, func() { session.Close() })
	defer stop()
	defer session.Close()
	if p.wakeable() {
		if _, err := session.OK(`SETMETADATA INBOX (/private/devicetoken "%s")`, "bench-"+p.Addr); err != nil {
			return err
		}
	}
	open()
	for {
		n, err := session.Wait(0)
		if err != nil {
			return err
		}
		for n > 0 {
			if n, err = p.fetch(session, n); err != nil {
				return err
			}
		}
	}
}

// fetch gets all messages and deletes them, as the core does when a user has one device. It
// returns how many have come meanwhile.
func (p *person) fetch(session *imap.Client, n int) (int, error) {
	set := "1:*"
	messages, err := session.Fetch(set, "BODY.PEEK[]")
	if err != nil {
		return 0, err
	}
	now := time.Now()
	for _, text := range messages {
		p.load.Mail.arrive(messageID(text), p.Addr, now)
	}
	// Not all of "*" any more: what has come since is not fetched yet.
	if _, err := session.OK(`STORE 1:%d +FLAGS.SILENT (\Deleted)`, len(messages)); err != nil {
		return 0, err
	}
	if _, err := session.OK("CLOSE"); err != nil {
		return 0, err
	}
	return session.Select()
}

// messageID returns what stands in the field, between the angle brackets.
func messageID(message string) string {
	header, _, _ := strings.Cut(message, "\r\n\r\n")
	_, rest, _ := strings.Cut(strings.ToLower(header), "message-id: <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

// send sends a message until it has its 250.
func (p *person) send(ctx context.Context, to []string, id, text string, timed bool) {
	p.sending.Lock()
	defer p.sending.Unlock()
	start := time.Now()
	var err error
	for try := range tries {
		if try > 0 {
			p.load.note(func(e *Events) { e.Resent++ })
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration((0.5 + rand.Float64()) * float64(firstWait<<(try-1)))):
			}
		}
		var refused bool
		if refused, err = p.attempt(ctx, to, id, text, timed, start); err == nil {
			return
		}
		if refused {
			break
		}
	}
	if ctx.Err() == nil {
		p.load.note(func(e *Events) {
			e.Failed++
			e.words(err)
		})
	}
}

// attempt hands a message over once. Refused says that the relay does not want it.
func (p *person) attempt(ctx context.Context, to []string, id, text string, timed bool, start time.Time) (refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.ready(ctx); err != nil {
		return false, err
	}
	out := p.Out
	defer context.AfterFunc(ctx, func() { out.Close() })()
	p.load.Mail.leave(id, to, timed, p.load.online, start, time.Now())
	reply, err := p.Out.SendAll(p.Addr, to, text)
	if err == nil && strings.HasPrefix(reply, "250") {
		p.used = time.Now()
		p.load.Mail.accept(id, to, p.used)
		return false, nil
	}
	p.Close()
	if err == nil {
		err = errors.New(reply)
		refused = strings.HasPrefix(reply, "5")
	}
	return refused, err
}

// ready has a connection at hand: one that the relay has closed meanwhile costs no try. The
// core does not ask: its message fails, and it tries again 30 s later, so a relay must not close
// connections sooner than after kept. Here that would hide all else.
func (p *person) ready(ctx context.Context) error {
	if p.Out != nil && time.Since(p.used) < kept {
		out := p.Out
		stop := context.AfterFunc(ctx, func() { out.Close() })
		reply, err := out.Command("NOOP")
		stop()
		if err == nil && strings.HasPrefix(reply, "250") {
			return nil
		}
	}
	return p.Connect(ctx)
}

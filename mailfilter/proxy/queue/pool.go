// Package queue hands messages to an SMTP server that puts them into its queue: Postfix's other
// port. A message is the queue's once its final dot has been sent and answered with 250; until
// then a queue drops what it got when the connection is cut (RFC 5321, section 4.1.1.4).
package queue

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// The bounds of reuse. An idle connection holds a process of the queue's server,
// and a busy one does not notice that Postfix has been reloaded; so both are
// short.
const (
	maxIdle     = 64
	maxIdleTime = 5 * time.Second
	maxAge      = time.Minute
)

// Pool is the connections to the queue. It keeps those whose last message was accepted, for the
// next one. The exported fields are required.
type Pool struct {
	Addr    string        // of TCP
	Name    string        // to say hello with
	Timeout time.Duration // for each reply, and each write

	mu   sync.Mutex
	idle []*link // the one used last is at the end
}

// link is a connection to the queue.
type link struct {
	conn       net.Conn
	r          *bufio.Reader
	w          *bufio.Writer // for the envelope
	pipelining bool
	born, used time.Time
}

// get returns a connection that is ready for MAIL, and whether it is a used one:
// those may have been closed by the queue in the meantime. If the queue answers,
// but will not have us, the error is a *Refused.
func (p *Pool) get() (l *link, used bool, err error) {
	if l := p.take(time.Now()); l != nil {
		return l, true, nil
	}
	l, err = p.dial()
	return l, false, err
}

func (p *Pool) take(now time.Time) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	l := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return l.orQuit(now)
}

// orQuit returns l, or nil after a goodbye if it has served its time.
func (l *link) orQuit(now time.Time) *link {
	if now.Sub(l.used) < maxIdleTime && now.Sub(l.born) < maxAge {
		return l
	}
	l.quit()
	return nil
}

// put keeps a connection on which nothing is in progress.
func (p *Pool) put(l *link) {
	l.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) >= maxIdle || l.r.Buffered() > 0 || l.orQuit(l.used) == nil {
		l.quit()
		return
	}
	p.idle = append(p.idle, l)
}

// forget drops the idle connections that were used last before t.
func (p *Pool) forget(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	keep := p.idle[:0]
	for _, l := range p.idle {
		if l.used.Before(t) {
			l.quit()
		} else {
			keep = append(keep, l)
		}
	}
	clear(p.idle[len(keep):])
	p.idle = keep
}

// Tidy closes connections that have been idle for too long, until ctx is done.
func (p *Pool) Tidy(ctx context.Context) {
	tick := time.NewTicker(maxIdleTime / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.forget(now.Add(-maxIdleTime))
		}
	}
}

// Close closes the connections that are not in use.
func (p *Pool) Close() { p.forget(time.Now().Add(time.Hour)) }

func (p *Pool) dial() (*link, error) {
	conn, err := net.DialTimeout("tcp", p.Addr, p.Timeout)
	if err != nil {
		return nil, fmt.Errorf("connecting to the queue: %w", err)
	}
	now := time.Now()
	l := &link{conn: conn, r: bufio.NewReaderSize(conn, 1024), w: bufio.NewWriterSize(conn, 1024), born: now, used: now}
	if err := l.hello(p.Name, now.Add(p.Timeout)); err != nil {
		l.conn.Close()
		return nil, err
	}
	return l, nil
}

func (l *link) hello(name string, deadline time.Time) error {
	if err := l.conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("preparing the connection to the queue: %w", err)
	}
	if _, err := l.expect('2'); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(l.conn, "EHLO %s\r\n", name); err != nil {
		return fmt.Errorf("greeting the queue: %w", err)
	}
	offer, err := l.expect('2')
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(offer), "\r\n") {
		if len(line) > 4 && strings.EqualFold(line[4:], "PIPELINING") {
			l.pipelining = true
		}
	}
	return nil
}

// Refused is a negative reply of the queue.
type Refused struct{ Reply Reply }

func (r *Refused) Error() string { return "the queue refused with " + string(r.Reply[:3]) }

// expect reads a reply, which has to be of the given class. A negative one is a
// *Refused; no other one may be taken for the queue's word on a message.
func (l *link) expect(class byte) (Reply, error) {
	r, err := ReadReply(l.r)
	switch {
	case err != nil:
		return "", err
	case r.class() == class:
		return r, nil
	case r.class() == '4' || r.class() == '5':
		return "", &Refused{r}
	default:
		return "", errReply
	}
}

// quit says goodbye and closes, without waiting for the answer.
func (l *link) quit() {
	if err := l.conn.SetWriteDeadline(time.Now().Add(time.Second)); err == nil {
		_, _ = l.conn.Write([]byte("QUIT\r\n"))
	}
	l.conn.Close()
}

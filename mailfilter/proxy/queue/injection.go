package queue

import (
	"bufio"
	"errors"
	"fmt"
	"time"
)

// pipelined is how many commands go out before their replies are read. The
// replies to them fit into any socket buffer, so that neither side can get stuck
// writing to the other (RFC 2920, section 3.1).
const pipelined = 50

// Injection is the transaction of one message with the queue. It opens with the
// first Write, and every Write succeeds: a failure is kept for later, so that
// the message is still checked and the sender hears the verdict on it first.
type Injection struct {
	Pool  *Pool
	Mail  string   // the arguments of MAIL: "FROM:<…> …"
	Rcpts []string // the arguments of RCPT: "TO:<…> …"

	link  *link
	err   error
	spent time.Duration
}

// Write sends message data, dots stuffed.
func (in *Injection) Write(b []byte) (int, error) {
	start := time.Now()
	if in.err == nil && in.link == nil {
		in.open()
	}
	if in.err == nil {
		in.send(b)
	}
	in.spent += time.Since(start)
	return len(b), nil
}

// Spent is the time spent talking to the queue.
func (in *Injection) Spent() time.Duration { return in.spent }

// Begun reports whether the queue has been asked for.
func (in *Injection) Begun() bool { return in.link != nil || in.err != nil }

func (in *Injection) send(b []byte) {
	err := in.link.conn.SetDeadline(time.Now().Add(in.Pool.Timeout))
	if err == nil {
		_, err = in.link.conn.Write(b)
	}
	if err == nil {
		return
	}
	// A server that gives up in the middle says why before it hangs up, at times.
	in.err = fmt.Errorf("sending to the queue: %w", err)
	if in.link.conn.SetReadDeadline(time.Now().Add(lastWords)) == nil {
		if _, err := in.link.expect(0); errors.As(err, new(*Refused)) {
			in.err = err
		}
	}
	in.Cut()
}

// lastWords is how long to wait for the reason of a broken connection.
const lastWords = 100 * time.Millisecond

// Finish waits for the queue's word on the message, whose final dot has been
// written. It returns its reply, or an error as Write would have kept it.
func (in *Injection) Finish() (Reply, error) {
	if in.err != nil {
		return "", in.err
	}
	start := time.Now()
	r, err := in.link.expect('2')
	in.spent += time.Since(start)
	if err != nil {
		in.err = err
		in.Cut()
		return "", err
	}
	in.Pool.put(in.link)
	in.link = nil
	return r, nil
}

// Cut ends the connection where it stands. Before the final dot this makes the
// queue drop the message.
func (in *Injection) Cut() {
	if in.link != nil {
		in.link.conn.Close()
		in.link = nil
	}
}

// open gets a connection and sends the envelope. If a used connection turns out
// to be dead, it is done once more with a new one: nothing of the message has
// been sent by then.
func (in *Injection) open() {
	started := time.Now()
	l, used, err := in.Pool.get()
	if err == nil {
		err = in.envelope(l)
		if err != nil && used && !final(err) {
			l.conn.Close()
			in.Pool.forget(started)
			if l, err = in.Pool.dial(); err == nil {
				err = in.envelope(l)
			}
		}
		if err != nil && l != nil {
			l.conn.Close()
		}
	}
	if err != nil {
		in.err = err
		return
	}
	in.link = l
}

// final reports whether err is the queue's word on the message, and not one on
// the connection.
func final(err error) bool {
	var r *Refused
	return errors.As(err, &r) && !r.Reply.Closing()
}

// envelope sends MAIL, RCPT and DATA. All recipients have to be accepted: there
// is one reply for the message, and it is for all of them.
func (in *Injection) envelope(l *link) error {
	batch := 1
	if l.pipelining {
		batch = pipelined
	}
	for next, last := 0, 1+len(in.Rcpts); next <= last; {
		if err := l.conn.SetDeadline(time.Now().Add(in.Pool.Timeout)); err != nil {
			return fmt.Errorf("preparing the connection to the queue: %w", err)
		}
		end := min(next+batch, last+1)
		for i := next; i < end; i++ {
			in.command(l.w, i)
		}
		if err := l.w.Flush(); err != nil {
			return fmt.Errorf("sending to the queue: %w", err)
		}
		for ; next < end; next++ {
			want := byte('2')
			if next == last {
				want = '3'
			}
			if _, err := l.expect(want); err != nil {
				return err
			}
		}
	}
	return nil
}

// command writes the command with number i of the envelope. An error of w shows
// when it is flushed.
func (in *Injection) command(w *bufio.Writer, i int) {
	switch {
	case i == 0:
		_, _ = w.WriteString("MAIL ")
		_, _ = w.WriteString(in.Mail)
	case i <= len(in.Rcpts):
		_, _ = w.WriteString("RCPT ")
		_, _ = w.WriteString(in.Rcpts[i-1])
	default:
		_, _ = w.WriteString("DATA")
	}
	_, _ = w.WriteString("\r\n")
}

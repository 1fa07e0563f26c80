package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/chat"
	"chatmaild/applets/chat/imap"
)

// account is one phone: it is logged in to read and to send, and it writes to the
// next one. It is for one goroutine at a time; its inbox for another one.
type account struct {
	remote.Account
	inbox *imap.Client
	known int // how many messages are in the inbox, as far as the account was told
	out   *remote.SMTP

	to     string
	letter string // to whom it writes, but for the Message-ID
	id     string // the one in letter

	whole time.Time // when it has sent nothing, as far as the limit knows
}

// words are what people write to each other.
const words = "Shall we meet at the bridge at six? I'll bring the bread, and something to drink."

// write makes the letter that the account sends. What differs from one message to
// the next is its Message-ID: the relay cannot see more of it.
func (c *account) write(to *account, now time.Time) error {
	// Real keys and a real letter: a filter that parses OpenPGP has as much to do as with a
	// client's.
	key, err := chat.GenerateKey(c.Address, now)
	if err != nil {
		return err
	}
	other, err := chat.GenerateKey(to.Address, now)
	if err != nil {
		return err
	}
	m := &chat.Message{Date: now, Subject: "bench", Text: words, Header: textproto.MIMEHeader{"Chat-Version": {"1.0"}}}
	raw, err := (&chat.Self{Addr: c.Address, Key: key}).Encrypt(m, []*chat.Cert{other.Cert()})
	c.to, c.letter, c.id = to.Address, string(raw), m.ID
	return err
}

// next returns the letter with a new Message-ID.
func (c *account) next() (id, letter string) {
	id = strings.ToLower(rand.Text()) + "@localhost"
	return id, strings.Replace(c.letter, c.id, id, 1)
}

// errSlower is the relay's answer to who sends too fast.
var errSlower = errors.New("the relay asks for a lower rate")

// send sends one message, and returns how long it took until the relay had it.
func (c *account) send(a *arrivals) (time.Duration, error) {
	id, letter := c.next()
	start := time.Now()
	a.leave(id, start)
	reply, err := c.out.Send(c.Address, c.to, letter)
	took := time.Since(start)
	if err == nil && reply.Code == 250 {
		return took, nil
	}
	a.refused(id)
	if err != nil {
		return 0, err
	}
	if _, err := c.out.Want(250, "RSET"); err != nil {
		return 0, err
	}
	if reply.Code == 450 {
		return 0, errSlower
	}
	return 0, errors.New(reply.String())
}

// close deletes what came in, and ends the sessions.
func (c *account) close(ctx context.Context, r *remote.Relay) {
	if c.out != nil {
		c.out.Close()
	}
	if c.inbox == nil {
		return
	}
	c.inbox.Close() // it is in IDLE
	d, err := r.IMAP(ctx, remote.IMAPS, c.Account)
	if err != nil {
		return // the relay deletes in time
	}
	defer d.Close()
	if n, err := d.Select(); err == nil && n > 0 {
		if _, err := d.OK(`STORE 1:* +FLAGS.SILENT (\Deleted)`); err == nil {
			d.OK("EXPUNGE")
		}
	}
}

// connect opens an IMAP connection as far as the greeting.
func connect(ctx context.Context, r *remote.Relay) (*imap.Client, time.Duration, error) {
	start := time.Now()
	conn, err := r.Secure(ctx, remote.IMAPS, r.TLSConfig(remote.IMAPS))
	if err != nil {
		return nil, 0, fmt.Errorf("connecting to port %d: %w", remote.IMAPS.Port, err)
	}
	d, err := imap.New(conn)
	if err != nil {
		return nil, 0, errors.Join(err, conn.Close())
	}
	return d, time.Since(start), nil
}

// login logs an account in, for the first time or again.
func login(ctx context.Context, r *remote.Relay, a remote.Account) (d *imap.Client, connected, took time.Duration, err error) {
	d, connected, err = connect(ctx, r)
	if err != nil {
		return nil, 0, 0, err
	}
	start := time.Now()
	if err := d.Login(a.Address, a.Password); err != nil {
		return nil, 0, 0, errors.Join(err, d.Close())
	}
	return d, connected, time.Since(start), nil
}

package mailbox

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const (
	maxListed = 64              // mails looked at in one go
	maxIdle   = 9 * time.Minute // then the server is asked again: it may be gone
)

// An Inbox is an open IMAP session in INBOX. It is for one goroutine.
type Inbox struct {
	// Limit is the size of the largest mail that is fetched, in bytes.
	Limit int64

	conn   net.Conn
	client *imapclient.Client
	events chan struct{} // something came in
	next   imap.UID      // the first that was not returned yet
	listed []Mail
}

// A Mail lies in the inbox.
type Mail struct {
	UID      imap.UID
	Received time.Time // by the relay
	Size     int64
	Raw      []byte // nil if larger than the limit
}

// OpenInbox logs in and opens INBOX. On a chatmail relay, the first login with
// an address makes the account.
func (s *Server) OpenInbox(ctx context.Context, addr, password string) (*Inbox, error) {
	conn, err := s.dial(ctx, s.IMAP)
	if err != nil {
		return nil, err
	}
	defer endWith(ctx, conn)()
	in := &Inbox{Limit: 32 << 20, conn: conn, events: make(chan struct{}, 1), next: 1}
	in.client = imapclient.New(conn, &imapclient.Options{
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: in.notice},
	})
	if err := in.client.Login(addr, password).Wait(); err != nil {
		in.Close()
		return nil, because(ctx, "logging in over IMAP", err)
	}
	if _, err := in.client.Select("INBOX", nil).Wait(); err != nil {
		in.Close()
		return nil, because(ctx, "opening INBOX", err)
	}
	return in, nil
}

// Close ends the session.
func (in *Inbox) Close() error { return in.client.Close() }

func (in *Inbox) notice(data *imapclient.UnilateralDataMailbox) {
	if data.NumMessages == nil {
		return
	}
	select {
	case in.events <- struct{}{}:
	default: // it is known already
	}
}

// Next returns the next mail, oldest first, each once; it waits until there is
// one.
func (in *Inbox) Next(ctx context.Context) (*Mail, error) {
	defer endWith(ctx, in.conn)()
	for {
		if m, err := in.poll(ctx); m != nil || err != nil {
			return m, err
		}
		if err := in.idle(ctx); err != nil {
			return nil, because(ctx, "waiting for mail", err)
		}
	}
}

// Poll is Next without waiting; it returns nil if there is none.
func (in *Inbox) Poll(ctx context.Context) (*Mail, error) {
	defer endWith(ctx, in.conn)()
	return in.poll(ctx)
}

func (in *Inbox) poll(ctx context.Context) (*Mail, error) {
	for {
		if len(in.listed) == 0 {
			if err := in.list(); err != nil {
				return nil, because(ctx, "listing mail", err)
			}
		}
		if len(in.listed) == 0 {
			return nil, nil
		}
		m := in.listed[0]
		in.listed, in.next = in.listed[1:], m.UID+1
		if m.Size > in.Limit {
			return &m, nil
		}
		raw, err := in.fetch(m.UID)
		if err != nil {
			return nil, because(ctx, "fetching mail", err)
		}
		if raw != nil { // or it has been deleted meanwhile
			m.Raw = raw
			return &m, nil
		}
	}
}

func (in *Inbox) list() error {
	// What is told from here on may be new.
	select {
	case <-in.events:
	default:
	}
	var from imap.UIDSet
	from.AddRange(in.next, 0)
	cmd := in.client.Fetch(from, &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true})
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		buf, err := data.Collect()
		if err != nil {
			return errors.Join(err, cmd.Close())
		}
		// "n:*" has the last mail in it even if that is older (RFC 9051,
		// section 9, seq-range).
		if buf.UID >= in.next && len(in.listed) < maxListed {
			in.listed = append(in.listed, Mail{UID: buf.UID, Received: buf.InternalDate, Size: buf.RFC822Size})
		}
	}
	return cmd.Close()
}

func (in *Inbox) fetch(uid imap.UID) ([]byte, error) {
	cmd := in.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
		BodySection: []*imap.FetchItemBodySection{{Peek: true}},
	})
	var raw []byte
	var err error
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		for item := data.Next(); item != nil; item = data.Next() {
			body, ok := item.(imapclient.FetchItemDataBodySection)
			if !ok || body.Literal == nil || raw != nil || err != nil {
				continue
			}
			var b bytes.Buffer
			n, failed := b.ReadFrom(io.LimitReader(body.Literal, in.Limit+1))
			if err = failed; err == nil && n > in.Limit {
				err = errors.New("more came than was said to")
			}
			raw = b.Bytes()
		}
	}
	if err := errors.Join(err, cmd.Close()); err != nil {
		return nil, err
	}
	return raw, nil
}

// idle returns when the server says that something came in, or after a while.
func (in *Inbox) idle(ctx context.Context) error {
	cmd, err := in.client.Idle()
	if err != nil {
		return err
	}
	timer := time.NewTimer(maxIdle)
	defer timer.Stop()
	var why error
	select {
	case <-in.events:
	case <-timer.C:
	case <-in.client.Closed():
		why = io.ErrUnexpectedEOF
	case <-ctx.Done():
		why = ctx.Err()
	}
	return errors.Join(why, cmd.Close(), cmd.Wait())
}

// Delete removes mail for good, on the server too.
func (in *Inbox) Delete(ctx context.Context, uids ...imap.UID) error {
	defer endWith(ctx, in.conn)()
	set := imap.UIDSetNum(uids...)
	err := in.client.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close()
	if err == nil {
		err = in.client.UIDExpunge(set).Close()
	}
	return because(ctx, "deleting mail", err)
}

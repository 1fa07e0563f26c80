package porter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory/move"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/maildir"
	"chatmaild/store/maildir/parcel"
)

// How mailboxes leave.
const (
	lookEvery  = 250 * time.Millisecond // at the directory, for those that are to leave
	sweepEvery = 5 * time.Second        // at those that are closed, or have left
	atOnce     = 16                     // mailboxes, which share syncs and lists of sessions
	page       = 256                    // how many are looked at
	again      = 2 * time.Second        // after a move that failed
	sayEvery   = 10 * time.Second       // that one did
	lagAgain   = 20 * time.Millisecond  // for this machine's copy of the directory to follow
	lagPatient = 100                    // times

	// leftFor is how long the place of a mailbox that has left stays closed: longer than
	// a client that was let in before takes to open it (authserver's grants, 150 s).
	leftFor = 10 * time.Minute

	dialTimeout   = 3 * time.Second
	writeTimeout  = 15 * time.Second // for a piece of a mailbox
	answerTimeout = time.Minute      // for the other disk
)

// sender moves the mailboxes of this machine that have to leave.
type sender struct {
	conf     *config.Config
	rows     *postgres.Directory
	secret   []byte
	metadata metadataSocket
	store    maildir.Transit
	locks    *locks
	log      *slog.Logger
	sessions sessions
	client   *http.Client
	mover    move.Mover
	moved    *Metrics
	later    later
	lost     func(machine string) bool
}

var _ move.Mailboxes = (*sender)(nil)

// newClient returns what speaks to the porters of other machines, by this one's address.
func newClient(self config.Member) *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(self.Addr, 0))}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &lively{conn}, nil
		},
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: dialTimeout,
		DisableKeepAlives:     true,
	}}
}

// lively is a connection that fails if the other side takes nothing for a while: it would be
// minutes until TCP gives it up.
type lively struct{ net.Conn }

func (l *lively) Write(b []byte) (int, error) {
	if err := l.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return l.Conn.Write(b)
}

// run moves what the directory says until ctx is done. An interrupted move is resumed
// when the daemon runs again.
func (s *sender) run(ctx context.Context) error {
	var moving sync.WaitGroup
	defer moving.Wait()
	slots := make(chan struct{}, atOnce)
	var swept time.Time
	for {
		addrs, err := s.rows.Moving(ctx, s.conf.Cluster.Name, page)
		if err != nil && ctx.Err() == nil {
			s.log.Debug("cannot look for mailboxes that move", "error", err)
		}
		if time.Since(swept) >= sweepEvery {
			addrs, swept = append(addrs, s.closed(ctx)...), time.Now()
		}
		for _, addr := range addrs {
			if !s.later.due(addr) {
				continue
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			moving.Go(func() {
				defer func() { <-slots }()
				if err := s.move(ctx, addr); err != nil {
					s.later.put(addr)
				}
			})
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// later are mailboxes whose moves have failed a moment ago.
type later struct {
	mu    sync.Mutex
	until map[mailaddr.Address]time.Time
	said  time.Time
}

// say reports whether it is time to log a fault: while a machine is away, each mailbox that
// moves there meets it.
func (l *later) say() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := time.Since(l.said); age >= 0 && age < sayEvery {
		return false
	}
	l.said = time.Now()
	return true
}

func (l *later) put(addr mailaddr.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil || len(l.until) > page {
		l.until = map[mailaddr.Address]time.Time{}
	}
	l.until[addr] = time.Now().Add(again)
}

func (l *later) due(addr mailaddr.Address) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !time.Now().Before(l.until[addr])
}

// move moves one mailbox, as far as its row says.
func (s *sender) move(ctx context.Context, addr mailaddr.Address) error {
	ctx, release, ok := s.locks.try(ctx, addr)
	if !ok {
		return errBusy
	}
	defer release()
	start := time.Now()
	err := s.mover.Finish(ctx, addr)
	for n := 0; errors.Is(err, move.ErrLagging) && n < lagPatient; n++ {
		select {
		case <-time.After(lagAgain):
		case <-ctx.Done():
			return ctx.Err()
		}
		err = s.mover.Finish(ctx, addr)
	}
	switch {
	case err == nil:
		s.moved.done.Add(1)
		s.moved.took.Took(time.Since(start))
	case ctx.Err() == nil:
		s.moved.failed.Add(1)
		if s.later.say() {
			s.log.Warn("a mailbox does not move yet: it stays closed, and the move is tried again", "error", err)
		}
		s.log.Debug("failed move", "mailbox", addr.String())
	}
	return err
}

// errBusy says that the mailbox is just arriving.
var errBusy = errors.New("the mailbox is being received")

// closed are mailboxes that are closed here, whatever their rows say now. It has the places of
// those that left long ago be open again.
func (s *sender) closed(ctx context.Context) (addrs []mailaddr.Address) {
	err := s.store.EachClosed(func(addr mailaddr.Address, since time.Time, left bool) error {
		if !left {
			addrs = append(addrs, addr)
			return ctx.Err()
		}
		if age := time.Since(since); age >= 0 && age < leftFor {
			return ctx.Err()
		}
		_, release, ok := s.locks.try(ctx, addr)
		if !ok {
			return nil
		}
		defer release()
		return s.store.Lift(addr)
	})
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot look after the mailboxes that have left", "error", err)
	}
	return addrs
}

// Close implements move.Mailboxes. After the mailbox is aside, nothing can be delivered to it.
// Its sessions are ended first, so that they do not stumble over that, and their clients come
// again at once; and then those that have begun meanwhile.
func (s *sender) Close(ctx context.Context, addr mailaddr.Address) error {
	ended := s.sessions.endKnown(ctx, addr)
	if err := s.store.Close(addr); err != nil {
		return err
	}
	if err := errors.Join(ended, s.sessions.end(ctx, addr)); err != nil {
		s.log.Warn("open sessions of a mailbox that moves end later", "error", err)
	}
	return nil
}

// Reopen implements move.Mailboxes.
func (s *sender) Reopen(_ context.Context, addr mailaddr.Address) error { return s.store.Reopen(addr) }

// errLost says that a mailbox stays at home.
var errLost = errors.New("the machine that it moves to is lost: it stays")

// Copy implements move.Mailboxes.
func (s *sender) Copy(ctx context.Context, addr mailaddr.Address, to string) error {
	if s.lost(to) {
		_, err := move.Cancel(ctx, s.mover.Writer, addr)
		return errors.Join(errLost, err)
	}
	other, err := member(s.conf, to)
	if err != nil {
		return err
	}
	path, err := s.store.Closed(addr)
	if err != nil {
		return err
	}
	kept, err := s.metadata.kept(ctx, addr)
	if err != nil {
		return fmt.Errorf("reading the push tokens of a mailbox: %w", err)
	}
	body, w := io.Pipe()
	go func() { w.CloseWithError(write(w, kept, path)) }()
	defer body.Close()
	url := "http://" + hostPort(other) + mailboxes + addr.String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, body)
	if err != nil {
		return errors.New("sending a mailbox: its address makes no URL")
	}
	request.Header.Set(fromHeader, s.conf.Cluster.Name)
	request.Header.Set("Authorization", bearer+capability(s.secret, s.conf.Cluster.Name, to, addr))
	request.Header.Set("Expect", "100-continue")
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("sending a mailbox to machine %s: %w", to, unwrapped(err))
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxSaid))
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("machine %s answers %d: %s", to, response.StatusCode, strings.TrimSpace(string(said)))
	}
	return nil
}

// maxSaid bounds what is kept of a refusal, in bytes.
const maxSaid = 512

// write writes what is sent of a mailbox: a line with what is kept of it elsewhere, and its
// files, if there are any.
func write(w io.Writer, kept, path string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	if _, err := out.WriteString(kept + "\n"); err != nil {
		return err
	}
	if path != "" {
		if err := parcel.Write(out, path); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Remove implements move.Mailboxes. The place of the mailbox stays closed for a while.
func (s *sender) Remove(ctx context.Context, addr mailaddr.Address) error {
	if err := s.store.Close(addr); err != nil {
		return err
	}
	if err := s.metadata.forget(ctx, addr); err != nil {
		return fmt.Errorf("forgetting the push tokens of a mailbox that has left: %w", err)
	}
	return s.store.RemoveClosed(addr)
}

// member is another machine.
func member(conf *config.Config, name string) (config.Member, error) {
	for _, m := range config.Members(conf) {
		if m.Name == name {
			return m, nil
		}
	}
	return config.Member{}, fmt.Errorf("[cluster] of %s does not name machine %q", config.DefaultPath, name)
}

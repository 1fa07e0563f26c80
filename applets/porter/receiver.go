package porter

import (
	"bufio"
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"chatmaild/applets/config"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/disk"
	"chatmaild/store/maildir"
	"chatmaild/store/maildir/parcel"
)

// The words of a mailbox's way: PUT /mailboxes/ADDRESS, by whom the row says, with
// a body as write makes it.
const (
	mailboxes  = "/mailboxes/"
	fromHeader = "Chatmaild-From"
	bearer     = "Bearer "
)

// Bounds of what is received.
const (
	maxConnections = 64
	maxHeader      = 8 << 10  // bytes
	maxKeptLine    = 80 << 10 // bytes; push bounds it
	readTimeout    = 30 * time.Second
	stopTimeout    = 10 * time.Second

	// indexRoom is what Dovecot's indexes may take beside the mail, in bytes. A mailbox may
	// be above its limit for a day.
	indexRoom = 64 << 20
)

// receiver takes the mailboxes that come to this machine.
type receiver struct {
	conf     *config.Config
	writer   directory.Writer
	secret   []byte
	metadata metadataSocket
	store    maildir.Transit
	locks    *locks
	log      *slog.Logger
	admitted func() error
	sync     *disk.Syncer
}

// serve answers the other machines until ctx is done. It closes l.
func (r *receiver) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: readTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = server.Shutdown(within)
		_ = server.Close()
	})
	err := server.Serve(netutil.LimitListener(l, maxConnections))
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-finished
	return nil
}

// refusal is what a machine is told whose mailbox is not taken.
type refusal struct {
	status int
	error
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	err := r.receive(w, q)
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status := http.StatusServiceUnavailable
	if refused, ok := errors.AsType[refusal](err); ok {
		status = refused.status
	}
	r.log.Warn("a mailbox was not received", "error", err)
	w.Header().Set("Connection", "close") // what is left of the body is not read
	http.Error(w, err.Error(), status)
}

// receive takes one mailbox. Its errors name no address.
func (r *receiver) receive(w http.ResponseWriter, q *http.Request) error {
	name, ok := strings.CutPrefix(q.URL.Path, mailboxes)
	if !ok || q.Method != http.MethodPut {
		return refusal{http.StatusNotFound, errors.New("there is nothing but PUT " + mailboxes + "ADDRESS")}
	}
	addr, err := mailaddr.Parse(name, r.conf.AddressDomain())
	if err != nil || addr.String() != name {
		return refusal{http.StatusNotFound, errors.New("not an address of this relay")}
	}
	from := q.Header.Get(fromHeader)
	if !r.authorized(q, from, addr) {
		return refusal{http.StatusForbidden, errors.New("not a machine of this relay")}
	}
	if err := r.admitted(); err != nil {
		return err
	}
	// A copy that was begun before is of no use.
	ctx, release, err := r.locks.take(q.Context(), addr)
	if err != nil {
		return err
	}
	defer release()
	body := bufio.NewReaderSize(&patient{ctx, http.NewResponseController(w), q.Body}, maxKeptLine)
	kept, err := body.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("reading what comes with a mailbox: %w", err)
	}
	tokens := string(kept[:len(kept)-1])
	if err := r.place(ctx, from, addr, body); err != nil {
		return err
	}
	if err := r.metadata.keep(ctx, addr, tokens); err != nil {
		return fmt.Errorf("keeping the push tokens of a mailbox: %w", err)
	}
	return nil
}

// place puts a mailbox in its place, if the row still says that it comes.
func (r *receiver) place(ctx context.Context, from string, addr mailaddr.Address, body *bufio.Reader) error {
	if _, err := body.Peek(1); errors.Is(err, io.EOF) { // it was never used
		if err := r.expected(ctx, from, addr); err != nil {
			return err
		}
		return r.store.Gone(addr)
	}
	path, err := r.store.Arrive(addr)
	if err != nil {
		return err
	}
	if err := parcel.Read(body, path, 2*int64(r.conf.MaxMailboxSize)+indexRoom); err != nil {
		return err
	}
	if err := r.sync.Sync(ctx); err != nil {
		return err
	}
	if err := r.expected(ctx, from, addr); err != nil {
		return err
	}
	if err := r.store.Arrived(addr); err != nil {
		return err
	}
	return r.sync.Sync(ctx)
}

// authorized reports whether a request comes from the machine from, for that mailbox.
func (r *receiver) authorized(q *http.Request, from string, addr mailaddr.Address) bool {
	other, err := member(r.conf, from)
	if err != nil || from == r.conf.Cluster.Name {
		return false
	}
	peer, err := netip.ParseAddrPort(q.RemoteAddr)
	if err != nil || peer.Addr().Unmap() != other.Addr {
		return false
	}
	want := bearer + capability(r.secret, from, r.conf.Cluster.Name, addr)
	return hmac.Equal([]byte(q.Header.Get("Authorization")), []byte(want))
}

// expected fails unless the row says, by the writer's word, that the mailbox moves from
// there to here.
func (r *receiver) expected(ctx context.Context, from string, addr mailaddr.Address) error {
	word, err := r.writer.Word(ctx, addr)
	if err != nil {
		return fmt.Errorf("asking the directory: %w", err)
	}
	if word.Home != from || word.MovingTo != r.conf.Cluster.Name {
		return refusal{http.StatusConflict, errors.New("the mailbox does not move from there to here")}
	}
	return nil
}

// patient reads a body that may take long, but not long for a piece.
type patient struct {
	ctx  context.Context
	conn *http.ResponseController
	body io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return 0, err
	}
	return p.body.Read(b)
}

// unwrapped takes the URL, which names the account, out of an error.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// Package lmtp takes from Postfix what leaves the relay (RFC 2033), signs it, and has it
// delivered: all domains of its recipients at once, with a true reply for each recipient.
// The message stays in Postfix's queue until then; so nothing is lost with this process.
// The protocol is go-smtp's.
package lmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

	"chatmaild/applets/transport/smtpout"
	"chatmaild/applets/transport/spool"
)

// Bounds.
const (
	// MaxConnections is how many messages may be under way at once; Postfix is configured
	// for fewer.
	MaxConnections = 300

	// total is for a message with all its recipients; Postfix waits longer for the replies
	// (master.cf): what it gave up would be delivered twice.
	total      = 15 * time.Minute
	ioTimeout  = 10 * time.Minute
	maxLine    = 4096 // of a command; Postfix writes up to 2048
	perMessage = 50   // batches of a message at once

	// A batch is what one transaction has. A host may fail it as a whole, and the
	// recipients have to fit into a header of HTTP.
	batchRecipients = 100
	batchBytes      = 16 << 10
)

// Options says what a Server does.
type Options struct {
	Name           string // what to call oneself
	MaxMessageSize int64
	MaxRecipients  int
	SpoolDir       string // for large messages

	Sign    Sign
	Deliver Deliver
	// Resting, if set, says for which domains no message need be read now, nor signed, and the
	// reply: most mail for hosts that do not answer meets that.
	Resting func(domain string) (smtpout.Reply, bool)
	Log     *slog.Logger
}

// Sign returns a field to put in front of the message that open opens, or "". An error
// defers the message.
type Sign func(open func() io.Reader) (field string, err error)

// Deliver delivers a message to recipients of one domain, and returns a reply for each.
type Deliver func(ctx context.Context, domain string, m smtpout.Message) []smtpout.Reply

// Server takes messages.
type Server struct {
	Options
	draining atomic.Bool
	mu       sync.Mutex
	active   sync.WaitGroup
}

// New returns a Server.
func New(o Options) *Server { return &Server{Options: o} }

// Serve takes messages from the connections that l accepts until ctx is done, and returns
// when those at hand have been answered. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		// Not ctx itself: what is in progress continues when it is done.
		return &session{server: s, ctx: context.WithoutCancel(ctx)}, nil
	}))
	server.LMTP, server.Domain = true, s.Name
	server.MaxMessageBytes, server.MaxRecipients, server.MaxLineLength = s.MaxMessageSize, s.MaxRecipients, maxLine
	server.ReadTimeout, server.WriteTimeout = ioTimeout, ioTimeout
	server.EnableSMTPUTF8 = true
	server.ErrorLog = slog.NewLogLogger(s.Log.Handler(), slog.LevelError)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	err := server.Serve(netutil.LimitListener(l, MaxConnections))
	s.mu.Lock()
	s.draining.Store(true)
	s.mu.Unlock()
	s.active.Wait()
	closing := server.Close()
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, closing)
}

// begin reports whether a message may begin. If so, end has to be called.
func (s *Server) begin() (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return nil, false
	}
	s.active.Add(1)
	return s.active.Done, true
}

// session is one connection.
type session struct {
	server *Server
	ctx    context.Context
	from   string
	utf8   bool
	to     []string
	end    func() // of the message at hand, once it has been answered
}

var _ smtp.LMTPSession = (*session)(nil)

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.from, s.utf8, s.to = from, o != nil && o.UTF8, nil
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	at := strings.LastIndexByte(to, '@')
	if at < 1 || at == len(to)-1 {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "an address without a domain"}
	}
	if s.server.Resting != nil {
		if reply, rests := s.server.Resting(to[at+1:]); rests {
			return answer(reply)
		}
	}
	s.to = append(s.to, to)
	return nil
}

// Reset implements smtp.Session. It is called when a message has been answered.
func (s *session) Reset() {
	s.from, s.utf8, s.to = "", false, nil
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

func (s *session) Logout() error {
	s.Reset()
	return nil
}

// Data implements smtp.Session, and is not called over LMTP.
func (s *session) Data(io.Reader) error { return errors.New("this is an LMTP server") }

// LMTPData implements smtp.LMTPSession. Its error is the reply for recipients that have none.
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	end, ok := s.server.begin()
	if !ok {
		return later("4.3.2", "shutting down")
	}
	s.end = end
	message, err := spool.New(r, s.server.SpoolDir)
	if err != nil {
		s.server.Log.Error("a message is deferred: it cannot be kept for delivery", "error", err)
		return later("4.3.1", "the transport cannot keep the message: see its log")
	}
	defer message.Close()
	field, err := s.server.Sign(message.Open)
	if err != nil {
		s.server.Log.Error("a message is deferred: it cannot be signed", "error", err)
		return later("4.7.5", "the transport cannot sign the message: see its log")
	}
	if field != "" {
		message.Prepend(field)
	}
	ctx, cancel := context.WithTimeout(s.ctx, total)
	defer cancel()
	places := make(chan struct{}, perMessage)
	var delivering sync.WaitGroup
	for _, b := range batches(s.to) {
		places <- struct{}{}
		delivering.Go(func() {
			defer func() { <-places }()
			replies := s.server.deliver(ctx, b.domain, smtpout.Message{
				Sender: s.from, Recipients: b.recipients, UTF8: s.utf8, Size: message.Size(), Open: message.Open,
			})
			for i, to := range b.recipients {
				status.SetStatus(to, answer(replies[i]))
			}
		})
	}
	delivering.Wait()
	return nil
}

// deliver is Deliver. A panic is a fault of ours that defers this message, and no other.
func (s *Server) deliver(ctx context.Context, domain string, m smtpout.Message) (replies []smtpout.Reply) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("internal fault", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			replies = slices.Repeat([]smtpout.Reply{{Code: 451, Status: [3]int{4, 3, 0}, Text: "internal error"}}, len(m.Recipients))
		}
	}()
	return s.Deliver(ctx, domain, m)
}

func later(status, text string) error {
	return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, int(status[2] - '0'), int(status[4] - '0')}, Message: text}
}

// answer is a reply for Postfix. 421 would be about the connection.
func answer(r smtpout.Reply) error {
	code := r.Code
	if code == 421 || code/100 != 2 && code/100 != 4 && code/100 != 5 {
		code = 451
	}
	status := smtp.EnhancedCode(r.Status)
	if status[0] != code/100 {
		status = smtp.EnhancedCode{code / 100, 0, 0}
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: status, Message: line(r.Text)}
}

// maxText is how much of a host's words is passed on, in bytes.
const maxText = 500

// line is text in one line of printable ASCII.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	return text[:min(len(text), maxText)]
}

// batch is recipients of one domain that share a transaction.
type batch struct {
	domain     string
	recipients []string
	bytes      int
}

// batches sorts recipients by their domains.
func batches(to []string) []*batch {
	var list []*batch
	open := map[string]*batch{}
	for _, addr := range to {
		domain := strings.ToLower(addr[strings.LastIndexByte(addr, '@')+1:])
		b := open[domain]
		if b == nil || len(b.recipients) >= batchRecipients || b.bytes+len(addr) > batchBytes {
			b = &batch{domain: domain}
			open[domain] = b
			list = append(list, b)
		}
		b.recipients = append(b.recipients, addr)
		b.bytes += len(addr)
	}
	return list
}

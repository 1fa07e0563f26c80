package proxy

import (
	"bufio"
	"errors"
	"io"
	"time"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/proxy/queue"
)

// The buffers of a message. The first one is for the header, and takes the whole of
// most messages at once; the body of a large one is read past it, into the check's
// own buffer. The second one is how much of a message is held back from the queue
// until there is a verdict.
const (
	readBuffer = 8 << 10
	holdBuffer = 16 << 10
)

// buffers is what a message in flight needs.
type buffers struct {
	dots  dotReader
	in    *bufio.Reader // over dots
	inj   queue.Injection
	out   *bufio.Writer // over inj
	stuff stuffer       // over out
}

func newBuffers() *buffers {
	b := &buffers{in: bufio.NewReaderSize(nil, readBuffer), out: bufio.NewWriterSize(nil, holdBuffer)}
	b.stuff.w = b.out
	return b
}

// Write takes what the check reads. Once the queue has any of a message, what came
// in one large read goes out in one write; smaller ones are gathered.
func (b *buffers) Write(p []byte) (int, error) {
	_, _ = b.stuff.Write(p)
	if len(p) >= holdBuffer && b.inj.Begun() {
		_ = b.out.Flush()
	}
	return len(p), nil
}

// transaction is the envelope of a message.
type transaction struct {
	env    mailfilter.Envelope
	params string   // of MAIL, with the space before them, or ""
	rcpts  []string // the arguments of RCPT for the queue
}

// add adds a recipient.
func (t *transaction) add(p path) {
	t.rcpts = append(t.rcpts, "TO:<"+p.addr+">"+p.params)
	t.env.Recipients = append(t.env.Recipients, p.addr)
}

var errNotAll = errors.New("the check did not read the whole message")

// message takes the data of a message from src, which dots describes, and returns what
// to answer, what became of it, and whether more can be read from src.
func (s *Server) message(src source, t *transaction, dots dotReader) (say string, ev Event, clean bool) {
	b := s.buffers.Get().(*buffers)
	defer s.buffers.Put(b)
	dots.src, dots.limit = src, s.opts.MaxMessageSize+receivedRoom
	b.dots = dots
	b.inj = queue.Injection{Pool: s.pool, Rcpts: t.rcpts}
	defer b.inj.Cut() // only a panic leaves anything to cut
	b.in.Reset(&b.dots)
	b.out.Reset(&b.inj)
	b.stuff.midl = false

	start, waited := time.Now(), src.waiting()
	err := s.pass(t, b)
	check := time.Since(start) - (src.waiting() - waited) - b.inj.Spent()

	switch {
	case err == nil && src.gone():
		b.inj.Cut()
		say, ev = s.lost()
	case err == nil:
		_, _ = b.out.WriteString(".\r\n")
		_ = b.out.Flush()
		say, ev = s.queued(b.inj.Finish())
		clean = !queue.Reply(say).Closing()
	default:
		b.inj.Cut()
		clean = b.drain()
		if b.dots.failed() {
			say, ev = s.lost()
		} else {
			say, ev = s.verdict(err)
		}
	}
	ev.Size, ev.Check, ev.Queue = b.dots.size, check, b.inj.Spent()
	b.dots, b.inj = dotReader{}, queue.Injection{}
	return say, ev, clean
}

// pass checks the message, and sends it to the queue but for the final dot. It
// returns nil if the message may pass; whether the queue has it so far is for
// the injection to say.
func (s *Server) pass(t *transaction, b *buffers) error {
	h, err := mailfilter.ReadHeader(b.in)
	if err != nil {
		return err
	}
	check, err := s.opts.Policy.Check(t.env, h)
	if err != nil {
		return err
	}
	b.inj.Mail = "FROM:<" + check.Envelope.Sender + ">" + t.params
	_, _ = b.stuff.Write(h.Raw())
	ahead, err := b.in.Peek(b.in.Buffered())
	if err != nil {
		return err
	}
	_, _ = b.stuff.Write(ahead)
	b.dots.tee = b
	if err := check.Body(b.in); err != nil {
		return err
	}
	if !b.dots.ended() || b.in.Buffered() > 0 {
		return errNotAll
	}
	return nil
}

// drain reads what is left of a message that will not pass, so that its sender
// gets to the point of reading the reply. It reports whether the session can go
// on: not after a message whose end another program may see elsewhere. What is left of
// an article is its owner's to read.
func (b *buffers) drain() bool {
	if b.dots.article {
		return false
	}
	b.out.Reset(io.Discard)
	scratch := b.out.AvailableBuffer()
	return b.dots.skip(scratch[:cap(scratch)], b.dots.limit) == nil && b.dots.fault == nil
}

// lost is what to say to a peer that went away in the middle of a message, or
// was cut off.
func (s *Server) lost() (string, Event) {
	if s.phase.Load() != serving {
		return sayShutdown, Event{Result: Aborted}
	}
	return "", Event{Result: Aborted}
}

// queued turns the queue's word into a reply.
func (s *Server) queued(r queue.Reply, err error) (string, Event) {
	var no *queue.Refused
	switch {
	case err == nil:
		return string(r), Event{Result: Passed}
	case errors.As(err, &no):
		s.opts.Log.Debug("the queue refused a message", "reply", string(no.Reply))
		return string(no.Reply), Event{Result: Declined}
	default:
		return sayNoQueue, Event{Result: Deferred, fault: err}
	}
}

// verdict turns an error of the policy or the reader into a reply.
func (s *Server) verdict(err error) (string, Event) {
	var no *mailfilter.Refusal
	if say, ok := malformed(err); ok {
		return say, Event{Result: Malformed}
	}
	switch {
	case errors.As(err, &no):
		return refusal(no, s.opts.Hidden), Event{Result: Refused, Reason: no.Reason}
	default:
		s.opts.Log.Error("cannot check a message", "error", err)
		return sayFault, Event{Result: Deferred}
	}
}

// report tells the observer, and the log when the queue fails and when it is
// back: once each, however many messages come by.
func (s *Server) report(ev Event) {
	switch {
	case ev.fault != nil && !s.queueBad.Swap(true):
		s.opts.Log.Warn("the queue does not answer; messages are deferred", "queue", s.opts.Queue, "error", ev.fault)
	case ev.Result == Passed && s.queueBad.Load() && s.queueBad.Swap(false):
		s.opts.Log.Info("the queue answers again", "queue", s.opts.Queue)
	}
	s.opts.Observer.Message(ev)
}

package dkim

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
)

// The bounds of a message. A domain that changes its key or its algorithm signs
// twice; a mailing list leaves the signatures of others.
const (
	maxFields     = 32 // DKIM-Signature fields that are looked at
	maxSignatures = 4  // of the author's domain
)

// Records is what the DNS has of a name.
type Records struct {
	Texts []string      // of each TXT record, its strings joined; none if there is no such name
	TTL   time.Duration // how long that is true
}

// Lookup returns the TXT records of a name. An error means that nobody could
// tell, not that there are none. It has to end soon, and when ctx is done.
type Lookup func(ctx context.Context, name string) (Records, error)

// ErrUnsigned says that a message has no signature at all.
var ErrUnsigned = errors.New("no DKIM signature")

// ErrFuture is why a signature does not count yet: it was made in the future, so
// that somebody's clock is wrong.
var ErrFuture = errors.New("signature was made in the future")

// Invalid says that no signature of a message counts.
type Invalid struct {
	Err error // why the first one of the author's domain does not; repeats nothing of the message
}

func (e *Invalid) Error() string { return "no valid DKIM signature: " + e.Err.Error() }

// Unwrap returns why.
func (e *Invalid) Unwrap() error { return e.Err }

// Verifier verifies messages and remembers keys. It is safe for concurrent use.
type Verifier struct {
	lookup Lookup
	now    func() time.Time
	keys   cache
}

// New returns a Verifier that asks lookup for keys and now for the time.
func New(lookup Lookup, now func() time.Time) *Verifier {
	return &Verifier{lookup: lookup, now: now}
}

// Message is a message that is being verified. It is for one goroutine.
type Message struct {
	candidates []candidate
	fault      error // why others are none
	bodies     [2]*body
	cancel     context.CancelFunc
}

// candidate is a signature that counts if key, body and digest agree.
type candidate struct {
	*signature
	digest []byte
	key    *key          // nil: it comes from answer
	answer <-chan answer // gets one, even if nobody waits for it
}

type answer struct {
	key *key
	err error
}

// Begin starts to verify a message by its header block, which may end with the
// empty line, and the author's domain, in lower case. It does not wait for keys.
// Close has to be called in the end.
func (v *Verifier) Begin(header []byte, domain string) *Message {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Message{fault: ErrUnsigned, cancel: cancel}
	fields := split(header)
	authors, seen, now := 0, 0, v.now()
	for i, f := range fields {
		switch f.name {
		case "from":
			authors++
		case "dkim-signature":
			if seen++; seen <= maxFields && len(m.candidates) < maxSignatures {
				m.consider(fields, i, domain, now)
			}
		}
	}
	if authors != 1 && seen > 0 {
		m.candidates, m.fault = nil, &Invalid{errFromFields}
	}
	for i := range m.candidates {
		c := &m.candidates[i]
		if c.key = v.keys.get(c.query(), now); c.key == nil {
			c.answer = v.ask(ctx, c.query())
		}
	}
	return m
}

// consider makes a candidate of the field at index i, unless it is not one.
func (m *Message) consider(fields []field, i int, domain string, now time.Time) {
	l, err := parseTags(fields[i].value())
	if err == nil && lower(l.value("d", "")) != domain {
		err = errDomain
	}
	var s *signature
	if err == nil {
		s, err = parseSignature(l, now)
	}
	if err != nil {
		m.blame(err)
		return
	}
	b, _ := l.find("b")
	sum := digest(s, fields, i, b)
	m.candidates = append(m.candidates, candidate{signature: s, digest: sum[:]})
	if at := s.form(); m.bodies[at] == nil {
		m.bodies[at] = newBody(s.relaxedBody)
	}
}

// form is the index of the body that a signature is about.
func (s *signature) form() int {
	if s.relaxedBody {
		return 1
	}
	return 0
}

// blame keeps the first reason that is about a signature of the author's domain.
func (m *Message) blame(err error) {
	if m.fault == ErrUnsigned || errors.Is(m.fault, errDomain) {
		m.fault = &Invalid{err}
	}
}

// ask looks a key up, and caches it if it may count.
func (v *Verifier) ask(ctx context.Context, name string) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		records, err := v.lookup(ctx, name)
		if err != nil {
			c <- answer{err: err}
			return
		}
		k, err := choose(records.Texts)
		if err != nil {
			c <- answer{err: &Invalid{err}}
			return
		}
		v.keys.put(name, k, v.now(), records.TTL)
		c <- answer{key: k}
	}()
	return c
}

// Write takes a piece of the body, which begins after the empty line. It does
// not fail.
func (m *Message) Write(p []byte) (int, error) {
	for _, b := range m.bodies {
		if b != nil {
			b.write(p)
		}
	}
	return len(p), nil
}

// Verify returns nil if a signature proves the author's domain; ErrUnsigned or
// an *Invalid if none does; or another error if that is not known, because a
// look-up failed. It is called once, after the last Write.
func (m *Message) Verify() error {
	var sums [len(m.bodies)][]byte
	for i, b := range m.bodies {
		if b != nil {
			sums[i] = b.sum()
		}
	}
	var unknown error
	for _, c := range m.candidates {
		if subtle.ConstantTimeCompare(sums[c.form()], c.bodyHash) != 1 {
			m.blame(errBody)
			continue
		}
		err := c.verify()
		var no *Invalid
		switch {
		case err == nil:
			return nil
		case errors.As(err, &no):
			m.blame(no.Err)
		default:
			unknown = err
		}
	}
	if unknown != nil {
		return fmt.Errorf("looking up a DKIM key: %w", unknown)
	}
	return m.fault
}

func (c *candidate) verify() error {
	if c.key == nil {
		a := <-c.answer
		if a.err != nil {
			return a.err
		}
		c.key = a.key
	}
	if err := c.key.verify(c.signature, c.digest); err != nil {
		return &Invalid{err}
	}
	return nil
}

// Close ends look-ups that nobody waits for.
func (m *Message) Close() { m.cancel() }

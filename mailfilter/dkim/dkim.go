package dkim

import (
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

// PublishAge is how long messages without a published key are deferred, from the first
// one of their domain on, if none of the domain was ever verified here: a new relay often
// sends before its key is in the DNS. It costs a forger's queue that long, and ours a
// look-up for each of his tries; and who has set up no key learns of it so much later.
const PublishAge = 2 * time.Hour

// ErrUnsigned says that a message has no signature at all.
var ErrUnsigned = errors.New("no DKIM signature")

// ErrPending is why a signature does not count yet: its key may not have been published.
var ErrPending error = fault{"the key is not in the DNS yet", "publish the TXT record SELECTOR._domainkey.DOMAIN"}

// Invalid says that no signature of a message counts.
type Invalid struct {
	// Err is why the first one of the author's domain does not, and what its
	// operator can do about it. It repeats nothing of the message.
	Err error
}

func (e *Invalid) Error() string { return "no valid DKIM signature: " + e.Err.Error() }

// Unwrap returns why.
func (e *Invalid) Unwrap() error { return e.Err }

// Options is what a Verifier needs.
type Options struct {
	Lookup Lookup
	// Authority is Lookup that asks the domain's own servers, past all caches. nil
	// means Lookup.
	Authority Lookup
	Now       func() time.Time

	// MaxStrangers is how many messages may wait for the DNS at once whose domains
	// were never verified here, one at least.
	MaxStrangers int
}

// Verifier verifies messages and remembers keys. It is safe for concurrent use.
type Verifier struct{ lookups *lookups }

// New returns a Verifier that knows no domain yet.
func New(o Options) *Verifier { return &Verifier{newLookups(o)} }

// Stats returns how keys were looked for.
func (v *Verifier) Stats() Stats {
	v.lookups.mu.Lock()
	defer v.lookups.mu.Unlock()
	return v.lookups.stats
}

// Message is a message that is being verified. It is for one goroutine.
type Message struct {
	lookups    *lookups
	domain     string // the author's
	candidates []candidate
	fault      error // why others are none
	bodies     [2]*body
	queries    []*query
}

// candidate is a signature that counts if a key, body and digest agree.
type candidate struct {
	*signature
	digest []byte
	query  *query
}

// Begin starts to verify a message by its header block, which may end with the
// empty line, and the author's domain, in lower case. It does not wait for keys.
// Close has to be called in the end.
func (v *Verifier) Begin(header []byte, domain string) *Message {
	m := &Message{lookups: v.lookups, domain: domain, fault: ErrUnsigned}
	fields := split(header)
	authors, seen, now := 0, 0, v.lookups.Now()
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
		c.query = m.lookups.ask(domain, c.name())
		m.queries = append(m.queries, c.query)
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
// an *Invalid if none does; ErrPending if one may soon; or another error if that is not
// known, because a look-up failed. It is called once, after the last Write.
func (m *Message) Verify() error {
	var sums [len(m.bodies)][]byte
	for i, b := range m.bodies {
		if b != nil {
			sums[i] = b.sum()
		}
	}
	var unknown error // or not yet known
	for _, c := range m.candidates {
		if subtle.ConstantTimeCompare(sums[c.form()], c.bodyHash) != 1 {
			m.blame(errBody)
			continue
		}
		err := m.verify(&c)
		var no *Invalid
		switch {
		case err == nil:
			m.lookups.verified(m.domain)
			return nil
		case errors.As(err, &no):
			m.blame(no.Err)
		case err == ErrPending:
			unknown = err
		default:
			unknown = fmt.Errorf("looking up a DKIM key: %w", err)
		}
	}
	if unknown != nil {
		return unknown
	}
	return m.fault
}

// verify tries the keys of a candidate. If none fits, the domain's own servers are asked
// for them: it may have replaced or published one a moment ago.
func (m *Message) verify(c *candidate) error {
	err := c.verify(c.query)
	if err == nil || !errors.As(err, new(fault)) {
		return err
	}
	if again := m.lookups.renew(m.domain, c.name()); again != nil {
		m.queries = append(m.queries, again)
		if now := c.verify(again); now == nil || errors.As(now, new(fault)) {
			err = now
		}
	}
	switch {
	case err == nil:
		return nil
	case err == errNoKey && m.lookups.awaited(m.domain):
		return ErrPending
	default:
		return &Invalid{err}
	}
}

// verify tries the keys that a query found. Of their errors, that of one
// that could have signed tells most.
func (c *candidate) verify(q *query) error {
	keys, err := q.result()
	for _, k := range keys {
		no := k.verify(c.signature, c.digest)
		if no == nil {
			return nil
		}
		if err != errHeaderSig {
			err = no
		}
	}
	return err
}

// Close ends look-ups that nobody waits for.
func (m *Message) Close() {
	for _, q := range m.queries {
		q.leave()
	}
	m.queries = nil
}

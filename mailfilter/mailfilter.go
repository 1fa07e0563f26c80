package mailfilter

import (
	"io"
	"strings"
)

// Envelope is what SMTP said about a message: the reverse-path ("" is the
// null sender) and the forward-paths, all without angle brackets
// (RFC 5321, section 3.3).
type Envelope struct {
	Sender     string
	Recipients []string
}

// Policy judges a message in three steps, as the bytes become known: Admit at
// MAIL FROM, Check once the header has been read, and [Check.Body] over the
// rest. *Outgoing and *Incoming implement it. A Policy is safe for concurrent
// use.
type Policy interface {
	// Admit says whether sender may send a message now. It returns nil, or a
	// *Refusal. It is asked once for each message, because asking counts.
	Admit(sender string) error

	// Check decides what envelope and header alone decide. It returns what
	// the body has to fulfil; or a *Refusal; or another error when it could
	// not find out, which is a temporary failure of ours.
	Check(env Envelope, h *Header) (*Check, error)
}

// Check is what remains to be done with a message that the header alone did
// not get refused. It is used once, by one goroutine.
type Check struct {
	// Envelope is the one to pass on. It differs from the one received only
	// in that Incoming replaces a sender that is not the author by "".
	Envelope Envelope

	// FromDomain is the domain of the only address in the From header, in
	// lower case; a literal has its brackets. It is what a DKIM signature has
	// to prove.
	FromDomain string

	body rule
}

// rule judges the body of a message. It reads r to the end unless it returns
// a *Refusal.
type rule func(r io.Reader) error

// Body reads the body of the message, which begins after the empty line that
// ReadHeader consumed, and gives the verdict: nil if the message may pass, a
// *Refusal if it may not; any other error is one of reading r, wrapped. It
// reads r to EOF, unless it returns a *Refusal: the rest is left to the caller.
// What it holds in memory does not depend on the size of the message.
func (c *Check) Body(r io.Reader) error { return c.body(r) }

// Reason is why a message was refused. It is for replies, counters and logs,
// and holds nothing of the message.
type Reason uint8

// The reasons of a Refusal.
const (
	Unencrypted     Reason = iota + 1 // neither encrypted nor one of the exceptions
	FromMismatch                      // the From header does not name the sender
	RateLimited                       // the sender sends too fast; a temporary reason
	BadHeader                         // the header is malformed, ambiguous or too long
	BadAddress                        // a recipient's address is not one, or not spelled as we spell our own
	BadSender                         // the sender's address likewise
	Unsigned                          // no DKIM signature
	BadSignature                      // no valid DKIM signature of the author's domain
	KeyUnknown                        // the DNS did not say what the key is; a temporary reason
	KeyPending                        // the key may not have arrived in the DNS; a temporary reason
	FutureSignature                   // the signature is from the future: a clock is wrong; a temporary reason
	ForgedLiteral                     // the author's address literal is not where the message comes from
	LiteralFamily                     // it is of the other Internet protocol; a temporary reason
)

var reasonNames = [...]string{
	Unencrypted:     "unencrypted",
	FromMismatch:    "from-mismatch",
	RateLimited:     "rate-limited",
	BadHeader:       "bad-header",
	BadAddress:      "bad-address",
	BadSender:       "bad-sender",
	Unsigned:        "unsigned",
	BadSignature:    "bad-signature",
	KeyUnknown:      "key-unknown",
	KeyPending:      "key-pending",
	FutureSignature: "future-signature",
	ForgedLiteral:   "forged-literal",
	LiteralFamily:   "literal-family",
}

// Reasons returns all reasons, in a fixed order, for those who count them.
func Reasons() []Reason {
	return []Reason{
		Unencrypted, FromMismatch, RateLimited, BadHeader, BadAddress, BadSender, Unsigned, BadSignature, KeyUnknown,
		KeyPending, FutureSignature, ForgedLiteral, LiteralFamily,
	}
}

// String returns the name that counters and logs use.
func (r Reason) String() string {
	if int(r) < len(reasonNames) && reasonNames[r] != "" {
		return reasonNames[r]
	}
	return "unknown"
}

// Refusal is a negative verdict. It knows no SMTP: what speaks that maps
// the Reason to a reply.
type Refusal struct {
	Reason Reason

	// Sender is the envelope sender and From the author's address as the
	// header has it, where the reason is about them. Both come from the
	// peer, but hold only printable ASCII, so they are fit for a reply line.
	Sender, From string

	// Err says what was wrong, in words that repeat nothing of the message.
	Err error
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("refused: ")
	b.WriteString(r.Reason.String())
	if r.Err != nil {
		b.WriteString(": ")
		b.WriteString(r.Err.Error())
	}
	return b.String()
}

// Unwrap returns what was wrong.
func (r *Refusal) Unwrap() error { return r.Err }

func refuse(reason Reason, err error) *Refusal {
	return &Refusal{Reason: reason, Err: err}
}

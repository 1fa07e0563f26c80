package mailfilter

import "errors"

var (
	errTooFast  = errors.New("too many messages in too short a time")
	errMismatch = errors.New("header From is not the envelope sender")
)

// Limiter limits how often each sender may send. *ratelimit.Limiter is one.
type Limiter interface {
	// Allow says whether the sender may send now, and counts it if so.
	Allow(sender string) bool
}

// OutgoingOptions is what NewOutgoing needs. Domains are the mail domains of the relay;
// literals have their brackets. The passthrough lists may be empty; their entries are
// "addr" or "@domain".
type OutgoingOptions struct {
	Domains               []string
	Limiter               Limiter
	PassthroughSenders    []string
	PassthroughRecipients []string
}

// Outgoing is the policy for mail of our own users.
type Outgoing struct {
	own        domains
	limiter    Limiter
	senders    passthrough
	recipients passthrough
	readers    readers
}

var _ Policy = (*Outgoing)(nil)

// NewOutgoing returns the policy for mail of our own users. The error names a
// malformed passthrough entry.
func NewOutgoing(o OutgoingOptions) (*Outgoing, error) {
	senders, err := parsePassthrough(o.PassthroughSenders)
	if err != nil {
		return nil, err
	}
	recipients, err := parsePassthrough(o.PassthroughRecipients)
	if err != nil {
		return nil, err
	}
	return &Outgoing{own: newDomains(o.Domains), limiter: o.Limiter, senders: senders, recipients: recipients}, nil
}

// Admit implements Policy: it applies the rate limit. All spellings of a sender, with
// their tags, share one allowance.
func (o *Outgoing) Admit(sender string) error {
	from, err := o.sender(sender)
	if err != nil {
		return refuse(BadSender, err)
	}
	if o.limiter.Allow(from.mailbox) {
		return nil
	}
	return &Refusal{Reason: RateLimited, Sender: printable(sender), Err: errTooFast}
}

// sender reads a reverse-path, which must be one of us. The null sender is nobody's
// address, so that no author matches it.
func (o *Outgoing) sender(path string) (address, error) {
	if path == "" {
		return address{}, nil
	}
	a, err := o.own.parse(path)
	if err == nil && a.mailbox == "" {
		err = errForeign
	}
	return a, err
}

// Check implements Policy. From must be the envelope sender, and the message
// encrypted, or a SecureJoin request, or one of the exceptions. An exception
// for recipients holds only if it covers all of them.
func (o *Outgoing) Check(env Envelope, h *Header) (*Check, error) {
	sender, err := o.sender(env.Sender)
	if err != nil {
		return nil, refuse(BadSender, err)
	}
	to, err := o.own.recipients(env.Recipients)
	if err != nil {
		return nil, refuse(BadAddress, err)
	}
	from, err := h.author(o.own)
	if err != nil {
		return nil, refuse(BadHeader, err)
	}
	if from != sender {
		return nil, &Refusal{
			Reason: FromMismatch,
			Sender: printable(env.Sender),
			From:   printable(from.String()),
			Err:    errMismatch,
		}
	}
	body, err := o.rule(sender, to, h)
	if err != nil {
		return nil, refuse(Unencrypted, err)
	}
	return &Check{Envelope: env, FromDomain: from.domain, body: body}, nil
}

func (o *Outgoing) rule(sender address, to []address, h *Header) (rule, error) {
	if o.senders.match(sender) || o.recipients.matchAll(to) {
		return anything, nil
	}
	if len(to) == 1 && to[0] == sender {
		if body, err := o.readers.setup(h); err == nil {
			return body, nil
		}
	}
	return o.readers.private(h)
}

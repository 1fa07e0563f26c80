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

// OutgoingOptions is what NewOutgoing needs. The passthrough lists may be
// empty; their entries are "addr" or "@domain".
type OutgoingOptions struct {
	Limiter               Limiter
	PassthroughSenders    []string
	PassthroughRecipients []string
}

// Outgoing is the policy for mail of our own users.
type Outgoing struct {
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
	return &Outgoing{limiter: o.Limiter, senders: senders, recipients: recipients}, nil
}

// Admit implements Policy: it applies the rate limit. The case of letters in
// sender does not matter.
func (o *Outgoing) Admit(sender string) error {
	if o.limiter.Allow(lowerString(sender)) {
		return nil
	}
	return &Refusal{Reason: RateLimited, Sender: printable(sender), Err: errTooFast}
}

// Check implements Policy. From must be the envelope sender, and the message
// encrypted, or a SecureJoin request, or one of the exceptions. An exception
// for recipients holds only if it covers all of them.
func (o *Outgoing) Check(env Envelope, h *Header) (*Check, error) {
	from, err := h.author()
	if err != nil {
		return nil, refuse(BadHeader, err)
	}
	if !equalFold(from.String(), env.Sender) {
		return nil, &Refusal{
			Reason: FromMismatch,
			Sender: printable(env.Sender),
			From:   printable(from.String()),
			Err:    errMismatch,
		}
	}
	body, err := o.rule(env, h)
	if err != nil {
		return nil, refuse(Unencrypted, err)
	}
	return &Check{Envelope: env, FromDomain: from.domain, body: body}, nil
}

func (o *Outgoing) rule(env Envelope, h *Header) (rule, error) {
	if o.senders.match(env.Sender) || o.recipients.matchAll(env.Recipients) {
		return anything, nil
	}
	if len(env.Recipients) == 1 && equalFold(env.Recipients[0], env.Sender) {
		if body, err := o.readers.setup(h); err == nil {
			return body, nil
		}
	}
	return o.readers.private(h)
}

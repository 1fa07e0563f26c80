package mailfilter

import (
	"fmt"

	"chatmaild/mailfilter/dkim"
)

// Mailboxes answers for the mailboxes of the relay.
type Mailboxes interface {
	// EnforcesEncryption says whether cleartext from outside is refused for
	// addr, which is a valid address in lower case, without a tag. What it
	// says of a mailbox that does not exist is its own choice. An error is
	// a temporary failure.
	EnforcesEncryption(addr string) (bool, error)
}

// IncomingOptions is what NewIncoming needs. Domains are the mail domains
// whose mailboxes it asks about; literals have their brackets. Without DKIM
// nobody has to prove a domain, which is for tests alone.
type IncomingOptions struct {
	Mailboxes Mailboxes
	Domains   []string
	DKIM      *dkim.Verifier
}

// Incoming is the policy for mail from outside.
type Incoming struct {
	mailboxes Mailboxes
	domains   map[string]bool
	dkim      *dkim.Verifier
	readers   readers
}

var _ Policy = (*Incoming)(nil)

// NewIncoming returns the policy for mail from outside.
func NewIncoming(o IncomingOptions) *Incoming {
	in := &Incoming{mailboxes: o.Mailboxes, domains: make(map[string]bool), dkim: o.DKIM}
	for _, d := range o.Domains {
		in.domains[lowerString(d)] = true
	}
	return in
}

// Admit implements Policy. There is no limit on mail from outside.
func (*Incoming) Admit(string) error { return nil }

// Check implements Policy. The message must be encrypted, or a SecureJoin
// request, or a delivery report, or go only to mailboxes that accept
// cleartext. And it must have a DKIM signature of its author's domain, unless
// that is an IPv4 literal, which has no DNS. A sender who is not the author gets no bounces: the envelope to
// pass on has the null sender then.
func (in *Incoming) Check(env Envelope, h *Header) (*Check, error) {
	to, err := parseRecipients(env.Recipients)
	if err != nil {
		return nil, refuse(BadAddress, err)
	}
	from, err := h.author()
	if err != nil {
		return nil, refuse(BadHeader, err)
	}
	body, err := in.rule(env, to, h)
	if err != nil {
		return nil, err
	}
	if in.dkim != nil && !isIPv4(from.domain) {
		body = signed(in.dkim, h, from.domain, body)
	}
	if !equalFold(from.String(), env.Sender) {
		env.Sender = ""
	}
	return &Check{Envelope: env, FromDomain: from.domain, body: body}, nil
}

func parseRecipients(rcpts []string) ([]address, error) {
	to := make([]address, len(rcpts))
	for i, r := range rcpts {
		a, err := parseAddress(r)
		if err != nil {
			return nil, err
		}
		if to[i], err = a.base(); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// rule asks the mailboxes first, not only once the message proves to be in the
// clear: the first one that enforces encryption, as nearly all do, ends that.
func (in *Incoming) rule(env Envelope, to []address, h *Header) (rule, error) {
	if report, err := in.readers.report(env, h); err == nil {
		return report, nil
	}
	accept, err := in.acceptCleartext(to)
	if err != nil {
		return nil, err
	}
	if accept {
		return anything, nil
	}
	body, err := in.readers.private(h)
	if err != nil {
		return nil, refuse(Unencrypted, err)
	}
	return body, nil
}

// acceptCleartext says whether each recipient's mailbox does. One that is not
// ours does not: there is no one to ask.
func (in *Incoming) acceptCleartext(to []address) (bool, error) {
	for _, a := range to {
		if !in.domains[a.domain] {
			return false, nil
		}
		enforced, err := in.mailboxes.EnforcesEncryption(a.String())
		if err != nil {
			return false, fmt.Errorf("asking what a mailbox accepts: %w", err)
		}
		if enforced {
			return false, nil
		}
	}
	return len(to) > 0, nil
}

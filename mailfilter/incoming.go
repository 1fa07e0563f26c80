package mailfilter

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"chatmaild/auth/mailaddr"
	"chatmaild/mailfilter/dkim"
)

// Mailboxes answers for the mailboxes of the relay.
type Mailboxes interface {
	// EnforcesEncryption says whether cleartext from outside is refused for
	// addr, which is an address of our own as mailaddr.Address has it. A mailbox that
	// does not exist enforces it: nobody has said that he takes cleartext. An error
	// is a temporary failure.
	EnforcesEncryption(addr string) (bool, error)
}

// IncomingOptions is what NewIncoming needs. Domains are the mail domains of the
// relay; literals have their brackets. Without DKIM no author has to prove a domain or
// literal, which is for tests alone.
type IncomingOptions struct {
	Mailboxes Mailboxes
	Domains   []string
	DKIM      *dkim.Verifier
}

// Incoming is the policy for mail from outside.
type Incoming struct {
	mailboxes Mailboxes
	own       domains
	dkim      *dkim.Verifier
	readers   readers
}

var _ Policy = (*Incoming)(nil)

// NewIncoming returns the policy for mail from outside.
func NewIncoming(o IncomingOptions) *Incoming {
	return &Incoming{mailboxes: o.Mailboxes, own: newDomains(o.Domains), dkim: o.DKIM}
}

// Admit implements Policy. There is no limit on mail from outside. The sender may be
// spelled in any way that SMTP has, since what is not the author becomes the null sender;
// but what could be one of us has to be canonical.
func (in *Incoming) Admit(sender string) error {
	at := strings.LastIndexByte(sender, '@')
	domain, ok := parseDomain(sender[at+1:])
	if sender == "" || at >= 0 && ok && !slices.Contains(in.own, domain) {
		return nil
	}
	if _, err := in.own.parse(sender); err != nil {
		return refuse(BadSender, err)
	}
	return nil
}

// Check implements Policy. All recipients must be ours. The message must be encrypted,
// or a SecureJoin request, or a delivery report, or go only to mailboxes that accept
// cleartext. And its author must be proven: by a DKIM signature of the domain, or, if
// that is an address literal, by the client's address. A sender who is not the author
// gets no bounces: the envelope to pass on has the null sender then.
func (in *Incoming) Check(env Envelope, h *Header) (*Check, error) {
	to, err := in.recipients(env.Recipients)
	if err != nil {
		return nil, refuse(BadAddress, err)
	}
	from, err := h.author(in.own)
	if err != nil {
		return nil, refuse(BadHeader, err)
	}
	body, err := in.rule(env, to, h)
	if err != nil {
		return nil, err
	}
	if in.dkim != nil {
		body = in.proven(from, h, body)
	}
	if !equalFold(from.String(), env.Sender) {
		env.Sender = ""
	}
	return &Check{Envelope: env, FromDomain: from.domain, body: body}, nil
}

// recipients reads the forward-paths, which must be ours. Postfix takes no other ones
// from outside; if it has read an address in another way, the message ends here.
func (in *Incoming) recipients(paths []string) ([]address, error) {
	to, err := in.own.recipients(paths)
	for _, a := range to {
		if err == nil && a.mailbox == "" {
			err = errForeign
		}
	}
	return to, err
}

// proven adds to a rule that the author is who he says to be.
func (in *Incoming) proven(from address, h *Header, body rule) rule {
	ip, ok := mailaddr.ParseLiteral(from.domain)
	if !ok {
		return signed(in.dkim, h, from.domain, body)
	}
	return func(r io.Reader) error {
		if err := body(r); err != nil {
			return err
		}
		if from.mailbox != "" { // our own users do not come from outside
			return refuse(ForgedLiteral, errLiteral)
		}
		return h.provenLiteral(ip)
	}
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

// acceptCleartext says whether each recipient's mailbox does.
func (in *Incoming) acceptCleartext(to []address) (bool, error) {
	for _, a := range to {
		enforced, err := in.mailboxes.EnforcesEncryption(a.mailbox)
		if err != nil {
			return false, fmt.Errorf("asking what a mailbox accepts: %w", err)
		}
		if enforced {
			return false, nil
		}
	}
	return len(to) > 0, nil
}

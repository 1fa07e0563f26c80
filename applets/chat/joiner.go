package chat

import (
	"errors"
	"time"
)

// A Joiner follows an invite: [Joiner.Start], then [Joiner.Answer] for each
// message that comes in, until it says that it is done.
type Joiner struct {
	Self   *Self
	Invite *Invite
	// V2 speaks the older protocol even to those who know version 3.
	V2 bool

	inviter *Cert
	proved  bool
}

// Start returns the request for the inviter's key.
func (j *Joiner) Start(now time.Time) (*Sealed, error) {
	if j.Invite.V3 && !j.V2 {
		m := &Message{Date: now, Subject: "Secure-Join", Text: "Secure-Join"}
		m.Set(fieldSecureJoin, stepRequestKey)
		m.Set(fieldAuth, j.Invite.Auth)
		raw, err := j.Self.encryptSecret(m, j.Invite.secret(), false)
		return &Sealed{To: j.Invite.Addrs, Raw: raw}, err
	}
	if j.Invite.Number == "" {
		return nil, errors.New("the invite has no number for the older protocol")
	}
	step := j.step(stepRequest)
	m := &Message{Date: now, Subject: "Secure-Join: " + step, Text: "Secure-Join: " + step}
	m.Set(fieldSecureJoin, step)
	m.Set(fieldInvite, j.Invite.Number)
	raw, err := j.Self.cleartext(m)
	if err != nil {
		return nil, err
	}
	return &Sealed{To: j.Invite.Addrs[:1], Raw: raw}, nil
}

// Secrets are those that Open needs for the inviter's answer.
func (j *Joiner) Secrets() []string { return []string{j.Invite.secret()} }

// Answer returns what to answer to a message, nil if it is not the inviter's
// next step; and whether the protocol has ended well. Peer then knows the
// inviter's key.
func (j *Joiner) Answer(m *Message, now time.Time) (answer *Sealed, done bool, err error) {
	if !m.Signed || m.Sender.Fingerprint() != j.Invite.Fingerprint {
		return nil, false, nil
	}
	// A message encrypted to the secret proves for whom it is.
	meant := m.Secret == j.Invite.secret() || gossips(m, j.Self.Key.Cert())
	if !meant {
		return nil, false, nil
	}
	switch m.Step() {
	case stepKey, j.step(stepAuthRequired):
		if j.proved {
			return nil, false, nil
		}
		j.inviter = m.Sender
		answer, err = j.prove(now)
		j.proved = err == nil
		return answer, false, err
	case stepConfirm, stepAdded:
		return nil, j.proved && m.Secret == "", nil
	}
	return nil, false, nil
}

// Peer returns the inviter's key, nil until it has come.
func (j *Joiner) Peer() *Cert { return j.inviter }

func (j *Joiner) prove(now time.Time) (*Sealed, error) {
	to := j.Invite.Addrs[0]
	m := handshake(j.step(stepWithAuth), now, to, j.inviter)
	m.Set(fieldAuth, j.Invite.Auth)
	m.Set(fieldJoinKey, j.Self.Key.Cert().Fingerprint())
	if j.Invite.GroupID != "" {
		m.Set(fieldJoinGroup, j.Invite.GroupID)
	}
	raw, err := j.Self.Encrypt(m, []*Cert{j.inviter})
	return &Sealed{To: j.Invite.Addrs, Raw: raw}, err
}

// step is the one for what the invite is to.
func (j *Joiner) step(contact string) string {
	if j.Invite.GroupID == "" {
		return contact
	}
	return "vg" + contact[len("vc"):]
}

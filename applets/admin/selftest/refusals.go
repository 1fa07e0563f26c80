package selftest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"

	"github.com/emersion/go-msgauth/dkim"
)

// Words of replies: that clients look for, and that every kind of relay has.
const (
	unencrypted = "523 Encryption Needed: Invalid Unencrypted Mail"
	// OpenDKIM says "No valid DKIM signature found." of what has none, and
	// "DKIM signature is invalid" of what has a bad one (chatmail/relay up to 1.9,
	// opendkim/final.lua).
	aboutSignature = "DKIM signature"
)

// want is a refusal with words that others rely on.
func want(words string, reply remote.Reply, err error) (string, error) {
	said, err := refusal(reply, err)
	if err == nil && !strings.Contains(said, words) {
		err = errors.New(said)
	}
	return said, err
}

// submitted has a user send a message with an envelope and a From of his choice.
func (s *session) submitted(ctx context.Context, a remote.Account, sender, to, message string) (remote.Reply, error) {
	d, err := s.relay.Submit(ctx, remote.Submissions, s.hello, a)
	if err != nil {
		return remote.Reply{}, err
	}
	defer d.Close()
	return d.Send(sender, to, message)
}

// aliceSends is submitted for a message of Alice to herself.
func (s *session) aliceSends(ctx context.Context, sender, message string) (remote.Reply, error) {
	return s.submitted(ctx, s.alice.Account, sender, s.alice.Address, message)
}

// fromOutside has a stranger send a message to Alice, at port 25.
func (s *session) fromOutside(ctx context.Context, sender, to, message string) (remote.Reply, error) {
	d, err := s.relay.SMTP(ctx, remote.FromRelays, "")
	if err != nil {
		return remote.Reply{}, err
	}
	defer d.Close()
	return d.Send(sender, to, message)
}

// clearSubmission holds that the relay refuses to send what is not encrypted. Clients
// match the text of the reply.
func clearSubmission(ctx context.Context, s *session) (string, error) {
	reply, err := s.aliceSends(ctx, s.alice.Address, cleartext(s.alice.Address, s.alice.Address, s.Now))
	return want(unencrypted, reply, err)
}

// forgedFrom holds that nobody can write in another user's name.
// The envelope is Alice's, who is logged in; the From field, which people see, is not.
func forgedFrom(ctx context.Context, s *session) (string, error) {
	mallory, err := s.newUser(remote.NewAccount(s.relay.MailDomain()))
	if err != nil {
		return "", err
	}
	letter, err := s.letter(mallory, s.alice)
	if err != nil {
		return "", err
	}
	reply, err := s.aliceSends(ctx, s.alice.Address, letter.raw)
	return want("Invalid FROM", reply, err)
}

// foreignSender holds that the relay sends for its own users only.
// Here the envelope is another user's.
func foreignSender(ctx context.Context, s *session) (string, error) {
	mallory, err := s.newUser(remote.NewAccount(s.relay.MailDomain()))
	if err != nil {
		return "", err
	}
	letter, err := s.letter(mallory, s.alice)
	if err != nil {
		return "", err
	}
	return refusal(s.aliceSends(ctx, mallory.Address, letter.raw))
}

// stranger is an author out there, who has no DKIM key.
func (s *session) stranger() (user, error) { return s.newUser(remote.NewAccount(elsewhere)) }

// unsignedMail holds that mail without a DKIM signature is refused: anybody could have
// sent it.
func unsignedMail(ctx context.Context, s *session) (string, error) {
	stranger, err := s.stranger()
	if err != nil {
		return "", err
	}
	letter, err := s.letter(stranger, s.alice)
	if err != nil {
		return "", err
	}
	reply, err := s.fromOutside(ctx, stranger.Address, s.alice.Address, letter.raw)
	return want(aboutSignature, reply, err)
}

// forgedBits is the size of a key that nobody published: the least that a verifier
// looks at (RFC 8301 §3.2).
const forgedBits = 1024

// badSignature signs in the name of the relay itself, with a key of ours. Of a
// relay at a bare address no signature is wanted: then in nobody's name.
func badSignature(ctx context.Context, s *session) (string, error) {
	author, domain := s.alice, s.relay.MailDomain()
	if s.relay.Literal() {
		var err error
		if author, err = s.stranger(); err != nil {
			return "", err
		}
		domain = elsewhere
	}
	letter, err := s.letter(author, s.alice)
	if err != nil {
		return "", err
	}
	key, err := rsa.GenerateKey(rand.Reader, forgedBits)
	if err != nil {
		return "", err
	}
	var signed bytes.Buffer
	err = dkim.Sign(&signed, strings.NewReader(letter.raw), &dkim.SignOptions{
		Domain: domain, Selector: s.DKIMSelector, Signer: key,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	reply, err := s.fromOutside(ctx, author.Address, s.alice.Address, signed.String())
	// A domain that has never signed before may be about to publish its key.
	if err == nil && s.relay.Literal() && reply.Code/100 == 4 && strings.Contains(reply.Text, aboutSignature) {
		return reply.String(), nil
	}
	return want(aboutSignature, reply, err)
}

// clearFromOutside holds that cleartext from another relay does not arrive.
func clearFromOutside(ctx context.Context, s *session) (string, error) {
	stranger := remote.NewAccount(elsewhere)
	reply, err := s.fromOutside(ctx, stranger.Address, s.alice.Address, cleartext(stranger.Address, s.alice.Address, s.Now))
	return want(unencrypted, reply, err)
}

// openRelay asks for delivery to somewhere else.
func openRelay(ctx context.Context, s *session) (string, error) {
	d, err := s.relay.SMTP(ctx, remote.FromRelays, "")
	if err != nil {
		return "", err
	}
	defer d.Close()
	// The null sender, that of bounces: nothing about it can be refused, so that the answer is
	// about the recipient.
	if _, err := d.Want(250, "MAIL FROM:<>"); err != nil {
		return "", err
	}
	reply, err := d.Command("RCPT TO:<%s>", remote.NewAccount(elsewhere).Address)
	if err == nil && reply.Code/100 == 2 {
		err = errors.New(reply.String())
	}
	return reply.String(), err
}

// tooLarge announces a message that is larger than the relay says it takes
// (RFC 1870), and sends none.
func tooLarge(ctx context.Context, s *session) (string, error) {
	d, err := s.relay.Submit(ctx, remote.Submissions, "", s.alice.Account)
	if err != nil {
		return "", err
	}
	defer d.Close()
	extensions, err := d.Hello()
	if err != nil {
		return "", err
	}
	limit, err := strconv.ParseInt(extensions["SIZE"], 10, 64)
	if err != nil || limit == 0 {
		return "", fmt.Errorf("SIZE %q", extensions["SIZE"])
	}
	reply, err := d.Command("MAIL FROM:<%s> SIZE=%d", s.alice.Address, limit+1)
	if err == nil && !reply.Refused() {
		err = errors.New(reply.String())
	}
	return fmt.Sprintf("%d bytes at most", limit), err
}

const (
	// maxFlood is how many messages have to meet the limit. Relays allow 10 at
	// once and 60 a minute unless their operator says otherwise.
	maxFlood = 200
	// floodPause is how long a refused sender waits before trying again, at first;
	// then twice as long each time, up to maxFloodPause.
	floodPause    = 250 * time.Millisecond
	maxFloodPause = 4 * time.Second
)

// rateLimit has a user write to themselves until it is refused, which has to
// be for a moment only.
func rateLimit(ctx context.Context, s *session) (string, error) {
	a, err := s.signUp(ctx, s.relay)
	if err != nil {
		return "", err
	}
	flooder, err := s.newUser(a)
	if err != nil {
		return "", err
	}
	letter, err := s.letter(flooder, flooder)
	if err != nil {
		return "", err
	}
	inbox, err := s.relay.IMAP(ctx, remote.IMAPS, a) // which creates the account
	if err != nil {
		return "", err
	}
	inbox.Close()
	d, err := s.relay.Submit(ctx, remote.Submissions, "", a)
	if err != nil {
		return "", err
	}
	defer d.Close()
	sent, reply := 0, remote.Reply{}
	for ; sent < maxFlood; sent++ {
		if reply, err = d.Send(a.Address, a.Address, letter.raw); err != nil {
			return "", err
		}
		if reply.Code != 250 {
			break
		}
	}
	switch {
	case sent == maxFlood:
		return "", fmt.Errorf("%d messages accepted in a row", sent)
	case reply.Code != 450:
		return "", errors.New(reply.String())
	}
	return s.recovers(ctx, a, letter.raw, fmt.Sprintf("%d messages, then %s", sent, reply))
}

// recovers waits until a sender who was too fast may send again. Each try is a session
// of its own: servers end one with too many errors.
func (s *session) recovers(ctx context.Context, a remote.Account, letter, seen string) (string, error) {
	start, pause := time.Now(), floodPause
	for {
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s; and no more for %v", seen, time.Since(start).Round(time.Second))
		case <-time.After(pause):
		}
		pause = min(2*pause, maxFloodPause)
		reply, err := s.submitted(ctx, a, a.Address, a.Address, letter)
		switch {
		case err != nil && ctx.Err() == nil:
			return "", err
		case err == nil && reply.Code == 250:
			return fmt.Sprintf("%s; again after %v", seen, time.Since(start).Round(time.Second)), nil
		}
	}
}

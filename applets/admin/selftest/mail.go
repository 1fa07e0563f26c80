package selftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"
)

// text is what the messages say.
const text = "This message proves that messages arrive."

// telltale are the fields that a client may write and nobody is to see.
const telltale = "User-Agent: telltale\r\nX-Mailer: telltale\r\nX-Originating-IP: [192.0.2.1]\r\n"

// delivery has Alice write to Bob, who waits for it.
func delivery(ctx context.Context, s *session) (string, error) {
	a, err := s.signUp(ctx, s.relay)
	if err != nil {
		return "", err
	}
	bob, err := s.newUser(a)
	if err != nil {
		return "", err
	}
	letter, err := s.letter(s.alice, bob)
	if err != nil {
		return "", err
	}
	// Clients write "[...]" themselves, so what a relay hides is only seen of one that does not.
	letter.raw = telltale + strings.Replace(letter.raw, "\r\nSubject: [...]\r\n", "\r\nSubject: "+s.secret+"\r\n", 1)
	got, err := s.carry(ctx, s.relay, s.alice, letter, s.relay, bob)
	if err != nil {
		return "", err
	}
	s.bob, s.delivered = bob, got.raw
	if !got.told {
		return "", advise(notef("it arrived, but IDLE did not announce it"), "imap_instant_idle in chatmail.toml(5) affects this; try without it")
	}
	return fmt.Sprintf("after %d ms, as it was written", got.took.Milliseconds()), nil
}

// arrival is a letter that came.
type arrival struct {
	raw  string
	took time.Duration // from MAIL until the receiver knew
	told bool          // by IDLE
}

// carry sends a letter from a user of one relay to one of the same or another.
func (s *session) carry(ctx context.Context, r *remote.Relay, from user, l letter, at *remote.Relay, to user) (got arrival, err error) {
	inbox, err := at.IMAP(ctx, remote.IMAPS, to.Account)
	if err != nil {
		return got, err
	}
	defer inbox.Close()
	known, err := inbox.Select()
	if err != nil {
		return got, err
	}
	d, err := r.Submit(ctx, remote.Submissions, s.hello, from.Account)
	if err != nil {
		return got, err
	}
	defer d.Close()
	start := time.Now()
	if err := accepted(d.Send(from.Address, to.Address, l.raw)); err != nil {
		return got, err
	}
	for {
		messages, told, err := inbox.Await(known)
		if err != nil {
			return got, fmt.Errorf("it was accepted, but did not arrive: %w", err)
		}
		got.took, got.told = time.Since(start), told
		for ; known < messages; known++ {
			if got.raw, err = inbox.Message(known + 1); err != nil {
				return got, fmt.Errorf("it arrived, but could not be fetched: %w", err)
			}
			// Others may write to the same user at the same time.
			if strings.Contains(header(got.raw), l.id) {
				return got, s.reads(to, got.raw)
			}
		}
	}
}

// reads holds that a message is what was written, and only the user can read it.
func (s *session) reads(u user, raw string) error {
	s.openpgp.Lock()
	defer s.openpgp.Unlock()
	m, err := u.Open([]byte(raw), nil, nil)
	if err != nil {
		return fmt.Errorf("the message that arrived cannot be read: %w", err)
	}
	if m.Text != text || !m.Encrypted || !m.Signed {
		return errors.New("a different message arrived")
	}
	return nil
}

// subjectHidden looks at the delivered message: the relay replaces the subject of every
// one, since clients have put the real one inside the encryption.
func subjectHidden(_ context.Context, s *session) (string, error) {
	for line := range strings.Lines(header(s.delivered)) {
		if strings.Contains(line, s.secret) {
			return "", fmt.Errorf("%q", strings.TrimSpace(line))
		}
		if subject, ok := strings.CutPrefix(line, "Subject:"); ok {
			return strings.TrimSpace(subject), nil
		}
	}
	return "no subject", nil
}

// clientHidden looks for what tells where and with what a message was written.
func clientHidden(ctx context.Context, s *session) (string, error) {
	conn, err := s.relay.Connect(ctx, remote.Submissions.Port)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	traces := []string{s.hello, "telltale", "192.0.2.1"}
	// Behind NAT the relay saw another address than this; the check then proves a little less.
	if own, ok := conn.LocalAddr().(*net.TCPAddr); ok && !own.IP.IsLoopback() {
		traces = append(traces, own.IP.String())
	}
	for line := range strings.Lines(header(s.delivered)) {
		for _, trace := range traces {
			if strings.Contains(line, trace) {
				return "", fmt.Errorf("%q", strings.TrimSpace(line))
			}
		}
	}
	return "neither name nor address nor program", nil
}

// header is the part of a message before the first empty line.
func header(message string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	return head
}

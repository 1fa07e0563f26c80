package mailfilter_test

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/mailfilter/mailtest"
)

// mailboxes is the relay of the fixtures: which mailboxes accept cleartext, and
// one that cannot be asked. It fails the test that asks for a name that should
// not be looked up.
type mailboxes struct{ t testing.TB }

func (m mailboxes) EnforcesEncryption(addr string) (bool, error) {
	if strings.ContainsAny(addr, "/+\x00 ") || strings.Contains(addr, "..") || addr != strings.ToLower(addr) {
		m.t.Errorf("EnforcesEncryption was asked about %q", addr)
	}
	switch addr {
	case "open@chat.example", "relaxed@chat.example":
		return false, nil
	case "broken@chat.example":
		return false, errors.New("disk on fire")
	}
	return true, nil
}

type noLimit struct{}

func (noLimit) Allow(string) bool { return true }

func policies(t testing.TB) map[string]mailfilter.Policy {
	t.Helper()
	out, err := mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Domains:               []string{"chat.example"},
		Limiter:               noLimit{},
		PassthroughSenders:    []string{"robot@chat.example"},
		PassthroughRecipients: []string{"privacy@example.net", "@Open.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := mailfilter.NewIncoming(mailfilter.IncomingOptions{
		Mailboxes: mailboxes{t},
		Domains:   []string{"chat.example"},
	})
	return map[string]mailfilter.Policy{"out": out, "in": in}
}

// verdict runs a message through a policy. It returns "pass", "error", or the
// reason of the refusal; after "pass", "null-sender" if the sender went.
func verdict(p mailfilter.Policy, env mailfilter.Envelope, message []byte) (string, error) {
	r := bufio.NewReader(bytes.NewReader(message))
	h, err := mailfilter.ReadHeader(r)
	if err != nil {
		return reason(err), err
	}
	c, err := p.Check(env, h)
	if err != nil {
		return reason(err), err
	}
	if err := c.Body(r); err != nil {
		return reason(err), err
	}
	if _, err := r.ReadByte(); err == nil {
		return "body not read to its end", nil
	}
	if env.Sender != "" && c.Envelope.Sender == "" {
		return "pass null-sender", nil
	}
	return "pass", nil
}

func reason(err error) string {
	if no, ok := errors.AsType[*mailfilter.Refusal](err); ok {
		return no.Reason.String()
	}
	return "error"
}

// TestFixtures checks each message of mailtest with both policies.
func TestFixtures(t *testing.T) {
	for _, f := range mailtest.Fixtures(t) {
		t.Run(f.Name, func(t *testing.T) {
			env := mailfilter.Envelope{Sender: f.Sender, Recipients: f.Recipients}
			for dir, want := range map[string]string{"out": f.Out, "in": f.In} {
				if got, err := verdict(policies(t)[dir], env, []byte(f.Message)); got != want {
					t.Errorf("%s: %s: got %q (%v), want %q", f.Why, dir, got, err, want)
				}
			}
		})
	}
}

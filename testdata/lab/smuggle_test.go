package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatmaild/mailfilter"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/smuggle"
)

// A smuggling is one relay, and users of it with clients of several versions.
type smuggling struct {
	federation
	proof  *proof
	sender account
	users  []*core.Profile // the oldest client first
}

// TestSmuggle sends a text in the clear in more than a hundred spellings through an
// installed relay, inward and outward. Each gets its reply, none is anywhere
// afterwards, and no client shows any; what clients would show is seen too. A client
// is offline until it is asked: it has fetched all of its mail when it waits for more.
func TestSmuggle(t *testing.T) {
	t.Parallel()
	s := &smuggling{}
	var relay *Relay
	s.lab, relay = startRelay(t, "_smuggle.test", `max_user_send_per_minute = 6000`, `max_user_send_burst_size = 1000`)
	s.a, s.b = relay, relay
	for _, version := range append(slices.Clone(core.Old), core.Version) {
		ctx := deadline(t, stepTimeout)
		c, err := s.lab.StartCore(ctx, "core-"+version, version)
		if err != nil {
			t.Fatal(err)
		}
		// Older ones want a certificate of names that begin with "_", unless told so.
		p, err := c.SignUp(ctx, version, loginQR(strings.ToLower(rand.Text()[:9])+"@"+relay.Domain, rand.Text()[:22]))
		if err != nil {
			t.Fatal(err)
		}
		rpc(t, p, nil, "stop_io")
		s.users = append(s.users, p)
	}
	s.alice = s.users[0]
	s.proof = &proof{lab: s.lab, relay: relay, outside: s.alice.Client.Station}
	s.sender = s.proof.newAccount(t)
	inTurn(t, s, []step[*smuggling]{
		{"inward", (*smuggling).inward},
		{"outward", (*smuggling).outward},
		{"nothing is anywhere", (*smuggling).nowhere},
		{"large header", (*smuggling).header},
		{"what clients would show", (*smuggling).shown},
	})
}

// perConnection is how many refusals Postfix takes calmly on one connection.
const perConnection = 8

func (s *smuggling) addresses() (out []string) {
	for _, p := range s.users {
		out = append(out, p.Addr)
	}
	return out
}

// armored is the encrypted message that the attempts are made around.
func armored(t *testing.T) string {
	t.Helper()
	text := encryptedFrom(t, "x@y.test")
	const head, tail = "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----\r\n"
	return text[strings.Index(text, head) : strings.Index(text, tail)+len(tail)]
}

// inward comes from a stranger whose domain is proven.
func (s *smuggling) inward(t *testing.T) {
	stranger := s.newSigner(t)
	armor := armored(t)
	send := func(c *smtp.Client, m smuggle.Message, want string) {
		t.Helper()
		text, from := m.Text, stranger.author
		if !strings.HasPrefix(m.Reply, "554 ") { // which no signer understands
			text = stranger.sign(t, text, nil)
		}
		if m.Report {
			from = ""
		}
		got, err := c.SendAll(from, s.addresses(), text)
		if err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, %v; want %q", m.Name, got, err, want)
		}
		if _, err := c.Command("RSET"); err != nil {
			t.Fatal(err)
		}
	}
	attempts := smuggle.Messages(stranger.author, s.users[0].Addr, armor)
	for batch := range slices.Chunk(attempts, perConnection) {
		c := s.outside(deadline(t, stepTimeout), t)
		for _, m := range batch {
			send(c, m, m.Reply)
		}
		c.Close()
	}
	c := s.outside(deadline(t, stepTimeout), t)
	for _, m := range append(smuggle.Honest(stranger.author, s.users[0].Addr, armor), smuggle.Removed(stranger.author, s.users[0].Addr, armor)...) {
		send(c, m, "250 ")
	}
	t.Logf("%d attempts", len(attempts))
}

// outward comes from a user. He cannot write a delivery report: he has no null sender.
func (s *smuggling) outward(t *testing.T) {
	attempts := slices.DeleteFunc(smuggle.Messages(s.sender.addr, s.users[0].Addr, armored(t)),
		func(m smuggle.Message) bool { return m.Report })
	for batch := range slices.Chunk(attempts, perConnection) {
		c := s.proof.submission(t, s.sender)
		for _, m := range batch {
			got, err := c.SendAll(s.sender.addr, append(s.addresses(), "x@elsewhere.test"), m.Text)
			if err != nil || !strings.HasPrefix(got, m.Reply) {
				t.Errorf("%s: got %q, %v; want %q", m.Name, got, err, m.Reply)
			}
			if _, err := c.Command("RSET"); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
	c := s.proof.submission(t, s.sender)
	defer c.Close()
	for _, m := range smuggle.Removed(s.sender.addr, s.users[0].Addr, armored(t)) {
		if got, err := c.SendAll(s.sender.addr, append(s.addresses(), "x@elsewhere.test"), m.Text); err != nil || !strings.HasPrefix(got, "250 ") {
			t.Errorf("%s: got %q, %v", m.Name, got, err)
		}
	}
	t.Logf("%d attempts", len(attempts))
}

// nowhere looks for the text in mailboxes, in Postfix's queue and in the clients. What is
// removed from a stranger's message is so on its way from the queue to the mailbox: that is
// waited for.
func (s *smuggling) nowhere(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	sh(t, s.a, "timeout 60 sh -c 'while find /var/spool/postfix/incoming /var/spool/postfix/active -type f | grep -q .; do sleep 0.1; done'")
	found := sh(t, s.a, fmt.Sprintf("grep -rlaF %q /home/vmail/mail /var/spool/postfix || true", smuggle.Text))
	if found != "" {
		t.Errorf("the text lies on the relay:\n%s", found)
	}
	for _, p := range s.users {
		for _, text := range []string{smuggle.Text, smuggle.Notice} {
			if n := shows(ctx, t, p, text); n > 0 {
				t.Errorf("the client of version %s shows %d messages with %q", p.Name, n, text)
			}
		}
	}
}

// header sends a field that is as large as the filters take, in lines as long: it
// arrives as it is, inward and outward; and a larger one is refused.
func (s *smuggling) header(t *testing.T) {
	stranger := s.newSigner(t)
	inward := s.outside(deadline(t, stepTimeout), t)
	outward := s.proof.submission(t, s.sender)
	imap := s.proof.imap(t, s.sender)
	mail := func(from string, size int) (text, field string) {
		field = "Autocrypt: addr=" + from + "; keydata=" + strings.Repeat("\r\n "+strings.Repeat("A", mailfilter.MaxLine-1), size/(mailfilter.MaxLine+2)) + "\r\n"
		return strings.Replace(encryptedFrom(t, from), "\r\n", "\r\n"+field, 1), field
	}
	for _, tt := range []struct {
		size int
		want string
	}{{3000, "250 "}, {mailfilter.MaxHeader - 4<<10, "250 "}, {mailfilter.MaxHeader, "554 5.6.0 Invalid message header"}, {104280, "554 5.6.0 Invalid message header"}} {
		for _, way := range []struct {
			from string
			conn *smtp.Client
		}{{stranger.author, inward}, {s.sender.addr, outward}} {
			text, field := mail(way.from, tt.size)
			if way.conn == inward {
				text = stranger.sign(t, text, nil)
			}
			before, err := imap.Select()
			if err != nil {
				t.Fatal(err)
			}
			got, err := way.conn.Send(way.from, s.sender.addr, text)
			if err != nil || !strings.HasPrefix(got, tt.want) {
				t.Errorf("%d bytes from %s: got %q, %v; want %q", tt.size, way.from, got, err, tt.want)
			}
			if _, err := way.conn.Command("RSET"); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(got, "250 ") {
				continue
			}
			arrived, err := nextMail(imap, before)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(arrived, field) {
				t.Errorf("%d bytes from %s: the field has changed on its way: %s", tt.size, way.from, whereChanged(arrived, field))
			}
		}
	}
}

// shown puts the messages into the mailboxes, past the filter. At least the oldest
// client shows some of them: so it would have shown what the filter lets pass.
func (s *smuggling) shown(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for i, p := range s.users {
		for _, m := range smuggle.Messages("carol@carol.example", p.Addr, armored(t)) {
			name := fmt.Sprintf("/home/vmail/mail/%s/%s/new/1794648600.%s.smuggle", s.a.Domain, p.Addr, rand.Text())
			text := strings.Replace(m.Text, "<smuggle@", "<"+m.Name+"@", 1)
			writeFile(t, s.a, name, 0o600, text)
			if _, err := s.a.Run(ctx, "chown", "vmail:vmail", name); err != nil {
				t.Fatal(err)
			}
		}
		n := shows(ctx, t, p, smuggle.Text)
		t.Logf("version %s would show %d of them", p.Name, n)
		if i == 0 && n == 0 {
			t.Error("the oldest client shows none: this test could not fail")
		}
	}
}

// shows has a client fetch its mail, and returns how many messages it shows with a
// text.
func shows(ctx context.Context, t *testing.T, p *core.Profile, text string) int {
	t.Helper()
	if err := p.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
	var ids []uint32
	rpc(t, p, &ids, "search_messages", text, nil)
	rpc(t, p, nil, "stop_io")
	return len(ids)
}

// whereChanged says where a text stops to be part of another.
func whereChanged(text, part string) string {
	name, _, _ := strings.Cut(part, ":")
	at := strings.Index(text, name+":")
	if at < 0 {
		return "it is gone"
	}
	n, rest := 0, text[at:]
	for n < len(part) && n < len(rest) && rest[n] == part[n] {
		n++
	}
	return fmt.Sprintf("of %d bytes %d are the same, then comes %.60q", len(part), n, rest[n:])
}

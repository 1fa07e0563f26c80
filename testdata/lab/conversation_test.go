package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

const bigFile = 5 << 20

// A conversation is what the steps of TestConversation share; each builds on
// those before it.
type conversation struct {
	lab   *Lab
	relay *Relay

	alice, bob, carol *core.Profile
	phone             *core.Profile // alice's second device
	ab, ba            uint32        // alice's chat with bob, and his with her
}

// TestConversation is the proof that a relay made from the package works: real
// clients, the installed .deb, systemd.
func TestConversation(t *testing.T) {
	t.Parallel()
	c := &conversation{}
	c.lab, c.relay = startRelay(t, "_relay.test")
	inTurn(t, c, []step[*conversation]{
		{"no unit is broken", (*conversation).units},
		{"sign up", (*conversation).signUp},
		{"scan a QR code", (*conversation).scan},
		{"text both ways", (*conversation).text},
		{"large file", (*conversation).file},
		{"group of three", (*conversation).group},
		{"read receipt", (*conversation).receipt},
		{"no client address in the mail", (*conversation).anonymous},
		{"second device", (*conversation).secondDevice},
		{"metadata", (*conversation).metadata},
		{"calls", (*conversation).calls},
		{"app versions", (*conversation).appVersions},
		{"WebRTC", (*conversation).webRTC},
		{"cleartext is refused", (*conversation).cleartext},
		{"wrong password", (*conversation).wrongPassword},
		{"hibernation", (*conversation).hibernation},
		{"services restart", (*conversation).restarts},
		{"reboot", (*conversation).reboot},
	})
}

func (c *conversation) units(t *testing.T) {
	broken, err := c.relay.Broken(deadline(t, stepTimeout))
	if err != nil {
		t.Fatal(err)
	}
	if broken != nil {
		t.Errorf("failed, or started more than once: %s", strings.Join(broken, " "))
	}
	if out, err := c.relay.Run(deadline(t, stepTimeout), "chatmaild", "status"); err != nil {
		t.Errorf("chatmaild status: %v\n%s", err, out)
	}
}

func (c *conversation) signUp(t *testing.T) {
	c.alice = startProfile(t, c.lab, "alice", c.relay.SignUpQR())
	c.bob = startProfile(t, c.lab, "bob", c.relay.SignUpQR())
	c.carol = startProfile(t, c.lab, "carol", c.relay.SignUpQR())
}

func (c *conversation) scan(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var err error
	c.ba = secureJoin(t, c.bob, c.alice, nil)
	if c.ab, err = c.alice.ChatWith(ctx, c.bob); err != nil {
		t.Fatal(err)
	}
}

func (c *conversation) text(t *testing.T) {
	say(t, c.bob, c.ba, c.alice, "hello Alice")
	say(t, c.alice, c.ab, c.bob, "hello Bob")
}

func (c *conversation) file(t *testing.T) {
	transfer(t, c.alice, c.ab, c.bob, bigFile)
}

func (c *conversation) group(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var group uint32
	rpc(t, c.alice, &group, "create_group_chat", "friends", false)
	bob, err := c.alice.Contact(ctx, c.bob)
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, c.alice, nil, "add_contact_to_chat", group, bob)
	secureJoin(t, c.carol, c.alice, &group)
	id := send(t, c.alice, group, "hello friends")
	for _, p := range []*core.Profile{c.bob, c.carol} {
		m, _, err := p.WaitText(ctx, "hello friends")
		if err != nil {
			t.Fatal(err)
		}
		rpc(t, p, nil, "accept_chat", m.ChatID)
		text := "hello from " + p.Name
		send(t, p, m.ChatID, text)
		for _, other := range []*core.Profile{c.alice, c.bob, c.carol} {
			if other == p {
				continue
			}
			if _, _, err := other.WaitText(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	m, err := c.alice.Message(ctx, id)
	if err != nil || m.Error != "" {
		t.Errorf("alice's message to the group: error %q, %v", m.Error, err)
	}
}

func (c *conversation) receipt(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	from := c.alice.Position()
	id := send(t, c.alice, c.ab, "have you read this?")
	m, _, err := c.bob.WaitText(ctx, "have you read this?")
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, c.bob, nil, "markseen_msgs", []uint32{m.ID})
	if _, err := c.alice.Wait(ctx, from, core.MsgRead, func(e core.Event) bool { return e.MsgID == id }); err != nil {
		t.Fatal(err)
	}
}

// anonymous looks at a message as it lies on the server: the receiver is away,
// so that it stays there.
func (c *conversation) anonymous(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	rpc(t, c.alice, nil, "stop_io")
	s := c.login(t, c.alice)
	before, err := s.Select()
	if err != nil {
		t.Fatal(err)
	}
	send(t, c.bob, c.ba, "from nowhere")
	mail, err := nextMail(s, before)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(mail, "\r\n\r\n")
	for _, trace := range []string{
		c.bob.Client.IPv4.String(), c.bob.Client.IPv6.String(),
		"\nReceived:", "\nX-Originating-IP:", "\nX-Mailer:", "\nUser-Agent:",
	} {
		if strings.Contains("\n"+header, trace) {
			t.Errorf("the mail tells %q:\n%s", strings.TrimSpace(trace), header)
		}
	}
	if !strings.Contains("\n"+header, "\nSubject: [...]\r\n") {
		t.Errorf("the subject is not [...]:\n%s", header)
	}
	if err := c.alice.StartIO(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.alice.WaitText(ctx, "from nowhere"); err != nil {
		t.Fatal(err)
	}
}

func (c *conversation) secondDevice(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	var err error
	if c.phone, err = startClient(t, c.lab, "phone").AddDevice(ctx, c.alice, "alice's phone"); err != nil {
		t.Fatal(err)
	}
	say(t, c.bob, c.ba, c.alice, "to all your devices")
	if _, _, err := c.phone.WaitText(ctx, "to all your devices"); err != nil {
		t.Fatal(err)
	}
	// What one device sends, the other shows.
	send(t, c.alice, c.ab, "sent from the desk")
	if _, _, err := c.phone.WaitText(ctx, "sent from the desk"); err != nil {
		t.Fatal(err)
	}
}

// metadata asks what the core asks for (RFC 5464), and stores a push token.
func (c *conversation) metadata(t *testing.T) {
	s := c.login(t, c.alice)
	untagged, err := s.OK("CAPABILITY")
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(strings.Join(untagged, " "))
	for _, want := range []string{"IDLE", "MOVE", "QUOTA", "METADATA", "ID", "XDELTAPUSH", "XCHATMAIL"} {
		if !slices.Contains(have, want) {
			t.Errorf("no capability %s in %v", want, have)
		}
	}
	const vendor = "/shared/vendor/deltachat/"
	keys := []string{"/shared/comment", "/shared/admin", vendor + "irohrelay", vendor + "turn",
		vendor + "maxsmtprecipients", vendor + "appversions"}
	untagged, err = s.OK(`GETMETADATA "" (%s)`, strings.Join(keys, " "))
	if err != nil {
		t.Fatal(err)
	}
	answer := strings.Join(untagged, "\n")
	t.Log(answer)
	for _, want := range []string{"/shared/comment", vendor + "maxsmtprecipients"} {
		if !strings.Contains(answer, want+" ") || strings.Contains(answer, want+" NIL") {
			t.Errorf("GETMETADATA has no %s: %s", want, answer)
		}
	}
	if _, err := s.OK(`SETMETADATA INBOX (/private/devicetoken "openpgp:bGFiIHRva2Vu")`); err != nil {
		t.Error(err)
	}
	if _, err := s.OK(`GETMETADATA INBOX (/private/devicetoken)`); err != nil {
		t.Error(err)
	}
}

func (c *conversation) cleartext(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	const want = "523 Encryption Needed: Invalid Unencrypted Mail"
	password, err := c.bob.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stranger := addStation(t, c.lab, "stranger")
	message := "From: <%s>\r\nTo: <%s>\r\nSubject: hello\r\nDate: Sun, 01 Mar 2026 10:00:00 +0000\r\n" +
		"Message-ID: <hello@%s>\r\nContent-Type: text/plain\r\n\r\nanyone can read this\r\n"
	for _, tt := range []struct {
		name, port, from string
		login            bool
	}{
		{"from our user, 465", "465", c.bob.Addr, true},
		{"from our user, 587", "587", c.bob.Addr, true},
		{"from outside", "25", "somebody@elsewhere.test", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := stranger.SMTP(ctx, c.relay.Domain, tt.port)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if tt.port != network.SubmissionsPort {
				if _, err := s.Command("EHLO stranger.test"); err != nil {
					t.Fatal(err)
				}
				if err := s.StartTLS(ctx, network.Insecure(c.relay.Domain)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Command("EHLO stranger.test"); err != nil {
				t.Fatal(err)
			}
			if tt.login {
				if got, err := s.Login(tt.from, password); err != nil || got[:3] != "235" {
					t.Fatalf("login: %s, %v", got, err)
				}
			}
			got, err := s.Send(tt.from, c.alice.Addr, fmt.Sprintf(message, tt.from, c.alice.Addr, tt.port))
			if err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		})
	}
}

func (c *conversation) wrongPassword(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	imap, err := c.alice.Client.IMAP(ctx, c.relay.Domain)
	if err != nil {
		t.Fatal(err)
	}
	defer imap.Close()
	if err := imap.Login(c.alice.Addr, "not the password"); err == nil || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
		t.Errorf("IMAP: got %v, want NO [AUTHENTICATIONFAILED]", err)
	}
	smtp, err := c.alice.Client.SMTP(ctx, c.relay.Domain, network.SubmissionsPort)
	if err != nil {
		t.Fatal(err)
	}
	defer smtp.Close()
	if _, err := smtp.Command("EHLO client.test"); err != nil {
		t.Fatal(err)
	}
	if got, err := smtp.Login(c.alice.Addr, "not the password"); err != nil || got[:3] != "535" {
		t.Errorf("SMTP: got %q, %v, want 535", got, err)
	}
}

// login opens an IMAP session of a profile beside the core's.
func (c *conversation) login(t *testing.T, p *core.Profile) *imap.Client {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	password, err := p.Password(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Client.IMAP(ctx, c.relay.Domain)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Login(p.Addr, password); err != nil {
		t.Fatal(err)
	}
	return s
}

// nextMail waits until there are more messages than known, and returns the last one.
func nextMail(s *imap.Client, known int) (string, error) {
	n, err := s.Wait(known)
	if err != nil {
		return "", err
	}
	return s.Message(n)
}

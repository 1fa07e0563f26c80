package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
)

// keptFields are those that may lie in a mailbox: packaging/postfix, and Return-Path,
// which Dovecot always adds.
var keptFields = strings.Fields(`return-path from sender reply-to to cc date subject message-id in-reply-to references
	mime-version content-type content-transfer-encoding chat-version chat-is-post-message autocrypt
	autocrypt-setup-message secure-join secure-join-invitenumber auto-submitted`)

// A rest is what the steps of TestAtRest share: clients of three versions, on two
// relays, that leave their mail on the server.
type rest struct {
	federation
	carol, dave *core.Profile
	far, near   talk // Alice's with Bob, on the other relay, and with Dave, on hers
}

// TestAtRest shows that a mailbox has no more of a message's header than a client
// needs, and that clients, old ones too, do with it all that they do.
func TestAtRest(t *testing.T) {
	t.Parallel()
	r := &rest{}
	var deb string
	r.lab, deb = newLab(t)
	for domain, relay := range map[string]**Relay{"_a.test": &r.a, "_b.test": &r.b} {
		*relay = startRelayIn(t, r.lab, deb, domain, "max_user_send_burst_size = 1000")
	}
	inTurn(t, r, []step[*rest]{
		{"sign up", (*rest).signUp},
		{"on one relay", func(r *rest, t *testing.T) { r.near.everything(t) }},
		{"to the other relay", func(r *rest, t *testing.T) { r.far.everything(t) }},
		{clearStep, func(r *rest, t *testing.T) { r.far.oldSecureJoin(t) }},
		{"second device", (*rest).device},
		{"Autocrypt Setup Message", (*rest).handover},
		{"strangers", (*rest).strangers},
		{"what is there", (*rest).look},
	})
}

func (r *rest) signUp(t *testing.T) {
	r.alice = r.keeper(t, "alice", core.Version, r.a.SignUpQR())
	r.carol = r.keeper(t, "carol", core.Version, r.b.SignUpQR())
	r.bob = r.keeper(t, "bob", core.Old[1], r.b.SignUpQR())
	// This version wants to see a certificate that proves even a name with "_".
	r.dave = r.keeper(t, "dave", core.Old[0], loginQR("daveisold@"+r.a.Domain, davePassword))
	r.far = talk{lab: r.lab, relay: r.a, alice: r.alice, bob: r.bob}
	r.near = talk{lab: r.lab, relay: r.a, alice: r.alice, bob: r.dave}
}

const davePassword = "correct-horse-battery"

// loginQR is the QR code of an account (dclogin, version 1) whose server's certificate
// is taken as it is.
func loginQR(addr, password string) string {
	return fmt.Sprintf("dclogin:%s?p=%s&v=1&ic=3", addr, password)
}

// keeper starts a profile of a version of the core, which leaves its mail on the server.
func (r *rest) keeper(t *testing.T, name, version, qr string) *core.Profile {
	t.Helper()
	return r.client(t, name, version, qr, "1")
}

func (r *rest) client(t *testing.T, name, version, qr, bccSelf string) *core.Profile {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	c, err := r.lab.StartCore(ctx, name, version)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.NewProfile(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	from := p.Position()
	for _, call := range [][]any{{"set_config", "bcc_self", bccSelf}, {"add_transport_from_qr", qr}, {"start_io"}} {
		rpc(t, p, nil, call[0].(string), call[1:]...)
	}
	rpc(t, p, &p.Addr, "get_config", "configured_addr")
	// An old version connects as soon as it has a transport.
	if _, err := p.Wait(ctx, from, core.ImapInboxIdle, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// everything has two people do what clients of all versions can.
func (k *talk) everything(t *testing.T) {
	inTurn(t, k, []step[*talk]{
		{"SecureJoin", (*talk).secureJoin},
		{"texts", (*talk).texts},
		{"files", (*talk).files},
		{"group", (*talk).groups},
		{"read receipt", (*talk).receipt},
		{"reaction, edit, deletion", (*talk).changes},
		{"webxdc", (*talk).webxdc},
	})
}

// device has Bob's second device, of his old version, show what the first sends and gets.
func (r *rest) device(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c, err := r.lab.StartCore(ctx, "tablet", core.Old[1])
	if err != nil {
		t.Fatal(err)
	}
	tablet, err := c.AddDevice(ctx, r.bob, "bob's tablet")
	if err != nil {
		t.Fatal(err)
	}
	say(t, r.alice, r.far.ab, tablet, "to all your devices")
	say(t, r.bob, r.far.ba, tablet, "from the other device")
}

// handover has Dave hand his keys to another device as the cores up to 2.45 do. It may
// have none of its own, which it makes as soon as it tells other devices something.
func (r *rest) handover(t *testing.T) {
	laptop := r.client(t, "laptop", core.Old[0], loginQR(r.dave.Addr, davePassword), "0")
	ctx := deadline(t, stepTimeout)
	var code string
	rpc(t, r.dave, &code, "initiate_autocrypt_key_transfer")
	m, _, err := laptop.WaitMessage(ctx, "the Autocrypt Setup Message", func(m core.Message) bool { return m.IsSetup })
	if err != nil {
		t.Fatal(err)
	}
	rpc(t, laptop, nil, "continue_autocrypt_key_transfer", m.ID, code)
	say(t, r.alice, r.near.ab, laptop, "to your other device too")
}

// strangers sends Bob something encrypted, and Carol, who takes cleartext, that too.
func (r *rest) strangers(t *testing.T) {
	if _, err := r.b.Run(deadline(t, stepTimeout), "rm", "/home/vmail/mail/"+r.b.Domain+"/"+r.carol.Addr+"/enforceE2EEincoming"); err != nil {
		t.Fatal(err)
	}
	s := r.newSigner(t)
	traces := "Autocrypt: addr=x@y.test; keydata=smuggled text\r\nDate: Mon, smuggled text\r\nMessage-ID: <smuggled text@y.test>\r\n"
	for _, name := range strings.Fields(`Subject Received X-Mailer X-Smuggled Comments MIME-Version Content-Language Content-Smuggled
		Message-ID In-Reply-To References Date Chat-Version Chat-Group-Name Chat-Is-Post-Message Autocrypt Autocrypt-Gossip
		Autocrypt-Setup-Message Secure-Join-Group Auto-Submitted Precedence List-Id List-Post List-Smuggled`) {
		traces += name + ": smuggled\r\n text\r\n"
	}
	before, after, _ := strings.Cut(encryptedFrom(t, s.author), "\r\nSubject: ")
	_, after, _ = strings.Cut(after, "\r\n")
	encrypted := before + "\r\n" + after
	clear := "From: <" + s.author + ">\r\nTo: <" + r.carol.Addr + ">\r\nSubject: clear\r\nX-Kept: yes\r\nReceived: from nowhere\r\n" +
		"Date: Sun, 01 Mar 2026 10:00:00 +0000\r\nMessage-ID: <clear@carol.example>\r\n\r\nto read\r\n"
	ctx := deadline(t, stepTimeout)
	c := r.outside(ctx, t)
	for _, m := range []struct{ to, text, want string }{
		{r.bob.Addr, s.sign(t, traces+encrypted, nil), "250 "},
		{r.carol.Addr, s.sign(t, clear, nil), "250 "},
	} {
		if got, err := c.Send(s.author, m.to, m.text); err != nil || !strings.HasPrefix(got, m.want) {
			t.Errorf("to %s: got %q, %v, want %s", m.to, got, err, m.want)
		}
	}
	err := r.carol.Until(ctx, "the cleartext", func() (bool, error) {
		stored, err := r.stored(t, r.b)
		return slices.ContainsFunc(stored, func(m string) bool { return strings.Contains(m, "\nX-Kept: yes") }) &&
			slices.ContainsFunc(stored, func(m string) bool { return strings.Contains(m, "Return-Path: <"+s.author+">\nFrom:") }), err
	})
	if err != nil {
		t.Error(err)
	}
}

// stored returns the headers of all mail that lies on a relay.
func (r *rest) stored(t *testing.T, on *Relay) ([]string, error) {
	out, err := on.Script(deadline(t, stepTimeout), `find /home/vmail/mail -path '*/cur/*' -o -path '*/new/*' | while read -r f; do
	zcat -f "$f" 2>/dev/null | sed 's/\r$//;/^$/q' || true # it may go meanwhile
done`)
	return strings.Split(strings.TrimSpace(out), "\n\n"), err
}

func (r *rest) look(t *testing.T) {
	seen := make(map[string]int)
	for _, relay := range []*Relay{r.a, r.b} {
		stored, err := r.stored(t, relay)
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range stored {
			clear := strings.Contains(header, "\nX-Kept: yes")
			if clear != strings.Contains(header, "\nSubject: clear") || clear && strings.Contains(header, "\nReceived:") {
				t.Errorf("in cleartext:\n%s", header)
			}
			for line := range strings.Lines(header) {
				name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
				if !ok || line[0] == ' ' || line[0] == '\t' || clear {
					continue
				}
				name = strings.ToLower(name)
				seen[name]++
				if !slices.Contains(keptFields, name) || name == "subject" && value != " [...]" || strings.Contains(line, "smuggled") {
					t.Errorf("on %s lies %q of\n%s", relay.Domain, line, header)
				}
			}
		}
	}
	t.Logf("what lies in the mailboxes: %v", seen)
	for _, must := range []string{"from", "subject", "secure-join", "chat-is-post-message"} {
		if seen[must] == 0 {
			t.Errorf("there is no %s", must)
		}
	}
}

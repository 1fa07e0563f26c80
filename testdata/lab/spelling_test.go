package lab

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"chatmaild/testdata/lab/peer"
)

// What a message gets whose recipient is spelled in one of the ways below: the replies
// to one in the clear, and what becomes of an encrypted one.
const (
	unencrypted = "523 Encryption Needed: Invalid Unencrypted Mail" // the address is in order
	invalid     = "553 5.1.3 Invalid recipient address"
	notPlain    = "553 5.1.3 Address not understood"
	malformed   = "501 5.1.3 Bad recipient address syntax" // says Postfix, to a stranger
	noPath      = "501 5.5.4 Syntax error in parameters"
	denied      = "554 5.7.1 <" // Relay access denied

	delivered = "delivered" // to the user that it is about
	bounced   = "bounced"
	elsewhere = "elsewhere" // carol.example makes of such a local part what it likes
)

// spellings are written for VICTIM, a user of the relay HOME, in letters of either case.
var spellings = []struct{ addr, in, out, fate string }{
	{"VICTIM@HOME", unencrypted, unencrypted, delivered},
	{"Victim@HOME", unencrypted, unencrypted, delivered},
	{"VICTIM@Home", unencrypted, unencrypted, delivered},
	{"VICTIM+tag@HOME", unencrypted, unencrypted, delivered},
	{"VICTIM+a+b@HOME", unencrypted, unencrypted, delivered},
	{"VICTIM++@HOME", unencrypted, unencrypted, delivered},
	{"VICTIM+a.b_c-d@HOME", unencrypted, unencrypted, delivered},
	{"VICTIM+@HOME", invalid, invalid, ""},
	{"+VICTIM@HOME", invalid, invalid, ""},
	{"VICTIM+.a@HOME", invalid, invalid, ""},
	{"VICTIM+a%HOME@HOME", denied, invalid, ""},
	{"VICTIM+a!b@HOME", denied, invalid, ""},
	{"VICTIM=a@HOME", invalid, invalid, ""},
	{"VICTIM%HOME@HOME", denied, invalid, ""},
	{"VICTIM%HOME", denied, invalid, ""},
	{"VICTIM%carol.example@HOME", denied, invalid, ""},
	{"x%carol.example@HOME", denied, invalid, ""},
	{"VICTIM%HOME@carol.example", denied, unencrypted, elsewhere},
	{"VICTIM%HOME%carol.example@HOME", denied, invalid, ""},
	{"HOME!VICTIM", denied, invalid, ""},
	{"HOME!VICTIM@HOME", denied, invalid, ""},
	{"carol.example!HOME!VICTIM@HOME", denied, invalid, ""},
	{"HOME!VICTIM@carol.example", denied, unencrypted, elsewhere},
	{"carol.example!x@HOME", denied, invalid, ""},
	{"@HOME:VICTIM@HOME", notPlain, notPlain, ""},
	{"@carol.example:VICTIM@HOME", notPlain, notPlain, ""},
	{"@carol.example,@HOME:VICTIM@HOME", notPlain, notPlain, ""},
	{"@HOME:VICTIM@carol.example", denied, notPlain, ""},
	{`"VICTIM"@HOME`, notPlain, notPlain, ""},
	{`"Victim"@Home`, notPlain, notPlain, ""},
	{`"VIC"TIM@HOME`, malformed, notPlain, ""},
	{`"VICTIM@HOME"@HOME`, notPlain, notPlain, ""},
	{`"VICTIM@HOME"`, notPlain, notPlain, ""},
	{`"VICTIM%HOME"@HOME`, denied, notPlain, ""},
	{`"HOME!VICTIM"@HOME`, denied, notPlain, ""},
	{`"x@carol.example"@HOME`, denied, notPlain, ""},
	{`"VICTIM+tag"@HOME`, notPlain, notPlain, ""},
	{`"VICTIM\"@HOME`, malformed, noPath, ""},
	{`VICTIM\@HOME`, notPlain, notPlain, ""},
	{`\VICTIM@HOME`, notPlain, notPlain, ""},
	{`"VICTIM "@HOME`, notPlain, notPlain, ""},
	{`" VICTIM"@HOME`, notPlain, notPlain, ""},
	{"VICTIM@HOME.", invalid, invalid, ""},
	{"VICTIM@HOME..", malformed, invalid, ""},
	{"VICTIM@.HOME", malformed, invalid, ""},
	{"VICTIM.@HOME", invalid, invalid, ""},
	{".VICTIM@HOME", invalid, invalid, ""},
	{"VICTIM@HOME@HOME", invalid, invalid, ""},
	{"VICTIM@HOME@carol.example", denied, invalid, ""},
	{"VICTIM@carol.example@HOME", denied, invalid, ""},
	{"x@carol.example@HOME", denied, invalid, ""},
	{"VICTIM@[ADDR4]", invalid, unencrypted, bounced},
	{"VICTIM@[IPv6:ADDR6]", invalid, unencrypted, bounced},
	{"VICTIM@ADDR4", malformed, invalid, ""},
	{"VICTIM@[127.0.0.1]", invalid, unencrypted, bounced},
	{"VICTIM@[IPv6:::1]", invalid, unencrypted, bounced},
	{"VICTIM@localhost", denied, unencrypted, bounced},
	{"VICTIM@sub.HOME", denied, unencrypted, bounced},
	{"VICTIM", invalid, invalid, ""},
	{"Victim", invalid, invalid, ""},
	{"VICTIM@", malformed, invalid, ""},
	{`VICTIM@"HOME"`, notPlain, notPlain, ""},
	{"VICTIM(comment)@HOME", malformed, notPlain, ""},
	{"(comment)VICTIM@HOME", malformed, notPlain, ""},
	{"VICTIM@HOME(comment)", malformed, notPlain, ""},
	{"VICTIM@(comment)HOME", malformed, notPlain, ""},
	{"VICTIM @HOME", notPlain, notPlain, ""},
	{"VICTIM@ HOME", notPlain, notPlain, ""},
	{" VICTIM@HOME", notPlain, notPlain, ""},
	{"name <VICTIM@HOME", malformed, noPath, ""},
	{"<VICTIM@HOME", malformed, noPath, ""},
	{"VICTIM,x@HOME", malformed, notPlain, ""},
	{"VICTIM@HOME,x@HOME", malformed, notPlain, ""},
	{"VICTIM;x@HOME", malformed, invalid, ""},
	{"x:VICTIM@HOME;", malformed, invalid, ""},
	{"../VICTIM@HOME", invalid, invalid, ""},
	{"VICTIM/@HOME", invalid, invalid, ""},
	{"VICTIM/../VICTIM@HOME", invalid, invalid, ""},
	{"k\u212A@HOME", invalid, invalid, ""},
	{"VICTIM@_\u017Fpell.test", invalid, invalid, ""},
	{"VICTIM@_spell\uFF0Etest", denied, invalid, ""},
	{"VICTIM@_spell\u3002test", denied, invalid, ""},
	{"\u00fc@HOME", invalid, invalid, ""},
	{"=?utf-8?q?VICTIM?=@HOME", invalid, invalid, ""},
	{"vic=20tim@HOME", invalid, invalid, ""},
	{"-VICTIM@HOME", unencrypted, unencrypted, bounced},
	{"postmaster", unencrypted, unencrypted, bounced},
	{"Postmaster@HOME", unencrypted, unencrypted, bounced},
	{"postmaster%HOME@HOME", denied, invalid, ""},
	{`"postmaster"@HOME`, notPlain, notPlain, ""},
	{"abuse@HOME", unencrypted, unencrypted, bounced},
	{"MAILER-DAEMON@HOME", unencrypted, unencrypted, bounced},
	{"double-bounce@HOME", unencrypted, unencrypted, bounced},
	{"double-bounce=@HOME", invalid, invalid, ""},
	{"owner-VICTIM@HOME", unencrypted, unencrypted, bounced},
	{"VICTIM-request@HOME", unencrypted, unencrypted, bounced},
	{"nobody123@HOME", unencrypted, unencrypted, bounced},
	{`"|cat"@HOME`, notPlain, notPlain, ""},
	{"|cat@HOME", invalid, invalid, ""},
	{":include:/etc/passwd@HOME", invalid, invalid, ""},
	{`""@HOME`, malformed, notPlain, ""},
	{"@HOME", malformed, notPlain, ""},
	{"@", malformed, notPlain, ""},
	{"", malformed, notPlain, ""},
}

// spelt is a relay, a user of it, and Carol elsewhere, who write to another user.
type spelt struct {
	proof
	carol  signer
	mx     *peer.MX
	victim account
}

// TestSpellings has a stranger and a user spell addresses in all the ways that some mail
// program ever read as another one, as recipient, as sender and as author. What may pass
// is encrypted and comes to where its address says, or comes back; all else is refused.
func TestSpellings(t *testing.T) {
	t.Parallel()
	s := newSpelt(t, "_spell.test")
	eachStep(t, &s, []step[*spelt]{
		{"Postfix's parameters", (*spelt).parameters},
		{"recipients in the clear", (*spelt).inClear},
		{"senders", (*spelt).senders},
		{"authors", (*spelt).authors},
		{"nothing readable", (*spelt).nothingReadable},
		{"recipients, encrypted", (*spelt).encrypted},
	})
}

// newSpelt starts a relay and Carol's server.
func newSpelt(t *testing.T, domain string, settings ...string) spelt {
	t.Helper()
	var s spelt
	s.lab, s.relay = startRelay(t, domain, append(settings, `echobot = false`,
		`max_user_send_per_minute = 6000`, `max_user_send_burst_size = 1000`)...)
	var err error
	s.outside = addStation(t, s.lab, "outside")
	if s.mx, err = peer.StartMX(s.outside, "carol.example"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.mx.Close() })
	trust(t, s.relay, "carol", string(s.mx.Root))
	s.carol = newSigner(t, s.lab)
	s.sender, s.victim = s.newAccount(t), s.newAccount(t)
	return s
}

// parameters holds that each parameter of this Postfix that may rewrite or resolve an
// address has a value in main.cf, or no effect here for a reason that is written below: a
// newer Postfix may bring one that nobody has decided on.
func (s *spelt) parameters(t *testing.T) {
	const about = "rewrite|canonical|masquerade|alias|generic|relocated|luser|bcc_maps|always_bcc|append_|percent|bangpath|" +
		"resolve|untrusted_routing|delimiter|extension|owner_|empty_address_rec|double_bounce|verp|utf8|idna|rfc821|" +
		"command_filter|min_user|virtual_|relay_domains|recipient_maps|forward_path|missing_headers|mydestination|proxy_interfaces"
	without := map[string][]string{
		"how much and how fast": {"*_limit", "*_slot_*", "*_concurrency_*", "*_delay", "*_minimum_*", "*_transport", "*_code", "*_lookup_key"},
		"local(8) and virtual(8) are not in master.cf": {"alias_*", "expand_owner_alias", "reset_owner_alias", "forward_path", "luser_relay",
			"newaliases_path", "virtual_*"},
		"of tables that are empty":                            {"*canonical_classes", "masquerade_*", "relay_recipient_maps", "relocated_prefix_enable"},
		"nobody may ask for VERP":                             {"*verp*"},
		"not about addresses":                                 {"*_dns_resolver_options", "*_sasl_*", "postscreen_command_filter", "smtputf8_autodetect_classes", "rewrite_service_name", "tls_append_default_CA"},
		"other addresses than the machine's own are not ours": {"proxy_interfaces"},
	}
	decided := map[string]bool{}
	for line := range strings.Lines(s.script(t, "postconf -n")) {
		name, _, _ := strings.Cut(line, " =")
		decided[name] = true
	}
	for line := range strings.Lines(s.script(t, "postconf -d | grep -E '^[a-z0-9_-]*(%s)[a-zA-Z0-9_-]* ='", about)) {
		name, _, _ := strings.Cut(line, " =")
		for _, patterns := range without {
			for _, pattern := range patterns {
				if found, _ := path.Match(pattern, name); found {
					decided[name] = true
				}
			}
		}
		if !decided[name] {
			t.Errorf("nobody has decided on %s", strings.TrimSpace(line))
		}
	}
}

func (s *spelt) inClear(t *testing.T) {
	for _, row := range spellings {
		to := s.spell(row.addr, s.victim)
		if got := s.fromCarol(t, s.carol.author, to, s.carol.sign(t, readable(s.carol.author), nil)); !strings.HasPrefix(got, row.in) {
			t.Errorf("from outside to <%s>: got %q, want %q", to, got, row.in)
		}
		if got := s.fromUser(t, s.sender.addr, to, readable(s.sender.addr)); !strings.HasPrefix(got, row.out) {
			t.Errorf("from a user to <%s>: got %q, want %q", to, got, row.out)
		}
	}
}

// senders holds that a user has one address to send from, which those who log in have
// to name; and that nobody else has it.
func (s *spelt) senders(t *testing.T) {
	for _, row := range spellings {
		from := s.spell(row.addr, s.sender)
		if got := s.fromUser(t, from, s.victim.addr, readable(from)); got[0] != '5' {
			t.Errorf("a user as <%s>, in the clear: got %q, want a refusal", from, got)
		}
		own := strings.EqualFold(row.addr, "VICTIM@HOME")
		if got := s.fromUser(t, from, "carol@carol.example", sealed(t, from)); own != (got[:3] == "250") || !own && got[0] != '5' {
			t.Errorf("a user as <%s>: got %q, accepted only as itself", from, got)
		}
		got := s.fromCarol(t, from, s.victim.addr, s.carol.sign(t, sealed(t, from), nil))
		if taken := got[:3] == "250"; taken != (row.fate == elsewhere) {
			t.Errorf("a stranger as <%s>: got %q, accepted only as one of carol.example", from, got)
		}
	}
}

// authors holds the same of the From field.
func (s *spelt) authors(t *testing.T) {
	for _, row := range spellings {
		from := s.spell(row.addr, s.sender)
		own := strings.EqualFold(row.addr, "VICTIM@HOME")
		got := s.fromUser(t, s.sender.addr, "carol@carol.example", sealed(t, from))
		if own != (got[:3] == "250") || !own && got[0] != '5' {
			t.Errorf("a user, author <%s>: got %q, accepted only as itself", from, got)
		}
		got = s.fromCarol(t, s.carol.author, s.victim.addr, s.carol.sign(t, sealed(t, from), nil))
		if taken := got[:3] == "250"; taken != (row.fate == elsewhere) {
			t.Errorf("a stranger, author <%s>: got %q, accepted only as one of carol.example", from, got)
		}
	}
}

// nothingReadable looks where messages lie and where they went.
func (s *spelt) nothingReadable(t *testing.T) {
	s.delivered(t)
	if found := s.script(t, `find /home/vmail /var/spool/postfix /var/lib/chatmaild -type f -exec zgrep -l '`+marker+`' {} + || true`); found != "" {
		t.Errorf("readable on the disk: %s", found)
	}
	for _, m := range s.mx.Received() {
		if strings.Contains(m.Text, marker) {
			t.Errorf("readable on the wire, to %q", m.Recipients)
		}
	}
}

// encrypted holds that each message that was taken is somewhere.
func (s *spelt) encrypted(t *testing.T) {
	before := len(s.mx.Received())
	wantBox, wantBounces, wantCarol, wantBack := s.messages(t, s.victim), s.messages(t, s.sender), 0, 0
	for _, row := range spellings {
		to := s.spell(row.addr, s.victim)
		got := s.fromCarol(t, s.carol.author, to, s.carol.sign(t, sealed(t, s.carol.author), nil))
		switch taken := got[:3] == "250"; {
		case taken != (row.in == unencrypted):
			t.Errorf("from outside to <%s>: got %q", to, got)
		case taken && row.fate == delivered:
			wantBox++
		case taken:
			wantBack++
		}
		got = s.fromUser(t, s.sender.addr, to, sealed(t, s.sender.addr))
		switch taken := got[:3] == "250"; {
		case taken != (row.out == unencrypted):
			t.Errorf("from a user to <%s>: got %q", to, got)
		case taken && row.fate == delivered:
			wantBox++
		case taken && row.fate == elsewhere:
			wantCarol++
		case taken:
			wantBounces++
		}
	}
	s.delivered(t)
	if got := s.messages(t, s.victim); got != wantBox {
		t.Errorf("the user has %d messages, want %d", got, wantBox)
	}
	if got := s.messages(t, s.sender); got != wantBounces {
		t.Errorf("the sender has %d messages, want %d bounces", got, wantBounces)
	}
	carol, back := 0, 0
	for _, m := range s.mx.Received()[before:] {
		if m.Sender != "" {
			carol++
			continue
		}
		back++
		contains(t, "the bounce", m.Text, "report-type=delivery-status", "text/rfc822-headers", "DKIM-Signature: ")
		if strings.Contains(m.Text, "-----BEGIN PGP") {
			t.Errorf("the bounce has the text of the message:\n%s", m.Text)
		}
	}
	if carol != wantCarol || back != wantBack {
		t.Errorf("elsewhere are %d messages and %d bounces, want %d and %d", carol, back, wantCarol, wantBack)
	}
	t.Logf("%d spellings; %d delivered, %d bounced to a user, %d and %d elsewhere", len(spellings), wantBox, wantBounces, wantCarol, wantBack)
}

// spell writes an address that is about a user.
func (s *spelt) spell(addr string, user account) string {
	local, _, _ := strings.Cut(user.addr, "@")
	return strings.NewReplacer("VICTIM", local, "Victim", strings.ToUpper(local),
		"HOME", s.relay.Domain, "Home", strings.ToUpper(s.relay.Domain),
		"ADDR4", s.relay.IPv4.String(), "ADDR6", s.relay.IPv6.String()).Replace(addr)
}

// marker is the text that nobody but its readers may see.
const marker = "anyone can read this"

func readable(author string) string {
	return fmt.Sprintf("From: <%s>\r\nSubject: %s\r\n\r\n%[2]s\r\n", author, marker)
}

func (s *spelt) fromCarol(t *testing.T, from, to, message string) string {
	t.Helper()
	c := outside(deadline(t, partTimeout), t, s.outside, s.relay.Domain)
	defer c.Close()
	reply, err := c.Send(from, to, message)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func (s *spelt) fromUser(t *testing.T, from, to, message string) string {
	t.Helper()
	c := s.submission(t, s.sender)
	defer c.Close()
	reply, err := c.Send(from, to, message)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// messages counts what is in a mailbox.
func (s *spelt) messages(t *testing.T, a account) int {
	t.Helper()
	c := s.imap(t, a)
	defer c.Close()
	n, err := c.Select()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

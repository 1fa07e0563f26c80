package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/smtp"
)

// A dialogue is what another mail server says on port 25, and what it has to be told.
// Lines that begin with "C: " are sent, those that follow each other in one piece; "S: "
// is the beginning of a reply. MESSAGE is one of Carol's, with the final dot.
type dialogue struct {
	name, script string

	alice, bob int // messages that each has in the end
	bounces    int // reports that came to Carol
}

var dialogues = []dialogue{
	{name: "a member of the group is gone, all in one piece", alice: 1, bob: 1, bounces: 1, script: `
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<ALICE>
		C: RCPT TO:<GONE>
		C: RCPT TO:<BOB>
		C: DATA
		S: 250
		S: 250
		S: 250
		S: 250
		S: 354
		C: MESSAGE
		S: 250
		C: QUIT
		S: 221`},
	{name: "all members are gone", bounces: 1, script: `
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<GONE>
		C: RCPT TO:<LOST>
		C: DATA
		S: 250
		S: 250
		S: 250
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "in another's name", alice: 1, script: `
		C: MAIL FROM:<dave@carol.example>
		S: 250
		C: RCPT TO:<GONE>
		S: 250
		C: RCPT TO:<ALICE>
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "in nobody's name", script: `
		C: MAIL FROM:<>
		S: 250
		C: RCPT TO:<GONE>
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "a recipient is denied, and a lone dot ends that", alice: 1, script: `
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<ALICE>
		C: RCPT TO:<dave@dave.example>
		C: DATA
		S: 250
		S: 250
		S: 554 5.7.1
		S: 354
		C: .
		S: 554 5.6.0
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<ALICE>
		C: DATA
		S: 250
		S: 250
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "all are denied, and a lone dot all the same", alice: 1, script: `
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<dave@dave.example>
		C: DATA
		S: 250
		S: 554 5.7.1
		S: 554 5.5.1
		C: .
		S: 500
		C: RSET
		S: 250
		C: MAIL FROM:<CAROL>
		S: 250
		C: RCPT TO:<ALICE>
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "RSET, and the connection serves again", alice: 1, bob: 1, script: `
		C: MAIL FROM:<CAROL>
		S: 250
		C: RCPT TO:<GONE>
		S: 250
		C: RSET
		S: 250
		C: MAIL FROM:<CAROL>
		S: 250
		C: RCPT TO:<ALICE>
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		C: RSET
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<BOB>
		C: DATA
		S: 250
		S: 250
		S: 250
		S: 250
		S: 354
		C: MESSAGE
		C: QUIT
		S: 250
		S: 221`},
	{name: "SIZE, 8BITMIME and SMTPUTF8", alice: 1, script: `
		C: MAIL FROM:<CAROL> SIZE=999999999
		S: 552
		C: MAIL FROM:<CAROL> SIZE=4000 BODY=8BITMIME SMTPUTF8
		S: 250
		C: RCPT TO:<ALICE>
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "the parameters of RFC 3461", bob: 1, bounces: 1, script: `
		C: MAIL FROM:<CAROL> RET=FULL ENVID=QQ+2B314159
		S: 250
		C: RCPT TO:<BOB> NOTIFY=FAILURE,DELAY ORCPT=rfc822;Bob+2BBob@carol.example
		S: 250
		C: RCPT TO:<GONE> NOTIFY=FAILURE ORCPT=rfc822;gone@carol.example
		S: 250
		C: RCPT TO:<LOST> NOTIFY=NEVER
		S: 250
		C: DATA
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "BDAT, which is not offered: the last word, as what follows may be a message", script: `
		C: MAIL FROM:<CAROL>
		S: 250
		C: RCPT TO:<ALICE>
		S: 250
		C: BDAT 6 LAST
		C: QUIT
		S: 521 5.5.1`},
	{name: "an old server", alice: 1, script: `
		C: HELO carol.example
		S: 250
		C: mail from: <CAROL>
		S: 250
		C: rcpt to: <ALICE>
		S: 250
		C: data
		S: 354
		C: MESSAGE
		S: 250
		C: quit
		S: 221`},
	{name: "one recipient twice, and with a tag", alice: 2, script: `
		C: MAIL FROM:<CAROL>
		C: RCPT TO:<ALICE>
		C: RCPT TO:<ALICE>
		C: RCPT TO:<TAGGED>
		C: DATA
		S: 250
		S: 250
		S: 250
		S: 250
		S: 354
		C: MESSAGE
		S: 250`},
	{name: "asking which recipients exist", script: `
		C: VRFY BOB
		S: 502
		C: EXPN BOB
		S: 500
		C: MAIL FROM:<CAROL>
		S: 250
		C: RCPT TO:<BOB>
		S: 250 2.1.5
		C: RCPT TO:<GONE>
		S: 250 2.1.5
		C: QUIT
		S: 221`},
}

// peers is a relay with two users, and Carol's server that speaks with it.
type peers struct {
	spelt
	alice, bob account
}

// TestPeers has the servers out there say what they say. The users who exist get their
// mail, no matter who else it was for, and a proven sender is told about the others.
func TestPeers(t *testing.T) {
	t.Parallel()
	p := &peers{spelt: newSpelt(t, "_peers.test", fmt.Sprintf("max_smtp_recipients = %d", members))}
	p.alice, p.bob = p.sender, p.victim
	for _, d := range dialogues {
		t.Run(d.name, func(t *testing.T) { p.play(t, d) })
	}
	t.Run("from our own user", p.ownUser)
	t.Run("nobody can say who exists", p.withoutDoveauth)
	t.Run("many are gone", p.manyGone)
}

func (p *peers) play(t *testing.T, d dialogue) {
	aliceHad, bobHad, carolHad := p.messages(t, p.alice), p.messages(t, p.bob), len(p.mx.Received())
	c := outside(deadline(t, partTimeout), t, p.outside, p.relay.Domain)
	defer c.Close()
	p.say(t, c, d.script)
	p.delivered(t)
	if got := p.messages(t, p.alice) - aliceHad; got != d.alice {
		t.Errorf("Alice got %d messages, want %d", got, d.alice)
	}
	if got := p.messages(t, p.bob) - bobHad; got != d.bob {
		t.Errorf("Bob got %d messages, want %d", got, d.bob)
	}
	reports := p.mx.Received()[carolHad:]
	if len(reports) != d.bounces {
		t.Errorf("Carol got %d reports, want %d: %q", len(reports), d.bounces, reports)
	}
	for _, r := range reports {
		contains(t, "the report", r.Text, "DKIM-Signature: ", "report-type=delivery-status", "gone12345@"+p.relay.Domain, "550 5.1.1")
		if r.Sender != "" || strings.Join(r.Recipients, " ") != p.carol.author {
			t.Errorf("the report is from <%s> to %q", r.Sender, r.Recipients)
		}
	}
}

// say plays a script.
func (p *peers) say(t *testing.T, c *smtp.Client, script string) {
	t.Helper()
	message := p.carol.sign(t, encryptedFrom(t, p.carol.author), nil) + ".\r\n"
	names := strings.NewReplacer("ALICE", p.alice.addr, "BOB", p.bob.addr, "CAROL", p.carol.author,
		"GONE", "gone12345@"+p.relay.Domain, "LOST", "lost12345@"+p.relay.Domain,
		"TAGGED", strings.Replace(p.alice.addr, "@", "+tag@", 1))
	var unsent strings.Builder
	for line := range strings.Lines(strings.TrimSpace(script)) {
		line = strings.TrimSpace(line)
		if said, ok := strings.CutPrefix(line, "C: "); ok {
			if said == "MESSAGE" {
				unsent.WriteString(message)
			} else {
				unsent.WriteString(names.Replace(said) + "\r\n")
			}
			continue
		}
		got, err := c.Raw(unsent.String())
		unsent.Reset()
		if want := strings.TrimPrefix(line, "S: "); err != nil || !strings.HasPrefix(got, want) {
			t.Fatalf("got %q, %v; want %s", got, err, want)
		}
	}
}

// ownUser is a user of the relay who writes to a group with members who are gone.
func (p *peers) ownUser(t *testing.T) {
	aliceHad, bobHad, carolHad := p.messages(t, p.alice), p.messages(t, p.bob), len(p.mx.Received())
	c := p.submission(t, p.alice)
	defer c.Close()
	to := []string{"gone12345@" + p.relay.Domain, p.bob.addr, "lost12345@" + p.relay.Domain, p.carol.author}
	if got, err := c.SendAll(p.alice.addr, to, sealed(t, p.alice.addr)); err != nil || got[:3] != "250" {
		t.Fatalf("got %q, %v", got, err)
	}
	p.delivered(t)
	if alice, bob := p.messages(t, p.alice)-aliceHad, p.messages(t, p.bob)-bobHad; alice != 1 || bob != 1 {
		t.Errorf("Alice has %d reports and Bob %d messages, want one each", alice, bob)
	}
	if got := len(p.mx.Received()) - carolHad; got != 1 {
		t.Errorf("Carol got %d messages, want 1", got)
	}
}

// withoutDoveauth holds that nobody bounces while nobody can say who exists.
func (p *peers) withoutDoveauth(t *testing.T) {
	aliceHad, carolHad := p.messages(t, p.alice), len(p.mx.Received())
	p.script(t, "systemctl stop 'chatmaild-auth-*.socket' chatmaild-doveauth.service")
	c := outside(deadline(t, partTimeout), t, p.outside, p.relay.Domain)
	defer c.Close()
	to := []string{p.alice.addr, "gone12345@" + p.relay.Domain}
	if got, err := c.SendAll(p.carol.author, to, p.carol.sign(t, sealed(t, p.carol.author), nil)); err != nil || got[:3] != "250" {
		t.Errorf("got %q, %v", got, err)
	}
	until(deadline(t, partTimeout), t, "the message to be deferred", func() bool {
		return strings.Count(p.script(t, "postqueue -j"), `"delay_reason"`) == len(to)
	})
	p.script(t, "systemctl start 'chatmaild-auth-*.socket' chatmaild-doveauth.service && postqueue -f")
	p.delivered(t)
	if got := p.messages(t, p.alice) - aliceHad; got != 1 {
		t.Errorf("Alice got %d messages, want 1", got)
	}
	if got := len(p.mx.Received()) - carolHad; got != 1 {
		t.Errorf("Carol got %d reports, want 1", got)
	}
}

// members are those of a large group; two of five are still there.
const members, living = 1000, 400

func isLiving(member int) bool { return member%5 < 2 }

// manyGone sends to a group of whom most are gone. How long those wait who are not is a
// figure in the log: without the others, after a message that warms up, and with them.
func (p *peers) manyGone(t *testing.T) {
	var group, all []string
	for i := range members {
		addr := fmt.Sprintf("member%04d@%s", i, p.relay.Domain)
		if all = append(all, addr); isLiving(i) {
			group = append(group, addr)
		}
	}
	p.script(t, `cd /home/vmail/mail/%s
for addr in %s; do
	install -d -o vmail -g vmail -m 700 $addr $addr/cur $addr/new $addr/tmp
	cp -p %s/password $addr/
done`, p.relay.Domain, strings.Join(group, " "), p.alice.addr)
	for _, round := range []struct {
		name string
		to   []string
	}{{"first", group}, {"alone", group}, {"with the dead", all}, {"alone again", group}} {
		name, to := round.name, round.to
		carolHad := len(p.mx.Received())
		ctx := deadline(t, partTimeout)
		there, err := p.relay.WatchMail(group...)
		if err != nil {
			t.Fatal(err)
		}
		c := outside(ctx, t, p.outside, p.relay.Domain)
		start := time.Now()
		if got, err := c.SendAll(p.carol.author, to, p.carol.sign(t, sealed(t, p.carol.author), nil)); err != nil || got[:3] != "250" {
			t.Fatalf("%s: got %q, %v", name, got, err)
		}
		taken, last := time.Since(start), time.Duration(0)
		for _, addr := range group {
			at, err := there.After(ctx, addr, start)
			if err != nil {
				t.Fatal(err)
			}
			last = max(last, at.Sub(start))
		}
		c.Close()
		there.Close()
		p.delivered(t)
		reports := p.mx.Received()[carolHad:]
		t.Logf("%s: accepted after %v, the last of %d has it after %v; %d reports", name, taken, living, last, len(reports))
		if want := min(len(to)-living, 1); len(reports) != want {
			t.Fatalf("%s: Carol got %d reports, want %d", name, len(reports), want)
		}
		for _, r := range reports {
			t.Logf("the report has %d bytes", len(r.Text))
			if n := strings.Count(r.Text, "Final-Recipient: "); n != members-living {
				t.Errorf("the report is about %d recipients, want %d", n, members-living)
			}
		}
	}
}

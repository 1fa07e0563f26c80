package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
)

const (
	moveDomain = plainDomain

	// crowdMailboxes with crowdMessages each are there beside the clients', so that
	// there is something to copy.
	crowdMailboxes = 40
	crowdMessages  = 25

	// sendPause is between two messages of the traffic. What waits while mail is off is
	// sent afterwards by the core at one a second, and no faster.
	sendPause = 2 * time.Second
)

// A moving is what the steps of TestMove share.
type moving struct {
	*proof                      // of the relay where it is now
	plain       *plain          // likewise
	whole       context.Context // lasts as long as all steps
	old, young  *Relay
	alice, bob  *core.Profile
	ab, ba      uint32
	crowd       account // one of the mailboxes beside
	token       string
	before      string // what the old machine has of keys and mail
	account     string // with the authority
	traffic     *traffic
	uidvalidity string
}

// TestMove is the proof that a relay with a certificate from an authority can move to
// another machine while people write to each other, that it can go back from wherever
// that breaks off, and that a backup of it can be put in place elsewhere.
func TestMove(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	inTurn(t, m, []step[*moving]{
		{"people write", (*moving).begin},
		{"it refuses what cannot be", (*moving).refusals},
		{"going back while it copies", (*moving).backFromCopy},
		{"going back with mail off", (*moving).backFromOff},
		{"going back from the other machine", (*moving).backFromThere},
		{"move", (*moving).move},
		{"DNS changes", (*moving).changeDNS},
		{"nothing lost, nothing doubled", (*moving).complete},
		{"the same relay", (*moving).same},
		{"renewal on the new machine", (*moving).renew},
		{"the old one stays off", (*moving).oldStaysOff},
		{"backup and restore", (*moving).backAndForth},
	})
	m.traffic.stop()
}

func newMoving(t *testing.T) *moving {
	deb, err := debian.Deb()
	if err != nil {
		t.Fatal(err)
	}
	// What waited is sent at once when the relay is there again.
	p := newPlain(t, "max_user_send_per_minute = 6000", "max_user_send_burst_size = 1000")
	m := &moving{
		plain: p, proof: &proof{lab: p.lab, relay: p.relay, outside: p.outside}, old: p.relay,
		whole: t.Context(),
	}
	var group sync.WaitGroup
	group.Go(func() { m.young, err = startOther(t.Context(), p.lab, deb, moveDomain) })
	defer group.Wait()
	if err := m.old.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.run(t, "chatmaild run --skip-dns-check")
	if err := m.old.publishKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	diagnose(t, m.young)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.young.TrustRoot(t.Context(), "lab", p.authority.Root); err != nil {
		t.Fatal(err)
	}
	return m
}

// at says where the relay is from now on.
func (m *moving) at(r *Relay) { m.relay, m.plain.relay = r, r }

// startOther starts a machine that has the package and nothing else, and where our users
// have other numbers.
func startOther(ctx context.Context, l *Lab, deb, domain string) (*Relay, error) {
	host, err := l.StartHost(ctx, "young")
	if err != nil {
		return nil, err
	}
	r := &Relay{Host: host, Domain: domain, lab: l}
	if _, err := r.Script(ctx, "for n in 1 2 3 4 5; do useradd --system someone$n; done"); err != nil {
		return r, err
	}
	return r, r.InstallDeb(ctx, deb)
}

func (m *moving) begin(t *testing.T) {
	m.alice = startProfile(t, m.lab, "alice", login("alice1234", moveDomain))
	m.bob = startProfile(t, m.lab, "bob", login("bob123456", moveDomain))
	ctx := deadline(t, stepTimeout)
	var err error
	m.ba = secureJoin(t, m.bob, m.alice, nil)
	if m.ab, err = m.alice.ChatWith(ctx, m.bob); err != nil {
		t.Fatal(err)
	}
	say(t, m.bob, m.ba, m.alice, "hello from the old house")

	// Mail that lies on the server, a token, a last login of long ago, and mail that
	// cannot be delivered.
	m.crowd = m.newAccount(t)
	session := m.imap(t, m.crowd)
	m.token = "openpgp:bW92aW5nIHRva2Vu"
	if _, err := session.OK("SETMETADATA INBOX (/private/devicetoken %q)", m.token); err != nil {
		t.Fatal(err)
	}
	smtp := m.submission(t, m.crowd)
	m.send(t, smtp, m.crowd, m.crowd.addr)
	m.delivered(t)
	m.uidvalidity = uidValidity(t, session)
	m.script(t, `cd /home/vmail/mail/%s
for n in $(seq %d); do
	cp -a %s crowd$n@%[1]s
	for i in $(seq %d); do printf 'From: <a@%[1]s>\n\nmessage %%d of %%d\n' $i $n >crowd$n@%[1]s/cur/17000000$i.M1P1.host:2,S; done
	chown -R vmail:vmail crowd$n@%[1]s
	touch --date="2026-05-$((n %% 28 + 1))T00:00Z" crowd$n@%[1]s/password
done`, moveDomain, crowdMailboxes, m.crowd.addr, crowdMessages)
	// Nobody listens there, which is known at once.
	publish(t, m.lab, "away.test", "A", m.outside.IPv4.String())
	m.send(t, smtp, m.crowd, "somebody@away.test")
	waitDeferred(t, m.old, "away.test")

	introduce(t, m.old, m.young)
	introduce(t, m.young, m.old)
	m.account = m.accountURI(t)
	m.before = houseOf(t, m.old)
}

// uidValidity returns what a client knows its mailbox by.
func uidValidity(t *testing.T, s *imap.Client) string {
	t.Helper()
	untagged, err := s.OK("STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(untagged, "\n")
}

// houseOf lists what has to be the same on both machines, but for the mail that comes
// and goes meanwhile: keys, owners by name, passwords and last logins, flags and times
// of messages.
func houseOf(t *testing.T, r *Relay) string {
	t.Helper()
	out := sh(t, r, `
find /etc/chatmail /etc/dkimkeys/*.private `+accountFile+` `+liveDir+` -type f -exec md5sum {} + | sort -k 2
stat -c '%n %U:%G %a' /etc/dkimkeys/*.private `+accountFile+` `+liveDir+`* /var/lib/chatmaild/metadata/metadata.db
cd /home/vmail/mail/`+moveDomain+`
md5sum */password
find crowd* -name password -printf '%p %u:%g %m %T@\n' | sort
find crowd* -type f -path '*/cur/*' -printf '%p %u:%g %m %T@ %s\n' | sed 's/\.[0-9]* / /' | sort`)
	return out
}

func (m *moving) refusals(t *testing.T) {
	contains(t, "a machine that is not there", m.fails(t, m.old, "chatmaild", "move", "root@nowhere.test"), "mail is on here as before")
	contains(t, "what is no archive", m.fails(t, m.old, "chatmaild", "restore", "/dev/null"), "reading the archive")
	// A machine with a relay of its own is left alone.
	if _, err := m.young.Run(deadline(t, stepTimeout), "chatmaild", "init", "_other.test"); err != nil {
		t.Fatal(err)
	}
	contains(t, "a machine with a relay", m.fails(t, m.old, "chatmaild", "move", "root@young"),
		"there is a relay here already: "+configFile, "mail is on here as before")
	if _, err := m.young.Run(deadline(t, stepTimeout), "rm", configFile); err != nil {
		t.Fatal(err)
	}
}

// fails runs a command that has to fail, and returns what it said.
func (m *moving) fails(t *testing.T, r *Relay, command ...string) string {
	t.Helper()
	res, err := r.Exec(deadline(t, stepTimeout), nil, command...)
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != 1 {
		t.Errorf("%s: exit status %d, want 1", strings.Join(command, " "), res.Code)
	}
	return res.Stdout + res.Stderr
}

func (m *moving) move(t *testing.T) {
	// The first attempt breaks off in the middle, as by a line that is cut.
	m.script(t, `chatmaild move root@young >/tmp/first 2>&1 & pid=$!
until grep -q "copy, while mail is on" /tmp/first || ! kill -0 $pid; do sleep 0.01; done
kill -9 $pid || true; wait $pid || true; pkill -x ssh || true`)
	// The second one does all, and does not know that it did.
	contains(t, "move", m.breakOff(t, "done"), "turn mail on there: ", "mail may be on at root@young already; fix the cause and run the same command again")
	start := time.Now()
	res, err := m.old.Exec(deadline(t, stepTimeout), nil, "chatmaild", "move", "root@young")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("chatmaild move took %v:\n%s%s", time.Since(start).Round(100*time.Millisecond), res.Stderr, res.Stdout)
	if res.Code != 0 {
		t.Fatalf("exit status %d", res.Code)
	}
	contains(t, "move", res.Stdout, moveDomain+" is on root@young now", "the A and AAAA records", m.young.IPv4.String())
}

func (m *moving) changeDNS(t *testing.T) {
	m.at(m.young)
	if err := m.young.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.flows(t)
}

func (m *moving) complete(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	m.traffic.stop()
	sent := m.traffic.count()
	for n := range sent {
		if _, _, err := m.alice.WaitText(ctx, trafficText(n)); err != nil {
			t.Fatal(err)
		}
	}
	m.answer(t, "hello from the new house")
	texts, err := m.alice.Texts(ctx, m.ab)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, text := range texts {
		times[text]++
	}
	for n := range sent {
		if times[trafficText(n)] != 1 {
			t.Errorf("%q is there %d times", trafficText(n), times[trafficText(n)])
		}
	}
	t.Logf("%d messages were sent while the relay moved", sent)
	// What the old one had queued is tried by the new one, and by it alone.
	queue := m.script(t, "postqueue -j")
	if n := strings.Count(queue, `"address": "somebody@away.test"`); n != 1 {
		t.Errorf("the message that waits for away.test is in the queue %d times:\n%s", n, queue)
	}
}

// answer has alice write, whose connection for sending is still that to the old machine:
// the core finds it broken, and tries again half a minute later, or when the app tells it
// of the network.
func (m *moving) answer(t *testing.T, text string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	from := m.alice.Position()
	send(t, m.alice, m.ab, text)
	tried := func(e core.Event) bool { return e.Kind == core.MsgDelivered || e.Kind == "Warning" }
	if _, _, err := m.alice.Events.Next(ctx, from, tried); err != nil {
		t.Fatal(err)
	}
	rpc(t, m.alice.Client, nil, "maybe_network")
	if _, _, err := m.bob.WaitText(ctx, text); err != nil {
		t.Fatal(err)
	}
}

func (m *moving) same(t *testing.T) {
	uid := func(r *Relay) string {
		out, err := r.Run(deadline(t, stepTimeout), "id", "-u", "vmail")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if uid(m.old) == uid(m.young) {
		t.Errorf("vmail has the number %s on both machines: the test shows nothing", uid(m.old))
	}
	if after := houseOf(t, m.young); after != m.before {
		t.Errorf("it is another one:\n%s", firstDifference(m.before, after))
	}
	session := m.imap(t, m.crowd)
	if now := uidValidity(t, session); now != m.uidvalidity {
		t.Errorf("the mailbox: got %s, want %s", now, m.uidvalidity)
	}
	if tokens := stored(t, session); !strings.Contains(tokens, m.token) {
		t.Errorf("the push token is gone: %s", tokens)
	}
	contains(t, "run on the new machine", m.script(t, "chatmaild run --skip-dns-check"), "nothing to do")
	contains(t, "status on the new machine", m.script(t, "chatmaild status"), moveDomain)
}

// firstDifference is the first line that is not the same, with its place.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\nwant %s\n got %s", i+1, a, b)
		}
	}
	return ""
}

func (m *moving) oldStaysOff(t *testing.T) {
	contains(t, "run on the old machine", m.fails(t, m.old, "chatmaild", "run"), "this relay has moved to root@young")
	out := sh(t, m.old, "systemctl list-units --plain --no-legend --state=active,activating,failed 'chatmaild*' 'postfix*' 'dovecot*' 'system-postfix*'; find /var/spool/postfix/deferred /var/spool/postfix/active /var/spool/postfix/incoming -type f")
	for line := range strings.Lines(out) {
		if !strings.Contains(line, ".slice") {
			t.Errorf("still there on the old machine: %s", line)
		}
	}
	contains(t, "move once more", m.again(t), "is on root@young now")
}

func (m *moving) again(t *testing.T) string {
	t.Helper()
	out, err := m.old.Run(deadline(t, stepTimeout), "chatmaild", "move", "root@young")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

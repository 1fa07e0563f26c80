package lab

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/peer"
)

// farDomain is that of a server that is down while the relay is upgraded.
const farDomain = "_far.test"

// hibernated is how many sessions sleep in Dovecot when the upgrade begins: fewer than
// one user may have from one address.
const hibernated = 8

// A fullUpgrade is what the steps of TestFullUpgrade share; each builds on those before
// it.
type fullUpgrade struct {
	*proof
	whole    *testing.T // which lasts as long as the clients talk
	talk     *underway
	reader   account // has mail with flags, in two mailboxes, and a token
	away     account // cannot be delivered to: mail waits
	token    string
	before   string // reader's mailboxes, as its client sees them
	queue    string
	packages string // the repository, as the relay has it
}

// TestFullUpgrade takes a relay from Debian 12 to 13 in place, as an operator does who
// wants to be asked nothing: apt full-upgrade, then a reboot. Real clients talk all the
// time. The relay is up again by itself, with all that it had.
func TestFullUpgrade(t *testing.T) {
	k := &fullUpgrade{proof: &proof{}, whole: t}
	k.lab, k.relay = startRelayOn(t, debian.Bookworm, "_relay.test")
	k.outside = addStation(t, k.lab, "outside")
	inTurn(t, k, []step[*fullUpgrade]{
		{"Debian 12", (*fullUpgrade).old},
		{"full upgrade", (*fullUpgrade).upgrade},
		{"Debian 13", (*fullUpgrade).now},
		{"reboot", (*fullUpgrade).reboot},
		{"what was there is there", (*fullUpgrade).same},
		{"what was waiting arrives", (*fullUpgrade).arrives},
		{"what is gone", (*fullUpgrade).gone},
	})
}

// old fills a relay with all that an upgrade could lose.
func (k *fullUpgrade) old(t *testing.T) {
	k.sender, k.reader, k.away = k.newAccount(t), k.newAccount(t), k.newAccount(t)
	s := k.imap(t, k.reader)
	for _, command := range []string{"CREATE Archive", "SELECT INBOX"} {
		if _, err := s.OK("%s", command); err != nil {
			t.Fatal(err)
		}
	}
	for i, flags := range []string{"", `\Seen`, `\Seen \Flagged`, `\Answered`, `\Deleted`} {
		mail := strings.ReplaceAll(sealed(t, k.sender.addr), "\n", "\r\n") + strings.Repeat("x\r\n", i<<12)
		if _, err := s.OK("APPEND INBOX (%s) {%d+}\r\n%s", flags, len(mail), mail); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range []string{"COPY 2:3 Archive", "UID EXPUNGE 1:*"} {
		if _, err := s.OK("%s", command); err != nil {
			t.Fatal(err)
		}
	}
	k.token = "openpgp:token-of-Debian-12"
	if _, err := s.OK(`SETMETADATA INBOX (/private/devicetoken "%s")`, k.token); err != nil {
		t.Fatal(err)
	}
	k.before = k.picture(t)

	for range hibernated {
		s := k.imap(t, k.reader)
		if _, err := s.Select(); err != nil {
			t.Fatal(err)
		}
		go s.Idle(func(string) bool { return false }) // until the relay hangs up
	}
	s.Close()
	if err := k.relay.WaitHibernated(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	k.talk = startUnderwayOn(k.whole, k.lab, k.relay)

	// One message waits for its mailbox, another for a server that is down.
	publish(t, k.lab, farDomain, "A", k.outside.IPv4.String())
	k.script(t, `chmod 0 %s
printf 'Subject: waits\n\nwaits\n' | sendmail -f postmaster@%s %s
printf 'Subject: waits\n\nwaits\n' | sendmail -f %s somebody@%s`, k.home(k.away.addr), k.relay.Domain, k.away.addr, k.sender.addr, farDomain)
	until(deadline(t, stepTimeout), t, "two messages to be deferred", func() bool {
		k.queue = k.deferred(t)
		return len(strings.Fields(k.queue)) == 2
	})
	contains(t, "status", k.talk.status(t, "note   Debian"), "an upgrade to 13 keeps")
}

// deferred are the queue IDs of what waits, in their order.
func (k *fullUpgrade) deferred(t *testing.T) string {
	t.Helper()
	return k.script(t, `find /var/spool/postfix/deferred -type f -printf '%%f\n' | sort`)
}

// seen are the lines of an IMAP dialogue in which something could be lost.
var seen = regexp.MustCompile(`EXISTS$|UIDVALIDITY|UIDNEXT|^\* \d+ FETCH |^\* QUOTA |^\* METADATA `)

// picture is what a client sees of the reader's mailboxes.
func (k *fullUpgrade) picture(t *testing.T) string {
	t.Helper()
	s := k.imap(t, k.reader)
	defer s.Close()
	var b strings.Builder
	for _, command := range []string{
		"EXAMINE Archive", "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])",
		"EXAMINE INBOX", "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER])",
		"GETQUOTAROOT INBOX", "GETMETADATA INBOX (/private/devicetoken)",
	} {
		untagged, err := s.OK("%s", command)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range untagged {
			if seen.MatchString(line) {
				fmt.Fprintln(&b, line)
			}
		}
	}
	return b.String()
}

// upgrade is what an operator does. The lab has no way to the outside: the packages are
// on the relay's disk.
func (k *fullUpgrade) upgrade(t *testing.T) {
	ctx := deadline(t, 15*time.Minute)
	repository, err := debian.FullUpgrade(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	leader, err := k.relay.Leader()
	if err != nil {
		t.Fatal(err)
	}
	k.packages = "/srv/trixie"
	if err := os.CopyFS(fmt.Sprintf("/proc/%d/root%s", leader, k.packages), os.DirFS(repository)); err != nil {
		t.Fatal(err)
	}
	k.script(t, `rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:%s ./' >/etc/apt/sources.list
apt-get update`, k.packages)
	start := time.Now()
	res, err := k.relay.Exec(ctx, nil, "apt-get", "--yes", "--option=Dpkg::Options::=--force-confold", "full-upgrade")
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != 0 {
		t.Errorf("apt-get full-upgrade: exit status %d", res.Code)
	}
	if t.Failed() {
		t.Logf("%s%s", res.Stdout, res.Stderr)
	}
	t.Logf("upgraded in %v", time.Since(start).Round(time.Second))
	t.Logf("text both ways %v after", k.talk.flows(t, time.Now()))
	// Each text is there once. (A delivery that was cut off before its answer is repeated,
	// which the client knows for a double.)
	k.talk.settle(t)
}

// now has the relay be one of Debian 13 that lacks nothing.
func (k *fullUpgrade) now(t *testing.T) {
	if got := k.script(t, ". /etc/os-release; echo $VERSION_ID; dpkg --audit; "+installed); !strings.HasPrefix(got, "13\n") || !strings.HasSuffix(got, " install ok installed") {
		t.Errorf("os-release and dpkg say %q", got)
	}
	said := k.talk.status(t, "ok     Debian")
	contains(t, "status", said, "upgraded from 12", "/var/backups/chatmaild")
	for line := range strings.Lines(said) {
		// The bot's next probe is minutes away.
		if strings.HasPrefix(line, "WRONG") && !strings.HasPrefix(line, "WRONG  probe") {
			t.Errorf("status: %s", line)
		}
	}
	if out := k.script(t, "chatmaild run"); !strings.Contains(out, "nothing to do") {
		t.Errorf("run has something to do:\n%s", out)
	}
}

func (k *fullUpgrade) reboot(t *testing.T) {
	start := time.Now()
	if err := k.relay.Reboot(deadline(t, 5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Logf("rebooted in %v, text both ways after %v", time.Since(start).Round(100*time.Millisecond), k.talk.flows(t, start))
	k.talk.stop()
	k.talk.over.Wait()
	k.talk.settle(t)
	k.now(t)
	broken, err := k.relay.Broken(deadline(t, stepTimeout))
	if err != nil || broken != nil {
		t.Errorf("failed, or started more than once: %q, %v", broken, err)
	}
}

// same compares mailboxes, then has one more message come, and counts again.
func (k *fullUpgrade) same(t *testing.T) {
	if now := k.picture(t); now != k.before {
		t.Errorf("before:\n%s\nnow:\n%s", k.before, now)
	}
	k.send(t, k.submission(t, k.sender), k.sender, k.reader.addr)
	until(deadline(t, stepTimeout), t, "a new message", func() bool {
		return strings.Contains(k.picture(t), "* 5 EXISTS")
	})
	quota := "doveadm -f tab quota get -u " + k.reader.addr
	counted := k.script(t, "%s", quota)
	k.script(t, "doveadm quota recalc -u %s", k.reader.addr)
	if recounted := k.script(t, "%s", quota); recounted != counted {
		t.Errorf("quota:\n%s\nwhen counted again:\n%s", counted, recounted)
	}
}

func (k *fullUpgrade) arrives(t *testing.T) {
	if now := k.deferred(t); now != k.queue {
		t.Errorf("deferred: %q, want %q", now, k.queue)
	}
	k.script(t, "chmod 700 %s; postqueue -f", k.home(k.away.addr))
	// It is in the mailbox before Postfix knows that.
	until(deadline(t, stepTimeout), t, "what waited for its mailbox", func() bool { return k.script(t, "postqueue -j | wc -l") == "1" })
	if now := strings.Fields(k.script(t, "ls %[1]s/new %[1]s/cur | grep -v :", k.home(k.away.addr))); len(now) != 1 {
		t.Errorf("in the mailbox: %q, want one message", now)
	}
	mx, err := peer.StartMX(k.outside, farDomain)
	if err != nil {
		t.Fatal(err)
	}
	defer mx.Close()
	// The transport forgets that this host did not answer.
	k.script(t, "systemctl restart chatmaild-transport.service; chatmaild queue flush %s", farDomain)
	until(deadline(t, stepTimeout), t, "what waited for another server", func() bool { return len(mx.Received()) > 0 })
	for _, m := range mx.Received() {
		if err := verify(k.lab, m.Text, k.relay.Domain); err != nil || strings.Count(m.Text, "DKIM-Signature: ") != 1 {
			t.Errorf("what another server got: %v\n%s", err, m.Text)
		}
	}
	until(deadline(t, stepTimeout), t, "an empty queue", func() bool { return k.script(t, "postqueue -j") == "" })
	if n := len(mx.Received()); n != 1 {
		t.Errorf("another server got %d messages, want 1", n)
	}
}

// gone is what only Debian 12, or an earlier version of ours, has.
func (k *fullUpgrade) gone(t *testing.T) {
	if left := k.script(t, `find /etc/systemd/system/postfix@-.service.d /etc/dovecot/chatmaild-dict-auth.conf /run/chatmaild/doveauth.socket ! -type d 2>/dev/null || :
systemctl list-units --plain --no-legend 'postfix@*' 'chatmaild-doveauth.socket' 'chatmaild-recipients.socket'`); left != "" {
		t.Errorf("still there:\n%s", left)
	}
}

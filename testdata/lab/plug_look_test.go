package lab

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

// queuePoll is short for a delivery of what was kept, and long for counting thousands of files.
const queuePoll = 200 * time.Millisecond

// look compares what was told with what is there, once Postfix has delivered what it kept.
func (p *plug) look(t *testing.T) {
	t.Helper()
	p.lookAtLogins(t) // first: a login changes that
	p.drain(t)
	p.lookAtAccounts(t)
	p.lookAtMail(t)
	p.lookAtNotifications(t)
	p.lookAtInvites(t)
	p.lookAtChanges(t)
	p.lookAtCertificate(t)
	if broken, err := p.relay.Broken(deadline(t, stepTimeout)); err != nil || len(broken) > 0 {
		t.Errorf("units that failed: %v %v", broken, err)
	}
	// They are there; the next moments have others.
	for addr := range p.told.tokens {
		if !p.person(addr) {
			delete(p.told.tokens, addr)
		}
	}
}

// drain has Postfix deliver what it kept: those that write are faster than a delivery to a disk.
// It gives up when there is no less of it after a while, however much that is.
func (p *plug) drain(t *testing.T) {
	t.Helper()
	start, kept := time.Now(), p.queued(t)
	for left, less := kept, start; left > 0; {
		restFor(t.Context(), queuePoll)
		switch now := p.queued(t); {
		case now < left:
			left, less = now, time.Now()
		case time.Since(less) > stepTimeout:
			t.Fatalf("of %d messages that Postfix had kept, %d are not delivered: %s", kept, now, p.script(t, "postqueue -j | head -5"))
		}
	}
	t.Logf("Postfix delivered %d messages that it had kept in %v", kept, time.Since(start).Round(time.Second))
}

// queued returns how many messages Postfix has, and has it try those at once that it would try
// later. A file that may not be executed is one that it was still writing, and has told nobody of.
func (p *plug) queued(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(p.script(t, `cd /var/spool/postfix
[ -n "$(find active -type f -print -quit)" ] || postqueue -f
find maildrop incoming active deferred -type f -perm -u=x | wc -l`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// person says whether an address is of those who write.
func (p *plug) person(addr string) bool {
	return slices.ContainsFunc(p.people, func(a account) bool { return a.addr == addr })
}

// lookAtAccounts wants a password on the disk for each, before a login creates one again, and
// each token that was stored.
func (p *plug) lookAtAccounts(t *testing.T) {
	t.Helper()
	passwords := p.script(t, "find /home/vmail/mail/%s -mindepth 2 -maxdepth 2 -name password -size +0 -printf '%%h\n'", p.relay.Domain)
	for addr := range p.told.accounts {
		if !strings.Contains(passwords, addr) {
			t.Errorf("an account is lost: %s", addr)
		}
	}
	for addr, token := range p.told.tokens {
		s := p.imap(t, p.told.accounts[addr])
		if got := stored(t, s); !strings.Contains(got, token) {
			t.Errorf("a token is lost: %s", addr)
		}
		s.Close()
	}
}

// lookAtMail wants each message in its recipient's mailbox, and on his phone. One may be there
// twice: Postfix delivers again what it does not know to be on the disk, and the client drops
// what it has.
func (p *plug) lookAtMail(t *testing.T) {
	t.Helper()
	there := map[string]int{} // by Message-ID and recipient
	phones := map[string]*plugPhone{}
	for i, a := range p.people {
		s := p.imap(t, a)
		phones[a.addr] = p.phones[i]
		if err := p.phones[i].fetch(s); err != nil {
			t.Fatal(err)
		}
		n, err := s.Select()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			fields, err := s.Fetch("1:*", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range fields {
				there[messageID(field)+" "+a.addr]++
			}
		}
		s.Close()
	}
	lost, twice, unseen := 0, 0, 0
	for id, addr := range p.told.mail {
		if !phones[addr].has[id] {
			unseen++
		}
		switch n := there[id+" "+addr]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	t.Logf("of %d messages with 250 so far: %d lost, %d twice, %d not seen by a phone", len(p.told.mail), lost, twice, unseen)
	if unseen > 0 {
		t.Errorf("phones do not ask for %d messages", unseen)
	}
	if lost > 0 {
		t.Errorf("%d messages are lost", lost)
		for _, a := range p.people {
			n := 0
			for id := range there {
				if strings.HasSuffix(id, " "+a.addr) {
					n++
				}
			}
			t.Logf("%s shows %d, and has %s on the disk", a.addr, n, p.script(t, "find %s/cur %[1]s/new -type f | wc -l", p.home(a.addr)))
		}
		t.Log(p.script(t, "journalctl --no-pager --boot --unit=chatmaild-doveauth --unit=dovecot --output=cat | grep -vE 'Logged in|Disconnected|saved mail|Connect from' | head -50"))
	}
}

// lookAtNotifications wants one in the queue for each who has got a message: of several to
// the same device, one waits.
func (p *plug) lookAtNotifications(t *testing.T) {
	t.Helper()
	var report push.Report
	if err := json.Unmarshal([]byte(p.script(t, "chatmaild push status --json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Queue.Entries < len(p.told.woken) {
		t.Errorf("%d notifications are queued for %d people: %+v", report.Queue.Entries, len(p.told.woken), report.Services)
	}
}

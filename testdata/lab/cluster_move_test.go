package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
)

// TestClusterMove gives accounts other homes while two people talk all the time: one by one,
// cut off in the middle, all of a machine, and after a machine was lost. Nothing that they
// write is lost, or comes twice.
func TestClusterMove(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.start(t, deb)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	c.talk = startUnderwayOn(t, c.lab, c.machines[0])
	inTurn(t, c, []step[*several]{
		{"accounts on each machine", (*several).serve},
		{"a mailbox moves", (*several).moves},
		{"those of who talks move", (*several).movesTalkers},
		{"who takes the mailbox is killed", (*several).killedTaker},
		{"who gives it is killed", (*several).killedGiver},
		{"a move is cancelled", (*several).cancelled},
		{"drain", (*several).drains},
		{"rebalance", (*several).rebalances},
		{"lost", (*several).lost},
		{"the lost machine is back", (*several).back},
		{"what was written", (*several).settles},
		{"what is logged", (*several).logged},
	})
}

// opened is what a client sees of a mailbox.
type opened struct {
	UIDValidity, UIDs, Tokens string
}

// look opens the mailbox of addr at a machine.
func (c *several) look(t *testing.T, at *Relay, addr string) (m opened) {
	t.Helper()
	var session *imap.Client
	until(deadline(t, stepTimeout), t, addr+" to log in", func() (ok bool) {
		var err error
		session, err = c.login(t, at, addr, clusterPassword)
		return err == nil
	})
	defer session.Close()
	lines, err := session.OK("SELECT INBOX")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if _, rest, ok := strings.Cut(line, "[UIDVALIDITY "); ok {
			m.UIDValidity, _, _ = strings.Cut(rest, "]")
		}
	}
	if lines, err = session.OK("UID FETCH 1:* (FLAGS INTERNALDATE)"); err != nil {
		t.Fatal(err)
	}
	m.UIDs = strings.Join(lines, "\n")
	values, err := session.Metadata("INBOX", "/private/devicetoken")
	if err != nil {
		t.Fatal(err)
	}
	m.Tokens = values["/private/devicetoken"]
	return m
}

// on reports whether the files of a mailbox are on a machine.
func (c *several) on(t *testing.T, at *Relay, addr string) bool {
	t.Helper()
	return strings.Contains(sh(t, at, "if test -d /home/vmail/mail/"+clusterDomain+"/"+addr+"; then echo there; fi"), "there")
}

// machine is the one of that name.
func (c *several) machine(name string) *Relay { return c.machines[name[0]-'a'] }

// moves moves a mailbox with messages, of which one is seen, and a token, while a client has it
// open at another machine; a third machine is told to.
func (c *several) moves(t *testing.T) {
	addr := c.members["a"]
	for range 3 {
		c.send(t, c.machines[1], c.members["b"], addr)
	}
	c.arrives(t, c.machines[0], addr, 3)
	session, err := c.login(t, c.machines[1], addr, clusterPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.OK("SELECT INBOX"); err != nil {
		t.Fatal(err)
	}
	if _, err := session.OK(`STORE 2 +FLAGS (\Seen)`); err != nil {
		t.Fatal(err)
	}
	if err := session.SetMetadata("INBOX", "/private/devicetoken", "token-moves"); err != nil {
		t.Fatal(err)
	}
	before := c.look(t, c.machines[2], addr)
	if !strings.Contains(before.UIDs, `\Seen`) || !strings.Contains(before.Tokens, "token-moves") {
		t.Fatalf("before it moves: %+v", before)
	}
	sh(t, c.machines[0], "touch -d '3 days ago' /home/vmail/mail/"+clusterDomain+"/"+addr+"/password")
	start := time.Now()
	sh(t, c.machines[2], "chatmaild user move "+addr+" --to b")
	t.Logf("the command took %v", time.Since(start).Round(time.Millisecond))
	if _, err := session.OK("NOOP"); err == nil {
		t.Error("the session goes on")
	}
	if home := c.home(t, c.machines[1], addr); home != "b" {
		t.Errorf("its home is %q", home)
	}
	if c.on(t, c.machines[0], addr) || !c.on(t, c.machines[1], addr) {
		t.Error("the files are not where they should be")
	}
	password := sh(t, c.machines[1], "find /home/vmail/mail/"+clusterDomain+"/"+addr+"/password -mtime +1")
	if !strings.Contains(password, "password") {
		t.Error("the day of the last login has not come along")
	}
	for _, at := range c.machines {
		if after := c.look(t, at, addr); after != before {
			t.Errorf("at %s: got %+v, want %+v", at.Name, after, before)
		}
	}
	c.send(t, c.machines[0], c.members["c"], addr)
	c.arrives(t, c.machines[0], addr, 4)
	if out, err := c.machines[0].Script(deadline(t, stepTimeout), "chatmaild user move "+addr+" --to b 2>&1"); err == nil {
		t.Errorf("moved to where it is: %s", out)
	}
	sh(t, c.machines[1], "chatmaild user move "+addr+" --to a")
	if after := c.look(t, c.machines[1], addr); !strings.HasPrefix(after.UIDs, before.UIDs) || after.UIDValidity != before.UIDValidity {
		t.Errorf("back on a: got %+v, want %+v and one message more", after, before)
	}
}

// movesTalkers moves the mailboxes of the two who talk, to each machine, and at last to a and b.
func (c *several) movesTalkers(t *testing.T) {
	for i, to := range []string{"b", "c", "a", "c", "b", "a"} {
		for _, p := range []string{c.talk.alice.Addr, c.talk.bob.Addr} {
			if c.home(t, c.machines[i%3], p) == to {
				continue
			}
			sh(t, c.machines[i%3], "chatmaild user move "+p+" --to "+to)
			until(deadline(t, stepTimeout), t, "the copies to follow", func() bool { return c.home(t, c.machines[(i+1)%3], p) == to })
		}
		t.Logf("on %s: messages flow %v after the moves", to, c.talk.flows(t, time.Now()))
	}
	c.settles(t)
}

// settles wants all that was written to be there, once.
func (c *several) settles(t *testing.T) {
	c.talk.flows(t, time.Now())
	c.talk.settle(t)
	c.talk.mu.Lock()
	defer c.talk.mu.Unlock()
	t.Logf("%d and %d messages so far, 0 lost, 0 doubled", len(c.talk.sent[c.talk.alice]), len(c.talk.sent[c.talk.bob]))
}

// heavy makes a mailbox take a while to copy, and returns how many messages there are.
func (c *several) heavy(t *testing.T, at *Relay, addr string) (messages int) {
	t.Helper()
	sh(t, at, fmt.Sprintf(`cd /home/vmail/mail/%s/%s && mkdir -p cur new tmp && for i in $(seq 60); do
		{ printf 'From: x@y\r\nSubject: x\r\n\r\n'; head -c 1000000 /dev/zero | tr '\0' x; } >cur/17000000$((10+i)).M1P1.x:2,S
	done; chown -R vmail: .`, clusterDomain, addr))
	session, err := c.login(t, at, addr, clusterPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	n, err := session.Select()
	if err != nil || n < 60 {
		t.Fatalf("%d messages, %v", n, err)
	}
	return n
}

// closed waits until a machine has put a mailbox aside.
func (c *several) closed(t *testing.T, at *Relay, addr string) {
	t.Helper()
	until(deadline(t, stepTimeout), t, "the mailbox to be closed", func() bool {
		return strings.Contains(sh(t, at, "ls /home/vmail/mail/"+clusterDomain+"/.moving 2>/dev/null || true"), addr)
	})
}

// begin begins a move that cannot end, since the porter of to does not answer.
func (c *several) begin(t *testing.T, addr, from, to string) {
	t.Helper()
	sh(t, c.machine(to), "systemctl kill --signal=STOP chatmaild-porter.service")
	sh(t, c.machine(from), "systemd-run --quiet --collect --description=move --property=StandardOutput=null --property=StandardError=null --unit=move-"+to+" chatmaild user move "+addr+" --to "+to)
	c.closed(t, c.machine(from), addr)
}

// moved waits until a mailbox has all of its messages at its new home.
func (c *several) moved(t *testing.T, addr, to string, messages int) {
	t.Helper()
	until(deadline(t, stepTimeout), t, "the mailbox to be on "+to, func() bool {
		return c.home(t, c.machine(to), addr) == to
	})
	c.arrives(t, c.machine(to), addr, messages)
	for _, r := range c.machines {
		if c.on(t, r, addr) != (r == c.machine(to)) {
			t.Errorf("on %s the mailbox is there: %v", r.Name, r != c.machine(to))
		}
	}
}

// killedTaker kills the machine that a mailbox moves to, whose copy has begun; mail that comes
// meanwhile waits.
func (c *several) killedTaker(t *testing.T) {
	addr := c.members["b"]
	n := c.heavy(t, c.machines[1], addr)
	c.begin(t, addr, "b", "c")
	c.send(t, c.machines[0], c.members["a"], addr)
	if err := c.machines[2].Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.login(t, c.machines[0], addr, clusterPassword); err == nil || !strings.Contains(err.Error(), "UNAVAILABLE") {
		t.Errorf("a login meanwhile: %v", err)
	}
	if err := c.machines[2].Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	c.moved(t, addr, "c", n+1)
	c.members["b"], c.members["b2"] = c.newcomer(t, "b", "another"), addr
}

// killedGiver kills the daemon at the old home while it copies, and the machine.
func (c *several) killedGiver(t *testing.T) {
	addr := c.members["b2"] // on c
	n := 61
	c.begin(t, addr, "c", "a")
	sh(t, c.machines[2], "systemctl kill --signal=KILL chatmaild-porter.service")
	c.closed(t, c.machines[2], addr)
	if err := c.machines[2].Kill(); err != nil {
		t.Fatal(err)
	}
	sh(t, c.machines[0], "systemctl kill --signal=CONT chatmaild-porter.service")
	if err := c.machines[2].Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	c.moved(t, addr, "a", n)
}

// cancelled has a mailbox stay whose move does not end.
func (c *several) cancelled(t *testing.T) {
	addr := c.members["b2"] // on a
	c.begin(t, addr, "a", "b")
	sh(t, c.machines[2], "chatmaild user move "+addr+" --to a")
	sh(t, c.machines[1], "systemctl kill --signal=CONT chatmaild-porter.service")
	until(deadline(t, 3*stepTimeout), t, "the mailbox to be open again", func() bool { return c.on(t, c.machines[0], addr) })
	c.moved(t, addr, "a", 61)
	c.settles(t)
}

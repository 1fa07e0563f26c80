package lab

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
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
		{"what a proxy adds", (*several).proxied},
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

// proxied tells what it takes that a session is handed on: alice connects to a.
func (c *several) proxied(t *testing.T) {
	for _, home := range []string{"a", "b"} {
		if c.home(t, c.machines[0], c.talk.alice.Addr) != home {
			sh(t, c.machines[0], "chatmaild user move "+c.talk.alice.Addr+" --to "+home)
		}
		c.talk.flows(t, time.Now())
		var took []time.Duration
		for range 60 {
			start := time.Now()
			session, err := c.login(t, c.machines[0], c.members[home], clusterPassword)
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(start))
			session.Close()
		}
		t.Logf("at home on %s, by way of a: a login takes %s, a text %s", home, percentiles(took), c.pace(t, func(n int) bool { return n < 25 }))
	}
	sh(t, c.machines[0], "chatmaild user move "+c.talk.alice.Addr+" --to a")
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

// accounts returns how many accounts each machine has.
func (c *several) accounts(t *testing.T, at *Relay) map[string]int {
	t.Helper()
	var status struct {
		Machines []struct {
			Name     string
			Accounts int
		}
	}
	if err := json.Unmarshal([]byte(sh(t, at, "chatmaild cluster status --json")), &status); err != nil {
		t.Fatal(err)
	}
	homes := map[string]int{}
	for _, m := range status.Machines {
		homes[m.Name] = m.Accounts
	}
	return homes
}

// drains empties c, by a command that is killed once, and run again.
func (c *several) drains(t *testing.T) {
	c.crowd(t, *crowdSize)
	before := c.accounts(t, c.machines[1])
	if before["c"] < 50 {
		t.Fatalf("the accounts are %v", before)
	}
	b := c.machines[1]
	sh(t, b, "systemd-run --quiet --collect --unit=drain chatmaild cluster drain c")
	until(deadline(t, stepTimeout), t, "the drain to have begun", func() bool { return c.accounts(t, b)["c"] < before["c"] })
	sh(t, b, "systemctl kill --signal=KILL drain.service || true")
	quiet := c.pace(t, func(n int) bool { return n < 10 })
	start := time.Now()
	sh(t, b, "systemd-run --quiet --collect --unit=drain2 --property=StandardOutput=truncate:/run/drained chatmaild cluster drain c")
	busy := c.pace(t, func(int) bool { return sh(t, b, "systemctl is-active drain2.service || true") == "active\n" })
	out := sh(t, b, "cat /run/drained")
	t.Logf("%v, of %v accounts; a text takes %v before and %v meanwhile:\n%s", time.Since(start).Round(time.Second), before, quiet, busy, out)
	for _, part := range []string{"A and AAAA records", "cluster open c", "no mailbox is on machine c"} {
		if !strings.Contains(out, part) {
			t.Errorf("it does not say %q:\n%s", part, out)
		}
	}
	if after := c.accounts(t, b); after["c"] != 0 || after["a"]+after["b"] != before["a"]+before["b"]+before["c"] {
		t.Errorf("the accounts are %v, and were %v", after, before)
	}
	if left := strings.TrimSpace(sh(t, c.machines[2], "find /home/vmail/mail/"+clusterDomain+" -mindepth 1 -maxdepth 1 -type d -name '*@*'")); left != "" {
		t.Errorf("on c there is still %s", left)
	}
	for i := range 12 {
		addr := fmt.Sprintf("drained%02d@%s", i, clusterDomain)
		if _, err := c.login(t, c.machines[2], addr, clusterPassword); err != nil {
			t.Fatal(err)
		}
		if home := c.home(t, c.machines[2], addr); home == "c" {
			t.Error("an account is placed on c")
		}
	}
	c.settles(t)
}

// pace has one of the two who talk send texts as long as more says so, and nothing else, and
// tells how long the median and the 95th percentile of them take.
func (c *several) pace(t *testing.T, more func(n int) bool) string {
	t.Helper()
	ctx := deadline(t, 4*installTimeout)
	c.talk.quiet.Lock()
	defer c.talk.quiet.Unlock()
	pause := time.NewTicker(trafficPace)
	defer pause.Stop()
	var took []time.Duration
	for n := 0; more(n); n++ {
		start, text := time.Now(), fmt.Sprintf("%s, at %s", t.Name(), time.Now().Format(time.StampMicro))
		if err := c.talk.write(ctx, c.talk.bob, c.talk.ba, text); err != nil {
			t.Fatal(err)
		}
		_, at, err := c.talk.alice.WaitText(ctx, text)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, at.Sub(start))
		<-pause.C
	}
	return percentiles(took)
}

// percentiles are the median, the 95th percentile, and how many there are.
func percentiles(took []time.Duration) string {
	if len(took) == 0 {
		return "nothing"
	}
	slices.Sort(took)
	return fmt.Sprintf("%v / %v (%d)", took[len(took)/2].Round(time.Millisecond), took[len(took)*95/100].Round(time.Millisecond), len(took))
}

// crowdSize is how many accounts TestClusterMove has that are not used: with 10000, it shows
// how long it takes to drain a machine.
var crowdSize = flag.Int("cluster.crowd", 300, "how many accounts are on the machine that TestClusterMove drains")

// crowd makes accounts on c, each with a mailbox of a message.
func (c *several) crowd(t *testing.T, n int) {
	t.Helper()
	sh(t, c.machines[0], fmt.Sprintf(`runuser -u postgres -- psql -q chatmaild -c "INSERT INTO accounts
		SELECT 'crowd' || n || '@%s', '!x', true, 'c', '', true FROM generate_series(100000, %d) AS n"`, clusterDomain, 99999+n))
	sh(t, c.machines[2], fmt.Sprintf(`cd /home/vmail/mail/%[1]s && for n in $(seq 100000 %[2]d); do
		mkdir -p crowd$n@%[1]s/new crowd$n@%[1]s/cur crowd$n@%[1]s/tmp
		echo '!x' >crowd$n@%[1]s/password; : >crowd$n@%[1]s/enforceE2EEincoming; echo text >crowd$n@%[1]s/new/1.M1P1.x
	done; chown -R vmail: crowd*`, clusterDomain, 99999+n))
}

// rebalances lets c have accounts again, and its share of those that there are.
func (c *several) rebalances(t *testing.T) {
	a := c.machines[0]
	sh(t, a, "chatmaild cluster open c")
	before := c.accounts(t, a)
	if out := sh(t, a, "chatmaild cluster rebalance --dry-run"); !strings.Contains(out, "to c") || c.accounts(t, a)["c"] != before["c"] {
		t.Errorf("a dry run says %s, and then there are %v", out, c.accounts(t, a))
	}
	t.Log(sh(t, a, "chatmaild cluster rebalance"))
	homes := c.accounts(t, a)
	for _, n := range homes {
		if n < homes["a"]-1 || n > homes["a"]+1 {
			t.Errorf("the accounts are %v", homes)
		}
	}
	if out := sh(t, a, "chatmaild cluster rebalance"); !strings.Contains(out, "has its share") {
		t.Errorf("again: %s", out)
	}
	c.settles(t)
}

// lost gives up c, which does not come back: who was at home there has the same password, and
// an empty mailbox.
func (c *several) lost(t *testing.T) {
	for _, p := range []string{c.talk.alice.Addr, c.talk.bob.Addr} {
		if c.home(t, c.machines[0], p) == "c" {
			sh(t, c.machines[0], "chatmaild user move "+p+" --to a")
		}
	}
	b := c.machines[1]
	if out, err := b.Script(deadline(t, stepTimeout), "chatmaild cluster lost c 2>&1"); err == nil || !strings.Contains(out, "answers on port") {
		t.Errorf("a machine that answers is given up: %s", out)
	}
	c.lose = []string{c.newcomer(t, "c", "lostone"), c.newcomer(t, "c", "losttwo"), c.newcomer(t, "c", "lostlot")}
	for _, addr := range c.lose {
		c.send(t, b, c.lose[0], addr)
		c.arrives(t, b, addr, 1)
	}
	quiet := c.pace(t, func(n int) bool { return n < 20 })
	if err := c.machines[2].Kill(); err != nil {
		t.Fatal(err)
	}
	c.send(t, b, c.lose[0], c.lose[1]) // it waits
	t.Logf("a text of others takes %s before a machine dies, and %s in the minute after", quiet, c.pace(t, func(n int) bool { return n < 50 }))
	out := sh(t, b, "chatmaild cluster lost c")
	for _, part := range []string{"is given up", "A and AAAA records", "under another name"} {
		if !strings.Contains(out, part) {
			t.Errorf("it does not say %q:\n%s", part, out)
		}
	}
	if _, err := c.login(t, b, c.lose[0], "another long one"); err == nil || !strings.Contains(err.Error(), "AUTHENTICATIONFAILED") {
		t.Errorf("somebody else logs in: %v", err)
	}
	if m := c.look(t, b, c.lose[0]); m.UIDs != "" {
		t.Errorf("its mailbox is not empty: %+v", m)
	}
	sh(t, b, "postqueue -f")
	c.arrives(t, c.machines[0], c.lose[1], 1)
	c.send(t, c.machines[0], c.lose[0], c.lose[2])
	c.arrives(t, b, c.lose[2], 1)
	for _, addr := range c.lose {
		if home := c.home(t, b, addr); home == "c" {
			t.Errorf("%s is at home on c", addr)
		}
	}
	c.settles(t)
}

// newcomer makes an account that is at home on a machine.
func (c *several) newcomer(t *testing.T, home, name string) string {
	t.Helper()
	for i := range 60 {
		addr := fmt.Sprintf("%s%02d@%s", name, i, clusterDomain)
		if _, err := c.login(t, c.machine(home), addr, clusterPassword); err != nil {
			t.Fatal(err)
		}
		if c.home(t, c.machine(home), addr) == home {
			return addr
		}
	}
	t.Fatal("60 accounts, and none on " + home)
	return ""
}

// back has c boot again, with all its disk: it serves nobody of those who were at home there, and
// passes on who comes.
func (c *several) back(t *testing.T) {
	last := c.machines[2]
	if err := last.Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	for i, addr := range c.lose {
		m := c.look(t, last, addr)
		if n := strings.Count(m.UIDs, "FETCH"); n != map[int]int{0: 0, 1: 1, 2: 1}[i] {
			t.Errorf("%s at c has %d messages", addr, n)
		}
	}
	// Some have not come since.
	for i := range 5 {
		addr := fmt.Sprintf("crowd%d@%s", 99999+*crowdSize-i, clusterDomain)
		until(deadline(t, stepTimeout), t, addr+" to have a home", func() bool {
			sh(t, last, "doveadm user "+addr+" >/dev/null 2>&1 || true")
			return c.home(t, last, addr) != "c"
		})
	}
	if out, err := last.Script(deadline(t, stepTimeout), "chatmaild user move "+c.lose[0]+" --to c 2>&1"); err == nil {
		t.Errorf("a mailbox moves to c: %s", out)
	}
}

package lab

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
)

// givenUp is a cluster of which machines are given up: a, which was only cut off, and then both of
// the others that d has.
type givenUp struct {
	*faulty
	late  string // an account that d has not heard of, and a dump has
	later string // one that neither has
	dump  string
}

// TestClusterLost gives up a machine that was only cut off from the others, and then two of three,
// the writer among them, as chatmaild-cluster(7) says; all of these come back. No address is
// given to another user, and no machine serves what others have.
func TestClusterLost(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.startOf(t, deb, 4)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[1])
	inTurn(t, &givenUp{faulty: &faulty{several: c}}, []step[*givenUp]{
		{"everybody is served by each machine", func(g *givenUp, t *testing.T) { g.serve(t) }},
		{"the machine that counts is killed", func(g *givenUp, t *testing.T) { g.counterKilled(t) }},
		{"one is given up that is cut off", (*givenUp).cutOff},
		{"and is back", (*givenUp).isBack},
		{"two of three are gone", (*givenUp).twoGone},
		{"and given up", (*givenUp).goOn},
		{"and are back", (*givenUp).areBack},
		{"a backup", (*givenUp).backup},
		{"what is logged", func(g *givenUp, t *testing.T) { g.logged(t) }},
	})
}

// refused wants a command to fail, and to say something.
func (g *givenUp) refused(t *testing.T, at rune, command string, wants ...string) {
	t.Helper()
	out, err := g.machine(at).Script(deadline(t, stepTimeout), command+" 2>&1")
	if err == nil {
		t.Errorf("%s on %c: %s", command, at, out)
		return
	}
	contains(t, command, out+err.Error(), wants...)
}

// login logs in at a machine once that has an answer: Dovecot restarts when it hears that it was
// given up.
func (g *givenUp) login(t *testing.T, at *Relay, addr, password string) (session *imap.Client, err error) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	until(ctx, t, "Dovecot to answer", func() bool {
		if session, err = g.outside.IMAP(ctx, at.IPv4.String()); err != nil {
			return false
		}
		t.Cleanup(func() { session.Close() })
		err = session.Login(addr, password)
		var refused *imap.Refused
		return err == nil || errors.As(err, &refused)
	})
	return session, err
}

// thief wants what others have.
func (g *givenUp) thief(t *testing.T, at rune, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		if _, err := g.login(t, g.machine(at), addr, "what a thief has chosen"); err == nil {
			t.Errorf("at %c, %s is anybody's", at, addr)
		}
	}
}

// messages waits until an account is served at a machine, and returns how many messages it has.
func (g *givenUp) messages(t *testing.T, at rune, addr string) (n int) {
	t.Helper()
	until(deadline(t, stepTimeout), t, fmt.Sprintf("%s to be served at %c", addr, at), func() bool {
		session, err := g.login(t, g.machine(at), addr, clusterPassword)
		if err != nil {
			return false
		}
		defer session.Close()
		n, err = session.Select()
		return err == nil
	})
	return n
}

// told waits until a machine knows that it was given up.
func (g *givenUp) told(t *testing.T, at rune) {
	t.Helper()
	until(deadline(t, stepTimeout), t, fmt.Sprintf("%c to know that it is lost", at), func() bool {
		return strings.Contains(sh(t, g.machine(at), "chatmaild cluster status"), "this machine was given up")
	})
}

// cutOff has a, which is the writer, not see the others; everybody sees it. It is given up
// nevertheless, and does not know that.
func (g *givenUp) cutOff(t *testing.T) {
	addr := g.members["a"]
	g.send(t, g.machine('b'), g.members["b"], addr)
	g.arrives(t, g.machine('b'), addr, 1)
	g.rules(t, g.machine('a'), "drop", g.machines[1:]...)
	g.refused(t, 'b', "chatmaild cluster lost a", "no machine is the writer")
	sh(t, g.machine('b'), "chatmaild cluster promote")
	t.Log(sh(t, g.machine('b'), "chatmaild cluster lost a"))
	if n := g.messages(t, 'b', addr); n != 0 {
		t.Errorf("%d messages: want those gone that nobody had fetched", n)
	}
	if home := g.home(t, g.machine('b'), addr); home == "a" || home == "" {
		t.Errorf("its home is %q", home)
	}
	g.thief(t, 'b', addr)
	for range 2 {
		g.send(t, g.machine('b'), g.members["b"], addr)
	}
	g.arrives(t, g.machine('c'), addr, 2)
	// a cannot know it, and serves those at home there; but it gives no address.
	g.faulty.served(t, "a", "a")
	g.putOffAt(t, 'a', g.newcomer())
}

// isBack has a see the others again, which it still takes itself for the writer of.
func (g *givenUp) isBack(t *testing.T) {
	addr, a := g.members["a"], g.machine('a')
	session, err := g.login(t, a, addr, clusterPassword)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := session.Select(); n != 1 || err != nil {
		t.Fatalf("%d messages on a, which is cut off: want 1, %v", n, err)
	}
	start := time.Now()
	g.heal(t, a)
	g.told(t, 'a')
	t.Logf("a has heard of it after %v", time.Since(start).Round(100*time.Millisecond))
	until(deadline(t, stepTimeout), t, "the session to end", func() bool {
		_, err := session.OK("NOOP")
		return err != nil
	})
	t.Logf("the session on a has ended after %v", time.Since(start).Round(100*time.Millisecond))
	// It asks the writer now, where those are that were at home there.
	if n := g.messages(t, 'a', addr); n != 2 {
		t.Errorf("%d messages: want those two which came after a was given up", n)
	}
	g.send(t, a, g.members["b"], addr)
	g.arrives(t, a, addr, 3)
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := a.Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	for _, rejoined := range []bool{false, true} { // its PostgreSQL does not start
		if rejoined {
			sh(t, a, "chatmaild cluster rejoin")
		}
		g.told(t, 'a')
		if n := g.messages(t, 'a', addr); n != 3 {
			t.Errorf("rejoined: %t: at a there are %d messages, want 3", rejoined, n)
		}
	}
	g.thief(t, 'a', addr)
	sh(t, g.machine('b'), "chatmaild cluster remove a")
	for _, at := range "bcd" {
		until(deadline(t, stepTimeout), t, "a to be forgotten", func() bool {
			return strings.Contains(sh(t, g.machine(at), "chatmaild cluster status --json"), `"advice": []`)
		})
	}
	delete(g.members, "a")
}

// twoGone destroys b, which is the writer, and c. Before that, d did not hear of the last
// accounts.
func (g *givenUp) twoGone(t *testing.T) {
	heal := g.rules(t, g.machine('d'), "drop", g.machine('b'), g.machine('c'))
	made := func() string {
		addr := ""
		until(deadline(t, stepTimeout), t, "an account", func() bool {
			addr = g.newcomer()
			_, err := g.login(t, g.machine('b'), addr, clusterPassword)
			return err == nil
		})
		return addr
	}
	g.late = made()
	g.dump = sh(t, g.machine('c'), "chatmaild cluster dump")
	g.later = made()
	contains(t, "the dump", g.dump, g.late)
	for _, at := range "bc" {
		if err := g.machine(at).Kill(); err != nil {
			t.Fatal(err)
		}
	}
	heal()
	g.leads(t, g.machine('d'))
	d := g.machine('d')
	status := sh(t, d, "chatmaild cluster status")
	contains(t, "status", status, "if b and c are gone for good, run: chatmaild cluster lost b c")
	if strings.Contains(status, "cluster promote") {
		t.Errorf("status says\n%s", status)
	}
	contains(t, "status", sh(t, d, "! chatmaild status"), "b silent, c silent, d copy", "chatmaild cluster lost b c")
	g.faulty.served(t, "d", "d")
	g.putOffAt(t, 'd', g.newcomer())
	g.putOffAt(t, 'd', g.members["b"])
	g.putOffAt(t, 'd', g.late)
	g.refused(t, 'd', "chatmaild cluster promote", "1 of 3 machines answer", "chatmaild cluster lost b c")
	g.refused(t, 'd', "chatmaild cluster lost b", "no machine is the writer", "chatmaild cluster status")
	g.refused(t, 'd', "chatmaild cluster lost b c", "ends at 20", "--incomplete --load FILE")
	g.putOffAt(t, 'd', g.late)
}

// goOn has d go on alone, with what a dump has.
func (g *givenUp) goOn(t *testing.T) {
	d := g.machine('d')
	before := g.messages(t, 'd', g.members["d"])
	writeFile(t, d, "/root/directory.sql", 0o600, g.dump)
	start := time.Now()
	t.Log(sh(t, d, "chatmaild cluster lost b c --incomplete --load /root/directory.sql"))
	g.creates(t, "d")
	t.Logf("a new account %v after the command began", time.Since(start).Round(100*time.Millisecond))
	g.thief(t, 'd', g.late, g.members["b"], g.members["c"], g.members["d"])
	for _, addr := range []string{g.late, g.members["b"], g.members["c"]} {
		if n := g.messages(t, 'd', addr); n != 0 {
			t.Errorf("%s has %d messages", addr, n)
		}
	}
	if n := g.messages(t, 'd', g.members["d"]); n != before {
		t.Errorf("the user at home on d has %d messages, and had %d", n, before)
	}
	g.send(t, d, g.members["d"], g.members["b"])
	g.arrives(t, d, g.members["b"], 1)
	if _, err := g.login(t, d, g.later, clusterPassword); err != nil {
		t.Errorf("whose account only b and c knew: %v", err)
	}
	status := sh(t, d, "chatmaild cluster status")
	contains(t, "status", status, "chatmaild cluster remove b", "chatmaild cluster remove c")
	if strings.Contains(status, "cluster lost") || strings.Contains(status, "too few") {
		t.Errorf("status says\n%s", status)
	}
}

// areBack has b and c come back, which together are a majority of those that they know.
func (g *givenUp) areBack(t *testing.T) {
	addr := g.members["b"]
	for _, at := range "bc" {
		if err := g.machine(at).Boot(deadline(t, installTimeout)); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range "bc" {
		g.told(t, at)
		g.thief(t, at, g.members["b"], g.members["c"], g.members["d"], g.late)
		for _, old := range []string{g.members["b"], g.members["c"]} {
			if g.on(t, g.machine(at), old) {
				g.closedAt(t, at, old)
			}
		}
	}
	g.faulty.served(t, "d", "bcd")
	for _, at := range "bc" {
		sh(t, g.machine(at), "chatmaild cluster rejoin")
	}
	for _, at := range "bc" {
		if n := g.messages(t, at, addr); n != 1 {
			t.Errorf("at %c there are %d messages, want the one on d", at, n)
		}
	}
	for _, at := range "bc" {
		sh(t, g.machine('d'), fmt.Sprintf("chatmaild cluster remove %c", at))
	}
	until(deadline(t, stepTimeout), t, "d to be alone", func() bool {
		status := sh(t, g.machine('d'), "chatmaild cluster status --json")
		return strings.Count(status, `"address"`) == 1 && strings.Contains(status, `"advice": []`)
	})
	g.creates(t, "d")
}

// backup wants that of a machine to have the directory, which root alone may read.
func (g *givenUp) backup(t *testing.T) {
	dump := sh(t, g.machine('d'), `chatmaild backup /root/relay.backup && test ! -e /var/lib/chatmaild/directory.sql
mkdir /root/x && tar -C /root/x -xf /root/relay.backup && find /root/x -name 'directory.sql*' -perm /077 | grep . && exit 1
cat $(find /root/x -name directory.sql)`)
	contains(t, "the directory in a backup", dump, g.members["b"]+"\t", g.members["d"]+"\t")
}

// closedAt wants a mailbox not to be opened whose files are there: its user is put off, or passed
// on to where there is one message.
func (g *givenUp) closedAt(t *testing.T, at rune, addr string) {
	t.Helper()
	session, err := g.login(t, g.machine(at), addr, clusterPassword)
	if err != nil {
		if !strings.Contains(err.Error(), "UNAVAILABLE") {
			t.Errorf("%s at %c: %v", addr, at, err)
		}
		return
	}
	defer session.Close()
	if who := sh(t, g.machine('d'), "doveadm who -1"); !strings.Contains(who, addr) {
		t.Errorf("%s is served at %c: at d there are\n%s", addr, at, who)
	}
}

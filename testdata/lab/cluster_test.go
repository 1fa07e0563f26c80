package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/letter"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/network"
)

const (
	clusterDomain   = "_many.test"
	clusterPassword = "a long and random one"
)

// A several is one relay that is three machines, of which a has the writer of the directory
// at first, and who uses it.
type several struct {
	lab      *Lab
	machines []*Relay // a, b, c
	outside  network.Station
	people   []*core.Profile // one signed up at each machine
	pairs    []pair
	members  map[string]string // an account at home on each machine, by the machine's name
	since    int64
	talk     *underway // of whom TestClusterMove moves
	lose     []string  // accounts that were on a machine that is lost
}

// TestCluster has one relay on three machines: each serves everybody, and none is needed by
// those who are at home on another one.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.start(t, deb)
	c.outside = addStation(t, c.lab, "outside")
	inTurn(t, c, []step[*several]{
		{"sign up at each machine", (*several).signUp},
		{"converse", (*several).converse},
		{"everybody is served by each machine", (*several).serve},
		{"mail from each machine to each", (*several).mail},
		{"the client's address is known at home", (*several).clients},
		{"nobody writes in clear from outside", (*several).cleartext},
		{"one is killed", (*several).killed},
		{"the writer is away", (*several).withoutWriter},
		{"another writer", (*several).promote},
		{"the former writer is back", (*several).rejoin},
		{"what is logged", (*several).logged},
		{"new accounts are stopped on all", (*several).stopped},
		{"a destination is held on all", (*several).held},
		{"an invite is used once", (*several).invited},
		{"a user has one limit", (*several).limited},
		{"new accounts have one limit", (*several).oneSignupLimit},
		{"one echo bot", (*several).bot},
		{"a backup of the directory", (*several).saved},
		{"how many accounts there are", (*several).public},
		{"what Prometheus sees", (*several).watched},
		{"one leaves", (*several).left},
	})
}

// name is how a machine is called among the others.
func (c *several) name(i int) string { return string(rune('a' + i)) }

// start boots three machines, and makes them one relay.
func (c *several) start(t *testing.T, deb string) { c.startOf(t, deb, 3) }

// startOf is start with another number of machines.
func (c *several) startOf(t *testing.T, deb string, machines int) *Cluster {
	relay, err := c.lab.StartCluster(t.Context(), clusterDomain, deb, machines)
	c.machines = relay.Machines
	for _, r := range c.machines {
		diagnose(t, r)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, took := range relay.Joins {
		t.Logf("machine %s joined in %v", c.name(1+i), took.Round(100*time.Millisecond))
	}
	return relay
}

// leads has the relay's name lead to one machine alone.
func (c *several) leads(t *testing.T, r *Relay) {
	t.Helper()
	if err := r.TakeName(clusterDomain); err != nil {
		t.Fatal(err)
	}
}

func (c *several) signUp(t *testing.T) {
	for i, name := range []string{"alice", "bob", "carol"} {
		c.leads(t, c.machines[i])
		c.people = append(c.people, startProfile(t, c.lab, name, "DCACCOUNT:"+clusterDomain))
	}
}

func (c *several) converse(t *testing.T) {
	for _, two := range [][2]int{{0, 1}, {1, 2}, {2, 0}} {
		c.pairs = append(c.pairs, join(t, c.people[two[0]], c.people[two[1]]))
	}
	c.pairs[0].converse(t)
	for _, p := range c.pairs[1:] {
		t.Run(p.a.Name+" and "+p.b.Name, p.text)
	}
}

// login logs in at a machine.
func (c *several) login(t *testing.T, at *Relay, addr, password string) (*imap.Client, error) {
	t.Helper()
	session, err := c.outside.IMAP(deadline(t, stepTimeout), at.IPv4.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session, session.Login(addr, password)
}

// home is the machine that has a mailbox, as a machine's copy of the directory says.
func (c *several) home(t *testing.T, at *Relay, addr string) string {
	t.Helper()
	var shown struct{ Machine string }
	text := sh(t, at, "chatmaild user show --json "+addr)
	if err := json.Unmarshal([]byte(text), &shown); err != nil {
		t.Fatal(err)
	}
	return shown.Machine
}

// serve makes an account at home on each machine, each at another one, and then has each
// machine serve all of them, and refuse a wrong password.
func (c *several) serve(t *testing.T) {
	for i := 0; len(c.members) < len(c.machines); i++ {
		if i == 40 {
			t.Fatalf("40 accounts are at home on %v alone", c.members)
		}
		addr := fmt.Sprintf("member%03d@%s", i, clusterDomain)
		at := c.machines[i%len(c.machines)]
		if _, err := c.login(t, at, addr, clusterPassword); err != nil {
			t.Fatal(err)
		}
		if home := c.home(t, at, addr); home != c.name(i%len(c.machines)) {
			c.members[home] = addr
		}
	}
	for home, addr := range c.members {
		for i, at := range c.machines {
			session, err := c.login(t, at, addr, clusterPassword)
			if err != nil {
				t.Fatalf("home %s at %s: %v", home, c.name(i), err)
			}
			if _, err := session.Select(); err != nil {
				t.Errorf("home %s at %s: %v", home, c.name(i), err)
			}
			if err := session.SetMetadata("INBOX", "/private/devicetoken", "token-"+c.name(i)); err != nil {
				t.Errorf("home %s at %s: %v", home, c.name(i), err)
			}
			c.isRefused(t, at, addr, "another long one")
			here := strings.TrimSpace(sh(t, at, "if test -e /home/vmail/mail/"+clusterDomain+"/"+addr+"; then echo here; fi"))
			if (here == "here") != (home == c.name(i)) {
				t.Errorf("home %s: on %s the mailbox is %q", home, c.name(i), here)
			}
		}
	}
}

// isRefused wants a password to be called wrong. Before any "no" a machine asks the writer, and puts
// the login off when that takes too long; none succeeds meanwhile.
func (c *several) isRefused(t *testing.T, at *Relay, addr, wrong string) {
	t.Helper()
	until(deadline(t, stepTimeout), t, "a password to be refused", func() bool {
		_, err := c.login(t, at, addr, wrong)
		if err == nil {
			t.Fatalf("%s at %s: a wrong password is accepted", addr, at.Name)
		}
		return strings.Contains(err.Error(), "AUTHENTICATIONFAILED")
	})
}

// mail sends a message at each machine to whom is at home on each, by users of each.
func (c *several) mail(t *testing.T) {
	for i, at := range c.machines {
		for _, addr := range c.members {
			c.send(t, at, c.members[c.name((i+1)%3)], addr)
			c.arrives(t, c.machines[(i+2)%3], addr, 1+i)
		}
	}
}

// send sends one message, which must be accepted.
func (c *several) send(t *testing.T, at *Relay, from, to string) {
	t.Helper()
	if reply := c.trySend(t, at, from, to); !strings.HasPrefix(reply, "250") {
		t.Fatalf("from %s to %s: %s", from, to, reply)
	}
}

// trySend sends one message, and returns the reply.
func (c *several) trySend(t *testing.T, at *Relay, from, to string) string {
	t.Helper()
	smtp, err := c.outside.SMTP(deadline(t, stepTimeout), at.IPv4.String(), network.SubmissionsPort)
	if err != nil {
		t.Fatal(err)
	}
	defer smtp.Close()
	l, err := letter.New(from, to, letter.Words, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := smtp.Command("EHLO outside"); err != nil {
		t.Fatal(err)
	}
	if reply, err := smtp.Login(from, clusterPassword); err != nil || !strings.HasPrefix(reply, "235") {
		t.Fatalf("AUTH: %s, %v", reply, err)
	}
	reply, err := smtp.Send(from, to, l.Next())
	if err != nil {
		t.Fatalf("from %s to %s: %v", from, to, err)
	}
	return reply
}

// arrives waits for so many messages in a mailbox.
func (c *several) arrives(t *testing.T, at *Relay, addr string, n int) {
	t.Helper()
	session, err := c.login(t, at, addr, clusterPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	got, err := session.Select()
	for ; got < n && err == nil; got, err = session.Wait(got) {
	}
	if got != n || err != nil {
		t.Fatalf("%d messages: want %d, %v", got, n, err)
	}
}

// clients looks at home where a session comes from that another machine has handed on.
func (c *several) clients(t *testing.T) {
	for i, r := range c.machines {
		addr := c.members[c.name(i)]
		session, err := c.login(t, c.machines[(i+1)%3], addr, clusterPassword)
		if err != nil {
			t.Fatal(err)
		}
		who := sh(t, r, "doveadm who -1")
		found := slices.ContainsFunc(strings.Split(who, "\n"), func(line string) bool {
			return strings.HasPrefix(line, addr) && strings.Contains(line, c.outside.IPv4.String())
		})
		if !found {
			t.Errorf("at %s the sessions are\n%s", c.name(i), who)
		}
		session.Close()
	}
}

// cleartext has a stranger write in clear, at each machine, to a user of each: they know by the
// directory, not by their own disks, who takes encrypted mail alone.
func (c *several) cleartext(t *testing.T) {
	const (
		sealed   = "523 Encryption Needed: Invalid Unencrypted Mail"
		unsigned = "554 5.7.1 No DKIM signature found" // cleartext is let in
	)
	anybody := c.newcomer(t, "c", "anybody")
	sh(t, c.machines[0], `runuser -u postgres -- psql -Xqd chatmaild -c "UPDATE accounts SET encrypted_only = false WHERE address = '`+anybody+`'"`)
	for i, at := range c.machines {
		until(deadline(t, stepTimeout), t, "cleartext to be let in at "+c.name(i), func() bool {
			return strings.HasPrefix(c.stranger(t, at, anybody), unsigned)
		})
		for home, addr := range c.members {
			if reply := c.stranger(t, at, addr); !strings.HasPrefix(reply, sealed) {
				t.Errorf("home %s at %s: %s", home, c.name(i), reply)
			}
		}
	}
}

// stranger sends a message in clear from outside, and returns the reply.
func (c *several) stranger(t *testing.T, at *Relay, to string) string {
	t.Helper()
	const from = "carol@carol.example"
	ctx := deadline(t, stepTimeout)
	smtp := outside(ctx, t, c.outside, at.IPv4.String())
	defer smtp.Close()
	reply, err := smtp.Send(from, to, "From: <"+from+">\r\nTo: <"+to+">\r\nSubject: hello\r\n\r\nanyone can read this\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

package lab

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

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
	c.talk.flows(t, time.Now())
	quiet := c.pace(t, func(n int) bool { return n < 2*steady })
	start := time.Now()
	sh(t, b, "systemd-run --quiet --collect --unit=drain2 --property=StandardOutput=truncate:/run/drained chatmaild cluster drain c")
	busy := c.pace(t, func(int) bool { return sh(t, b, "systemctl is-active drain2.service || true") == "active\n" })
	out := sh(t, b, "cat /run/drained")
	t.Logf("%v, of %v accounts; a text takes %v before and %v meanwhile, p95 %.2f times:\n%s", time.Since(start).Round(time.Second), before, quiet, busy, busy.against(quiet), out)
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
	// Their sessions have just been ended, for the third time in two minutes: the core waits up
	// to a minute then before it connects again.
	c.talk.flows(t, time.Now())
	quiet := c.pace(t, func(n int) bool { return n < steady })
	if err := c.machines[2].Kill(); err != nil {
		t.Fatal(err)
	}
	c.send(t, b, c.lose[0], c.lose[1]) // it waits
	after := c.pace(t, func(n int) bool { return n < steady })
	t.Logf("a text of others takes %v before a machine dies, and %v in the minute after, p95 %.2f times", quiet, after, after.against(quiet))
	out := sh(t, b, "chatmaild cluster lost c")
	for _, part := range []string{"is given up", "A and AAAA records", "under another name"} {
		if !strings.Contains(out, part) {
			t.Errorf("it does not say %q:\n%s", part, out)
		}
	}
	c.isRefused(t, b, c.lose[0], "another long one")
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

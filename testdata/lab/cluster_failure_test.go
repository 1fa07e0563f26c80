package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// killed pulls the plug of c: who is at home on a and b talks on, mail for the others waits,
// and is there when c is back.
func (c *several) killed(t *testing.T) {
	last := c.machines[2]
	c.leads(t, c.machines[1])
	if err := last.Kill(); err != nil {
		t.Fatal(err)
	}
	a, b := c.members["a"], c.members["b"]
	c.send(t, c.machines[0], a, c.members["c"])
	for range 2 {
		c.send(t, c.machines[0], a, b)
		c.send(t, c.machines[1], b, a)
	}
	c.arrives(t, c.machines[0], b, 5)
	c.arrives(t, c.machines[1], a, 5)
	for _, at := range c.machines[:2] {
		until(deadline(t, stepTimeout), t, "a session for c to be put off", func() bool {
			start := time.Now()
			_, err := c.login(t, at, c.members["c"], clusterPassword)
			log := sh(t, at, "journalctl --unit=chatmaild-doveauth --since=-10s --output=cat")
			return err != nil && strings.Contains(err.Error(), "UNAVAILABLE") && time.Since(start) < 4*time.Second &&
				strings.Contains(log, "the machine that has the mailbox does not answer")
		})
	}
	if _, err := c.login(t, c.machines[1], "newcomer1@"+clusterDomain, clusterPassword); err != nil {
		t.Errorf("an account on the machines that are left: %v", err)
	}
	if home := c.home(t, c.machines[0], "newcomer1@"+clusterDomain); home == "c" {
		t.Error("it was placed on the dead machine")
	}
	if err := last.Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	until(deadline(t, stepTimeout), t, "c to be served again", func() bool {
		_, err := c.login(t, c.machines[0], c.members["c"], clusterPassword)
		return err == nil
	})
	sh(t, c.machines[0], "postqueue -f")
	c.arrives(t, c.machines[1], c.members["c"], 4)
}

// withoutWriter kills a, which is the writer: who has an account is served by the others;
// who has none is told to come again.
func (c *several) withoutWriter(t *testing.T) {
	if err := c.machines[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{1, 2} {
		for _, home := range []string{"b", "c"} {
			if _, err := c.login(t, c.machines[i], c.members[home], clusterPassword); err != nil {
				t.Errorf("home %s at %s: %v", home, c.name(i), err)
			}
		}
		if _, err := c.login(t, c.machines[i], fmt.Sprintf("newcomer%d@%s", 2+i, clusterDomain), clusterPassword); err == nil || !strings.Contains(err.Error(), "UNAVAILABLE") {
			t.Errorf("a new account without a writer: %v", err)
		}
	}
	c.send(t, c.machines[1], c.members["b"], c.members["c"])
	c.arrives(t, c.machines[1], c.members["c"], 5)
	if status := sh(t, c.machines[1], "chatmaild cluster status"); !strings.Contains(status, "run: chatmaild cluster promote") {
		t.Errorf("status says\n%s", status)
	}
	contains(t, "status", sh(t, c.machines[1], "! chatmaild status"), "a silent, b copy, c copy", "chatmaild cluster promote")
}

// promote makes another machine the writer. Which one may, the command says.
func (c *several) promote(t *testing.T) {
	start := time.Now()
	sh(t, c.machines[1], "chatmaild cluster promote")
	until(deadline(t, stepTimeout), t, "a new account", func() bool {
		_, err := c.login(t, c.machines[2], "newcomer5@"+clusterDomain, clusterPassword)
		return err == nil
	})
	t.Logf("new accounts again %v after the command began", time.Since(start).Round(time.Millisecond))
	if out, err := c.machines[2].Script(deadline(t, stepTimeout), "chatmaild cluster promote 2>&1"); err == nil {
		t.Errorf("two writers: %s", out)
	}
}

// rejoin has a come back, whose PostgreSQL does not start, since another machine is the
// writer: a serves everybody nevertheless.
func (c *several) rejoin(t *testing.T) {
	a := c.machines[0]
	if err := a.Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	if status := sh(t, a, "chatmaild cluster status"); !strings.Contains(status, "run here: chatmaild cluster rejoin") {
		t.Errorf("status says\n%s", status)
	}
	for _, addr := range []string{c.members["a"], c.members["b"], "newcomer6@" + clusterDomain} {
		if _, err := c.login(t, a, addr, clusterPassword); err != nil {
			t.Errorf("%s at the former writer: %v", addr, err)
		}
	}
	if out, err := c.machines[1].Script(deadline(t, stepTimeout), "chatmaild cluster rejoin 2>&1"); err == nil {
		t.Errorf("the writer copies another machine: %s", out)
	}
	sh(t, a, "chatmaild cluster rejoin")
	var status struct {
		Machines []struct{ Name, Role string }
		Advice   []string
	}
	until(deadline(t, stepTimeout), t, "all to be well", func() bool {
		if err := json.Unmarshal([]byte(sh(t, a, "chatmaild cluster status --json")), &status); err != nil {
			t.Fatal(err)
		}
		roles := ""
		for _, m := range status.Machines {
			roles += m.Role + " "
		}
		return len(status.Advice) == 0 && roles == "copy writer copy "
	})
	for home, addr := range c.members {
		if _, err := c.login(t, a, addr, clusterPassword); err != nil {
			t.Errorf("home %s at a: %v", home, err)
		}
	}
	if _, err := c.login(t, a, "newcomer7@"+clusterDomain, clusterPassword); err != nil {
		t.Errorf("a new account at the former writer: %v", err)
	}
	t.Run("text", c.pairs[1].text)
}

// logged looks for addresses in what all machines have logged.
func (c *several) logged(t *testing.T) {
	names := []string{c.outside.IPv4.String(), "newcomer1@", "newcomer7@"}
	for _, p := range c.people {
		names = append(names, p.Addr, p.Client.IPv4.String())
	}
	for _, addr := range c.members {
		names = append(names, addr)
	}
	for i, r := range c.machines {
		log, err := r.Run(deadline(t, stepTimeout), "journalctl", fmt.Sprintf("--since=@%d", c.since), "--output", "cat")
		if err != nil {
			t.Fatal(err)
		}
		lines := slices.Collect(strings.Lines(string(log)))
		for _, name := range names {
			if at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, name) }); at >= 0 {
				t.Errorf("%s has logged %q: %s", c.name(i), name, lines[at])
			}
		}
	}
}

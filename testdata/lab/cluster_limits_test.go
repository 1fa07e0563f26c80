package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/store/directory/placement"
)

// limited sends by each machine less than a user may at once, and by all together more.
func (c *several) limited(t *testing.T) {
	const each = 9 // max_user_send_burst_size is 10
	addr := "sender001@" + clusterDomain
	if _, err := c.login(t, c.machines[0], addr, clusterPassword); err != nil {
		t.Fatal(err)
	}
	start, sent := time.Now(), 0
	for range each {
		for _, r := range c.machines {
			switch reply := c.trySend(t, r, addr, addr); {
			case strings.HasPrefix(reply, "250"):
				sent++
			case !strings.HasPrefix(reply, "450"):
				t.Error(reply)
			}
		}
	}
	took := time.Since(start)
	t.Logf("%d of %d were accepted within %v", sent, each*len(c.machines), took.Round(100*time.Millisecond))
	if may := each + 1 + int(took/time.Second) + 1; sent > may { // one more each second
		t.Errorf("%d were accepted, want %d at most", sent, may)
	}
}

// oneSignupLimit creates accounts at one machine until that refuses more. Then all do.
func (c *several) oneSignupLimit(t *testing.T) {
	c.signups(t, c.machines, 6)
	defer c.signups(t, c.machines, 100_000)
	newcomer := 0
	refused := func(at *Relay) bool {
		newcomer++
		_, err := c.login(t, at, fmt.Sprintf("crowd%04d@%s", newcomer, clusterDomain), clusterPassword)
		return err != nil && strings.Contains(err.Error(), "from this network")
	}
	// The daemons read the file again within seconds.
	until(deadline(t, stepTimeout), t, "a to refuse more accounts", func() bool { return refused(c.machines[0]) })
	t.Logf("a has refused account %d", newcomer)
	created := 0
	for range 5 {
		for _, r := range c.machines {
			if !refused(r) {
				created++
			}
		}
	}
	if created > 1 { // one more each ten minutes
		t.Errorf("%d are created at others, or for another reason refused", created)
	}
}

// signups limits the accounts that a network may make in an hour.
func (c *several) signups(t *testing.T, machines []*Relay, most int) {
	t.Helper()
	for _, r := range machines {
		sh(t, r, fmt.Sprintf("sed -i '/^max_network_registrations_per_hour/d' %[2]s && sed -i '1i max_network_registrations_per_hour = %[1]d' %[2]s", most, configFile))
	}
}

// counter is the machine that counts what is chosen by a key.
func (c *several) counter(t *testing.T, key string) string {
	t.Helper()
	var all []placement.Machine
	for i := range c.machines {
		all = append(all, placement.Machine{Name: c.name(i), Room: 1})
	}
	name, err := placement.New(all).Home(key)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// counterKilled kills the machine that counts new accounts, and what one user sends. Meanwhile
// each of the others counts for itself: no user is refused before that, and none is free of it.
func (c *several) counterKilled(t *testing.T) {
	counts := c.counter(t, "new accounts")
	sender := ""
	for i := 0; sender == "" || c.counter(t, sender) != counts; i++ {
		sender = fmt.Sprintf("sender%03d@%s", 100+i, clusterDomain)
	}
	if _, err := c.login(t, c.machines[0], sender, clusterPassword); err != nil {
		t.Fatal(err)
	}
	var left []*Relay
	var to string // an account that can be reached meanwhile
	for i, r := range c.machines {
		if c.name(i) != counts {
			left, to = append(left, r), c.members[c.name(i)]
		}
	}
	if strings.Contains(sh(t, c.machine(counts), "runuser -u postgres -- psql -XAtc 'SELECT pg_is_in_recovery()'"), "f") {
		t.Fatalf("%s is the writer, too: without it there are no new accounts in any case", counts)
	}
	if err := c.machine(counts).Kill(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has counted, and is killed", counts)
	c.sendsAlone(t, left, sender, to)
	c.createsAlone(t, left)
	if err := c.machine(counts).Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	until(deadline(t, stepTimeout), t, "an account at the machine that counts", func() bool {
		_, err := c.login(t, c.machine(counts), "counted01@"+clusterDomain, clusterPassword)
		return err == nil
	})
}

// sendsAlone wants each machine to take a burst of one sender, and then to refuse.
func (c *several) sendsAlone(t *testing.T, machines []*Relay, sender, to string) {
	const burst = 10 // max_user_send_burst_size; one more each second
	for _, r := range machines {
		start, sent, longest := time.Now(), 0, time.Duration(0)
		for n := range 3 * burst {
			before := time.Now()
			reply := c.trySend(t, r, sender, to)
			longest = max(longest, time.Since(before))
			switch {
			case strings.HasPrefix(reply, "250"):
				sent++
			case !strings.HasPrefix(reply, "450") || n < burst:
				t.Errorf("%s refuses message %d: %s", r.Name, n, reply)
			}
		}
		took := time.Since(start)
		t.Logf("%s has accepted %d messages within %v, each within %v", r.Name, sent, took.Round(100*time.Millisecond), longest.Round(time.Millisecond))
		if may := burst + 1 + int(took/time.Second) + 1; sent > may {
			t.Errorf("%s has accepted %d, want %d at most", r.Name, sent, may)
		}
	}
}

// createsAlone wants each machine to make as many accounts as a network may have, and then to
// refuse.
func (c *several) createsAlone(t *testing.T, machines []*Relay) {
	const most = 6
	c.signups(t, machines, most)
	defer c.signups(t, machines, 100_000)
	newcomer := 0
	for _, r := range machines {
		created, longest := 0, time.Duration(0)
		until(deadline(t, stepTimeout), t, r.Name+" to refuse more accounts", func() bool {
			newcomer++
			before := time.Now()
			_, err := c.login(t, r, fmt.Sprintf("alone%04d@%s", newcomer, clusterDomain), clusterPassword)
			if err == nil {
				created++
				longest = max(longest, time.Since(before))
			}
			return err != nil && strings.Contains(err.Error(), "from this network")
		})
		if created == 0 {
			t.Errorf("%s has made none", r.Name)
		}
		t.Logf("%s has made %d accounts, each within %v", r.Name, created, longest.Round(time.Millisecond))
	}
}

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// directoryDisk is the file system that PostgreSQL of b shares with nobody, so that it can
// be full.
const directoryDisk = `unit=postgresql@$(ls /etc/postgresql)-main
systemctl stop $unit
mv /var/lib/postgresql /var/lib/postgresql.away
mkdir /var/lib/postgresql
mount -t tmpfs -o size=256m tmpfs /var/lib/postgresql
cp -aT /var/lib/postgresql.away /var/lib/postgresql
systemctl start $unit`

// fillDirectory takes each block of it, also one that comes free.
const fillDirectory = `systemd-run --quiet --unit=filler sh -c 'while :; do cat /dev/zero >>/var/lib/postgresql/filler; sleep 0.05; done 2>/dev/null'
until [ "$(df --output=avail /var/lib/postgresql | tail -n 1)" -eq 0 ]; do sleep 0.1; done`

// A faulty is a cluster with faults: what each machine serves is looked at by accounts at
// home on each, while two real clients write to each other.
type faulty struct {
	*several
	u *underway
	n int // accounts made
}

// TestClusterFaults has links between three machines fail, disks fill and a clock go wrong.
// Who is not at home behind the fault is served; nobody can take an address over; nothing
// that was written is lost, and all is well again by itself, or by what status says.
func TestClusterFaults(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.start(t, deb)
	sh(t, c.machines[1], directoryDisk)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	f := &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}
	inTurn(t, f, []step[*faulty]{
		{"everybody is served by each machine", func(f *faulty, t *testing.T) { f.serve(t) }},
		{"a link is slow", (*faulty).slowLink},
		{"the link between the writer and a copy is cut", (*faulty).cutLink},
		{"a copy's disk is full", (*faulty).fullCopy},
		{"the writer is cut off, and another one promoted", (*faulty).partition},
		{"the writer's disk is full", (*faulty).fullWriter},
		{"what is logged", func(f *faulty, t *testing.T) { f.logged(t) }},
	})
	f.u.stop()
	f.u.over.Wait()
	f.u.settle(t)
}

// rules has a machine treat what comes from others, and what goes to them, as a rule of
// nftables says, until it is healed.
func (f *faulty) rules(t *testing.T, at *Relay, rule string, others ...*Relay) (heal func()) {
	t.Helper()
	var addrs []string
	for _, r := range others {
		addrs = append(addrs, r.IPv4.String())
	}
	set := "{ " + strings.Join(addrs, ", ") + " }"
	table := fmt.Sprintf(`table ip fault {
 chain in { type filter hook input priority -10; ip saddr %s %s; }
 chain out { type filter hook output priority -10; ip daddr %s %s; }
}`, set, rule, set, rule)
	if _, err := at.InNetns(deadline(t, stepTimeout), "nft", table); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		f.heal(t, at)
	}
}

// heal undoes rules.
func (f *faulty) heal(t *testing.T, at *Relay) {
	t.Helper()
	if _, err := at.InNetns(deadline(t, stepTimeout), "nft", "delete table ip fault"); err != nil {
		t.Fatal(err)
	}
}

// served wants accounts at home on some machines to be served at others, at once.
func (f *faulty) served(t *testing.T, at, homes string) {
	t.Helper()
	for _, name := range at {
		for _, home := range homes {
			session, err := f.login(t, f.machine(name), f.members[string(home)], clusterPassword)
			if err != nil {
				t.Errorf("home %c at %c: %v", home, name, err)
				continue
			}
			if _, err := session.Select(); err != nil {
				t.Errorf("home %c at %c: %v", home, name, err)
			}
			session.Close()
		}
	}
}

// servedUntil wants them to be served, each at all others, until something is done.
func (f *faulty) servedUntil(t *testing.T, others string, done <-chan error) {
	t.Helper()
	for {
		f.served(t, others, others)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-time.After(time.Second):
		}
	}
}

func (f *faulty) machine(name rune) *Relay { return f.machines[name-'a'] }

// newcomer is an address that nobody has.
func (f *faulty) newcomer() string {
	f.n++
	return fmt.Sprintf("new%06d@%s", f.n, clusterDomain)
}

// creates waits until each of some machines makes accounts.
func (f *faulty) creates(t *testing.T, at string) {
	t.Helper()
	for _, name := range at {
		start := time.Now()
		until(deadline(t, stepTimeout), t, "a new account", func() bool {
			_, err := f.login(t, f.machine(name), f.newcomer(), clusterPassword)
			return err == nil
		})
		t.Logf("a new account at %c after %v", name, time.Since(start).Round(time.Millisecond))
	}
}

// putOffAt wants a new account to be put off, not refused and not made.
func (f *faulty) putOffAt(t *testing.T, name rune, addr string) {
	t.Helper()
	if _, err := f.login(t, f.machine(name), addr, clusterPassword); err == nil || !strings.Contains(err.Error(), "UNAVAILABLE") {
		t.Errorf("a new account at %c: got %v, want it to be put off", name, err)
	}
}

// well waits until all machines serve everybody again, and the clients' messages arrive.
func (f *faulty) well(t *testing.T, since time.Time) {
	t.Helper()
	for _, r := range f.machines {
		until(deadline(t, stepTimeout), t, "status to have no advice", func() bool {
			return !strings.Contains(sh(t, r, "chatmaild cluster status"), "chatmaild cluster ")
		})
	}
	t.Logf("status has nothing to say after %v", time.Since(since).Round(100*time.Millisecond))
	f.creates(t, "abc")
	for _, name := range "abc" {
		for _, home := range "abc" {
			until(deadline(t, stepTimeout), t, fmt.Sprintf("home %c to be served at %c", home, name), func() bool {
				_, err := f.login(t, f.machine(name), f.members[string(home)], clusterPassword)
				return err == nil
			})
		}
	}
	t.Logf("text both ways after %v", f.u.flows(t, since))
	f.u.settle(t)
}

// slowLink loses a tenth of the packets between a, the writer, and b: each is sent again,
// after 200 ms and more.
func (f *faulty) slowLink(t *testing.T) {
	heal := f.rules(t, f.machine('b'), "numgen random mod 10 0 drop", f.machine('a'))
	f.served(t, "a", "ac")
	f.served(t, "b", "bc")
	f.served(t, "c", "abc")
	f.creates(t, "ac")
	start := time.Now()
	f.creates(t, "b")
	heal()
	f.well(t, start)
}

// cutLink has a, which is the writer, and b not see each other; both see c.
func (f *faulty) cutLink(t *testing.T) {
	heal := f.rules(t, f.machine('b'), "drop", f.machine('a'))
	f.served(t, "a", "ac")
	f.served(t, "b", "bc")
	f.served(t, "c", "abc")
	f.creates(t, "ac")
	f.putOffAt(t, 'b', f.newcomer())
	start := time.Now()
	heal()
	f.well(t, start)
}

// fullCopy fills the disk of b's PostgreSQL, which is a copy.
func (f *faulty) fullCopy(t *testing.T) {
	b := f.machine('b')
	sh(t, b, fillDirectory)
	// The writer's log grows beyond what b has room for.
	sh(t, f.machine('a'), `for i in 1 2 3 4; do runuser -u postgres -- psql -qAtc "SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'chatmaild', 'x')" >/dev/null; done`)
	until(deadline(t, stepTimeout), t, "the copy to stop", func() bool {
		return sh(t, b, "grep --count 'No space left' /var/log/postgresql/* || true") != "0\n"
	})
	f.served(t, "abc", "abc")
	f.creates(t, "abc")
	start := time.Now()
	sh(t, b, "systemctl stop filler && rm /var/lib/postgresql/filler")
	f.well(t, start)
}

// partition has a, which is the writer, see neither b nor c; they see each other. An address
// that somebody asks a for meanwhile is given by b, to somebody else.
func (f *faulty) partition(t *testing.T) {
	heal := f.rules(t, f.machine('a'), "drop", f.machine('b'), f.machine('c'))
	prize := f.newcomer()
	f.putOffAt(t, 'a', prize)
	f.served(t, "a", "a")
	f.served(t, "bc", "bc")
	f.putOffAt(t, 'b', f.newcomer())
	sh(t, f.machine('b'), "chatmaild cluster promote")
	f.creates(t, "bc")
	const password = "what the other one chose"
	if _, err := f.login(t, f.machine('b'), prize, password); err != nil {
		t.Errorf("the address that a could not give: %v", err)
	}
	f.putOffAt(t, 'a', prize)
	f.putOffAt(t, 'a', f.newcomer())
	start := time.Now()
	heal()
	f.served(t, "bc", "bc")
	f.creates(t, "bc")
	if status := sh(t, f.machine('a'), "chatmaild cluster status"); !strings.Contains(status, "chatmaild cluster rejoin") {
		t.Errorf("status of the former writer says\n%s", status)
	}
	sh(t, f.machine('a'), "chatmaild cluster rejoin")
	f.well(t, start)
	for _, name := range "abc" {
		if _, err := f.login(t, f.machine(name), prize, password); err != nil {
			t.Errorf("who has the address, at %c: %v", name, err)
		}
		f.isRefused(t, f.machine(name), prize, clusterPassword)
	}
}

// fullWriter fills the disk of b's PostgreSQL, which is the writer now.
func (f *faulty) fullWriter(t *testing.T) {
	b := f.machine('b')
	sh(t, b, fillDirectory)
	until(deadline(t, stepTimeout), t, "new accounts to be put off", func() bool {
		_, err := f.login(t, f.machine('c'), f.newcomer(), clusterPassword)
		return err != nil
	})
	f.served(t, "abc", "abc")
	f.putOffAt(t, 'c', f.newcomer())
	start := time.Now()
	sh(t, b, "systemctl stop filler && rm /var/lib/postgresql/filler")
	f.well(t, start)
}

// killSettled kills a machine when all that was written has been fetched: what it still has would
// be lost with it.
func (f *faulty) killSettled(t *testing.T, r *Relay) {
	f.u.quiet.Lock()
	defer f.u.quiet.Unlock()
	f.u.settle(t)
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
}

// leftAlone kills one of two machines for good. The other one serves all, once it is told.
func (f *faulty) leftAlone(t *testing.T, left, lost rune) {
	addr, friend := f.several.newcomer(t, string(lost), "lostone"), f.several.newcomer(t, string(left), "friends")
	f.killSettled(t, f.machine(lost))
	at := f.machine(left)
	f.leads(t, at)
	f.putOffAt(t, left, f.newcomer())
	if status := sh(t, at, "chatmaild cluster status"); !strings.Contains(status, fmt.Sprintf("chatmaild cluster lost %c", lost)) {
		t.Errorf("status says\n%s", status)
	}
	start := time.Now()
	t.Log(sh(t, at, fmt.Sprintf("chatmaild cluster lost %c", lost)))
	f.creates(t, string(left))
	t.Logf("a new account %v after the command began", time.Since(start).Round(100*time.Millisecond))
	f.isRefused(t, at, addr, "what the other one chose")
	// A client would not show what is in a mailbox that it does not know.
	f.send(t, at, friend, addr)
	session, err := f.login(t, at, addr, clusterPassword)
	if err != nil {
		t.Fatalf("the user at home on the lost machine: %v", err)
	}
	if n, err := session.Select(); n != 0 || err != nil {
		t.Errorf("the mailbox that follows a lost one has %d messages before it is opened: %v", n, err)
	}
	f.arrives(t, at, addr, 1)
	sh(t, at, fmt.Sprintf("chatmaild cluster remove %c", lost))
	until(deadline(t, stepTimeout), t, "status to have no advice", func() bool {
		status := sh(t, at, "chatmaild cluster status --json")
		return strings.Contains(status, `"advice": []`) && strings.Count(status, `"address"`) == 1
	})
	t.Logf("text both ways after %v", f.u.flows(t, start))
}

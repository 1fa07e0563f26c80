package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
)

// TestClusterRestore destroys both machines of a relay, and restores it on two others, with
// other addresses, from their backups and the directory in the first of them, as chatmaild-cluster(7)
// says.
func TestClusterRestore(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.startOf(t, deb, 2)
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	r := &restored{whole: t, faulty: &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}, deb: deb, seen: map[string]opened{}}
	inTurn(t, r, []step[*restored]{
		{"backups", (*restored).backups},
		{"the first machine is restored", (*restored).first},
		{"so is the second one", (*restored).second},
		{"what is logged", func(r *restored, t *testing.T) { r.logged(t) }},
		{"the first one is lost for good", func(r *restored, t *testing.T) { r.leftAlone(t, 'b', 'a') }},
	})
	r.speak()
	r.u.stop()
	r.u.over.Wait()
	r.u.settle(t)
}

// restored is a cluster of two machines that is lost.
type restored struct {
	*faulty
	whole   *testing.T // that fails if a step does
	deb     string
	saved   [2]string // the backups, in base64
	blocked string
	late    string // an account that is newer than the directory in the first machine's backup
	seen    map[string]opened
	mute    bool // nobody writes
}

// speak lets people write to each other again.
func (r *restored) speak() {
	if r.mute {
		r.u.quiet.Unlock()
	}
	r.mute = false
}

func (r *restored) backups(t *testing.T) {
	r.serve(t)
	for home, addr := range r.members {
		r.send(t, r.machine('a'), r.members["a"], addr)
		r.arrives(t, r.machine('b'), addr, 1)
		r.seen[addr] = r.look(t, r.machine('a'), addr)
		t.Logf("%s has %+v", home, r.seen[addr])
	}
	r.blocked = r.several.newcomer(t, "b", "blocked")
	sh(t, r.machine('a'), "chatmaild user block "+r.blocked)
	r.u.flows(t, time.Now())
	r.u.quiet.Lock()
	r.mute = true
	r.u.settle(t)
	sh(t, r.machine('a'), "chatmaild backup /root/relay.backup")
	r.late = r.several.newcomer(t, "b", "latecom")
	sh(t, r.machine('b'), "chatmaild backup /root/relay.backup")
	for i, m := range r.machines {
		r.saved[i] = sh(t, m, "base64 -w0 /root/relay.backup")
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	r.machines = nil
}

// restore boots another machine, and restores the next backup on it.
func (r *restored) restore(t *testing.T) *Relay {
	i := len(r.machines)
	host := startHost(t, r.lab, "new"+r.name(i))
	at := &Relay{Host: host, Domain: clusterDomain, lab: r.lab}
	diagnose(r.whole, at)
	r.machines = append(r.machines, at)
	ctx := deadline(t, installTimeout)
	if err := at.InstallDeb(ctx, r.deb); err != nil {
		t.Fatal(err)
	}
	installPackages(ctx, t, host, debian.PostgreSQL)
	if _, err := at.Exec(ctx, strings.NewReader(r.saved[i]), "sh", "-c", "base64 -d >/root/relay.backup"); err != nil {
		t.Fatal(err)
	}
	contains(t, "restore", sh(t, at, "chatmaild restore /root/relay.backup 2>&1"), "chatmaild cluster init --load", "chatmaild join")
	return at
}

// thieves want what others have, with passwords of their own.
func (r *restored) thieves(t *testing.T, at *Relay, addrs ...string) {
	t.Helper()
	for _, addr := range addrs {
		if _, err := r.login(t, at, addr, "what a thief has chosen"); err == nil {
			t.Errorf("at %s, %s is anybody's", at.Name, addr)
		}
	}
}

func (r *restored) first(t *testing.T) {
	a := r.restore(t)
	if err := a.publishAddresses(t.Context()); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]string{
		"chatmaild cluster init": "chatmaild cluster init --load FILE",
		"chatmaild cluster init --load /var/lib/chatmaild/directory.sql":          "--address",
		"chatmaild cluster init --name z --load /var/lib/chatmaild/directory.sql": "this is machine a",
		"chatmaild cluster init --address 10.77.0.250 --load /nowhere":            "no such file",
	} {
		if out, err := a.Script(deadline(t, stepTimeout), command+" 2>&1"); err == nil || !strings.Contains(out+err.Error(), want) {
			t.Errorf("%s: %s, %v", command, out, err)
		}
	}
	start := time.Now()
	t.Log(sh(t, a, fmt.Sprintf("chatmaild cluster init --load /var/lib/chatmaild/directory.sql --address %v", a.IPv4)))
	t.Logf("restored in %v", time.Since(start).Round(100*time.Millisecond))
	r.thieves(t, a, r.members["a"], r.members["b"], r.blocked, r.u.alice.Addr, r.u.bob.Addr)
	addr := r.members["a"]
	if got := r.look(t, a, addr); got != r.seen[addr] {
		t.Errorf("got %+v, want %+v", got, r.seen[addr])
	}
	if _, err := r.login(t, a, r.members["b"], clusterPassword); err == nil || !strings.Contains(err.Error(), "UNAVAILABLE") {
		t.Errorf("whose machine is not restored yet: %v", err)
	}
	if _, err := r.login(t, a, r.newcomer(), clusterPassword); err != nil {
		t.Errorf("a new account: %v", err)
	}
	if status := sh(t, a, "chatmaild cluster status"); !strings.Contains(status, "accounts are at home on machine b, which is not in the list") || !strings.Contains(status, "chatmaild cluster lost b") {
		t.Errorf("status says\n%s", status)
	}
}

func (r *restored) second(t *testing.T) {
	b := r.restore(t)
	a := r.machine('a')
	introduce(t, b, a)
	start := time.Now()
	sh(t, b, "chatmaild join root@"+a.Name)
	t.Logf("joined in %v", time.Since(start).Round(100*time.Millisecond))
	for _, at := range r.machines {
		until(deadline(t, stepTimeout), t, "status to have no advice", func() bool {
			return strings.Contains(sh(t, at, "chatmaild cluster status --json"), `"advice": []`)
		})
		for _, addr := range r.members {
			if got := r.look(t, at, addr); got != r.seen[addr] {
				t.Errorf("at %s: got %+v, want %+v", at.Name, got, r.seen[addr])
			}
		}
		if _, err := r.login(t, at, r.late, clusterPassword); err != nil {
			t.Errorf("whose account is newer than the directory that was restored, at %s: %v", at.Name, err)
		}
		r.isRefused(t, at, r.blocked, clusterPassword)
		r.thieves(t, at, r.members["a"], r.members["b"], r.blocked, r.late, r.u.alice.Addr, r.u.bob.Addr)
	}
	r.send(t, a, r.members["a"], r.members["b"])
	r.arrives(t, a, r.members["b"], 2)
	r.speak()
	t.Logf("text both ways after %v", r.u.flows(t, time.Now()))
	r.u.settle(t)
	r.creates(t, "ab")
}

package lab

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatmaild/testdata/lab/machine"
)

// TestClusterJoin has joins break off: the command is killed, the network fails, the machine
// dies. The same command resumes it, or the one that status names cleans up; who uses the
// relay notices nothing.
func TestClusterJoin(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	relay := c.startOf(t, deb, 1)
	if err := relay.add(t.Context(), c.lab, deb); err != nil {
		t.Fatal(err)
	}
	c.machines = relay.Machines
	diagnose(t, c.machines[1])
	c.outside = addStation(t, c.lab, "outside")
	c.leads(t, c.machines[0])
	introduce(t, c.machines[1], c.machines[0])
	j := &joins{faulty: &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}}
	inTurn(t, j, []step[*joins]{
		{"the machine dies, and is given up", (*joins).givenUp},
		{"the network fails", (*joins).cutOff},
		{"the command is killed at each step", (*joins).killedCommand},
		{"it has joined", (*joins).joined},
		{"what is logged", func(j *joins, t *testing.T) { j.logged(t) }},
		{"it is lost", func(j *joins, t *testing.T) { j.leftAlone(t, 'a', 'b') }},
	})
	j.u.stop()
	j.u.over.Wait()
	j.u.settle(t)
}

// joins is a cluster that b joins, with difficulties.
type joins struct{ *faulty }

// registering makes accounts at a until it is told to end: each must be made at once.
func (j *joins) registering(t *testing.T) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var over sync.WaitGroup
	j.n++
	first := 1000 * j.n
	over.Go(func() {
		again := time.NewTicker(500 * time.Millisecond)
		defer again.Stop()
		n := 0
		for ; ctx.Err() == nil; n++ {
			session, err := j.outside.IMAP(ctx, j.machine('a').IPv4.String())
			if err == nil {
				err = session.Login(fmt.Sprintf("all%06d@%s", first+n, clusterDomain), clusterPassword)
				session.Close()
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("a new account at a: %v", err)
			}
			select {
			case <-again.C:
			case <-ctx.Done():
			}
		}
		t.Logf("%d accounts were made meanwhile", n)
	})
	return func() { cancel(); over.Wait() }
}

// The steps of join, as it says them.
const (
	admits   = "have the relay's machines know this one"
	becomes  = "make this machine what the configuration says"
	copying  = "copy the directory"
	confirms = "have this machine be one of those that confirm"
)

const joinSaid = "/root/join"

// begin starts the join on b, and returns when it has begun a step.
func (j *joins) begin(t *testing.T, step string) {
	t.Helper()
	b := j.machine('b')
	sh(t, b, "systemctl reset-failed join.service 2>/dev/null || true; rm -f "+joinSaid+"; systemd-run --quiet --collect --unit=join --property=StandardError=truncate:"+joinSaid+" --property=StandardOutput=append:"+joinSaid+" chatmaild join --name b root@"+j.machine('a').Name)
	j.reaches(t, step)
}

// reaches waits until the join has begun a step.
func (j *joins) reaches(t *testing.T, step string) {
	t.Helper()
	until(deadline(t, installTimeout), t, step, func() bool {
		said := j.said(t)
		if strings.Contains(said, step) {
			return true
		}
		if sh(t, j.machine('b'), "systemctl is-active join.service || true") == "active\n" {
			return false
		}
		if said = j.said(t); !strings.Contains(said, step) {
			t.Fatalf("join has ended before %q:\n%s", step, said)
		}
		return true
	})
}

// ended waits until the join has ended, and returns what it said.
func (j *joins) ended(t *testing.T) string {
	t.Helper()
	b := j.machine('b')
	until(deadline(t, installTimeout), t, "join to end", func() bool {
		return sh(t, b, "systemctl is-active join.service || true") != "active\n"
	})
	return j.said(t)
}

// said is what the join has said so far.
func (j *joins) said(t *testing.T) string {
	t.Helper()
	return sh(t, j.machine('b'), "cat "+joinSaid+" 2>/dev/null || true")
}

// undisturbed wants a to serve its users, and to say what to do.
func (j *joins) undisturbed(t *testing.T, known bool) {
	t.Helper()
	a := j.machine('a')
	if _, err := j.login(t, a, j.newcomer(), clusterPassword); err != nil {
		t.Errorf("a new account: %v", err)
	}
	t.Logf("text both ways after %v", j.u.flows(t, time.Now()))
	if status := sh(t, a, "chatmaild cluster status"); strings.Contains(status, "run the same command there again") != known || strings.Contains(status, "chatmaild cluster remove b") != known {
		t.Errorf("status says\n%s", status)
	}
}

// givenUp has b die while it joins. Then the relay is one machine again, by the command that
// status names.
func (j *joins) givenUp(t *testing.T) {
	defer j.registering(t)()
	a, b := j.machine('a'), j.machine('b')
	j.begin(t, becomes)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	j.undisturbed(t, true)
	sh(t, a, "chatmaild cluster remove b")
	j.undisturbed(t, false)
	if n := strings.Count(sh(t, a, "chatmaild cluster status --json"), `"address"`); n != 1 {
		t.Errorf("%d machines are in the list", n)
	}
	if err := b.Boot(deadline(t, installTimeout)); err != nil {
		t.Fatal(err)
	}
	j.undisturbed(t, false)
}

// cutOff has b not see a for a while, when it copies the directory.
func (j *joins) cutOff(t *testing.T) {
	defer j.registering(t)()
	j.begin(t, becomes)
	heal := j.rules(t, j.machine('b'), "drop", j.machine('a'))
	until(deadline(t, installTimeout), t, "join to need a", func() bool {
		said := j.said(t)
		return strings.Contains(said, copying) || sh(t, j.machine('b'), "systemctl is-active join.service || true") != "active\n"
	})
	j.undisturbed(t, true)
	said := j.ended(t)
	heal()
	if !strings.Contains(said, "run the same command again") {
		t.Errorf("join says\n%s", said)
	}
}

// killedCommand kills the command at each of its steps, and runs it again.
func (j *joins) killedCommand(t *testing.T) {
	defer j.registering(t)()
	for i, step := range []string{admits, becomes, copying, confirms} {
		j.begin(t, step)
		sh(t, j.machine('b'), "systemctl kill --signal=KILL join.service || true")
		j.ended(t)
		t.Logf("killed: %s", step)
		if i == 0 { // what runs on a may have been done, or not
			if _, err := j.login(t, j.machine('a'), j.newcomer(), clusterPassword); err != nil {
				t.Errorf("a new account: %v", err)
			}
			continue
		}
		if step != confirms {
			j.undisturbed(t, true)
		}
	}
}

// joined lets b join at last: both machines are well.
func (j *joins) joined(t *testing.T) {
	end := j.registering(t)
	j.begin(t, "is one of the 2 of")
	j.ended(t)
	end()
	for _, r := range []*machine.Host{j.machine('a').Host, j.machine('b').Host} {
		until(deadline(t, stepTimeout), t, "status to have no advice", func() bool {
			status := sh(t, r, "chatmaild cluster status --json")
			return strings.Contains(status, `"advice": []`) && strings.Contains(status, `"writer"`) && strings.Contains(status, `"copy"`)
		})
	}
	for _, at := range "ab" {
		addr := j.newcomer()
		if _, err := j.login(t, j.machine(at), addr, clusterPassword); err != nil {
			t.Errorf("a new account at %c: %v", at, err)
		}
		for _, next := range "ab" {
			j.isRefused(t, j.machine(next), addr, "what the other one chose")
		}
	}
	until(deadline(t, stepTimeout), t, "the writer to wait for b", func() bool {
		return strings.Contains(sh(t, j.machine('a'), "cat /etc/postgresql/*/main/conf.d/chatmaild.conf"), `ANY 1 ("a", "b")`)
	})
	j.u.flows(t, time.Now())
}

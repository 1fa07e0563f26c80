package lab

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// clockOff is by how much the clock of a machine is wrong: what a time zone that was taken for
// UTC makes it.
const clockOff = time.Hour

// clockAlert is the alert for that.
const clockAlert = "ChatmailClockWrong"

// TestClusterClock sets the clock of one of three machines an hour ahead and an hour back,
// which is first a copy of the directory and then its writer, while two people talk. That one
// is a virtual machine: a container has the clock of this machine.
func TestClusterClock(t *testing.T) {
	t.Parallel()
	c := &several{members: map[string]string{}, since: time.Now().Unix()}
	var deb string
	c.lab, deb = newLab(t)
	c.start(t, deb)
	c.outside = addStation(t, c.lab, "outside")
	prometheus := c.watch(t)
	b := c.machines[1]
	for _, step := range []func(context.Context) error{b.Shutdown, b.Virtualize, b.Boot} {
		if err := step(deadline(t, 2*installTimeout)); err != nil {
			t.Fatal(err)
		}
	}
	c.leads(t, c.machines[0])
	f := &faulty{several: c, u: startUnderwayOn(t, c.lab, c.machines[0])}
	w := &wrongClock{faulty: f, prometheus: prometheus}
	inTurn(t, w, []step[*wrongClock]{
		{"all clocks are right", (*wrongClock).right},
		{"a copy is ahead", func(w *wrongClock, t *testing.T) { w.off(t, clockOff) }},
		{"and right again", func(w *wrongClock, t *testing.T) { w.off(t, 0) }},
		{"a copy is behind", func(w *wrongClock, t *testing.T) { w.off(t, -clockOff) }},
		{"right, and the writer", (*wrongClock).promoted},
		{"the writer is ahead", func(w *wrongClock, t *testing.T) { w.off(t, clockOff) }},
		{"the writer is behind", func(w *wrongClock, t *testing.T) { w.off(t, -clockOff) }},
		{"and right at last", func(w *wrongClock, t *testing.T) { w.off(t, 0) }},
		{"what is logged", func(w *wrongClock, t *testing.T) { w.logged(t) }},
	})
	f.u.stop()
	f.u.over.Wait()
	f.u.settle(t)
}

// A wrongClock is a cluster of which b has a clock that is set.
type wrongClock struct {
	*faulty
	prometheus watcher
	old        string // an account on b whose messages are nearly so old that they expire
	n          int
}

func (w *wrongClock) right(t *testing.T) {
	w.serve(t)
	w.old = w.members["b"]
	w.ages(t)
	w.well(t, time.Now())
	if status := sh(t, w.machine('a'), "chatmaild cluster status"); strings.Contains(status, "clock") {
		t.Errorf("status says\n%s", status)
	}
}

// ages gives b a message that expires in two hours (delete_mails_after is 20), and one that
// expired an hour ago.
func (w *wrongClock) ages(t *testing.T) {
	sh(t, w.machine('b'), fmt.Sprintf(`cd /home/vmail/mail/%s/%s/cur
for hours in 478 481; do
	arrived=$(date -d "$hours hours ago" +%%s)
	printf 'Subject: old\n\nold\n' >$arrived.M1P$hours.relay:2,S
	touch -d @$arrived $arrived.*
	chown vmail:vmail $arrived.*
done`, clusterDomain, w.old))
}

// off sets b's clock, and looks at what must be as before.
func (w *wrongClock) off(t *testing.T, ahead time.Duration) {
	b := w.machine('b')
	start := time.Now()
	if err := b.SetClock(deadline(t, stepTimeout), ahead); err != nil {
		t.Fatal(err)
	}
	w.served(t, "ac", "ac")
	for _, name := range "abc" {
		for _, home := range "abc" {
			until(deadline(t, backTimeout), t, fmt.Sprintf("home %c to be served at %c", home, name), func() bool {
				_, err := w.login(t, w.machine(name), w.members[string(home)], clusterPassword)
				return err == nil
			})
		}
	}
	t.Logf("all are served by all after %v", time.Since(start).Round(100*time.Millisecond))
	w.creates(t, "abc")
	t.Logf("text both ways after %v", w.u.flows(t, start))
	w.taken(t)
	w.said(t, ahead)
	w.alerted(t, start, ahead)
	w.moves(t)
	w.expires(t)
	w.u.settle(t)
}

// taken wants an address that was just given to be nobody else's at any machine.
func (w *wrongClock) taken(t *testing.T) {
	for _, first := range "abc" {
		addr := w.newcomer()
		if _, err := w.login(t, w.machine(first), addr, clusterPassword); err != nil {
			t.Errorf("a new account at %c: %v", first, err)
		}
		for _, next := range "abc" {
			w.isRefused(t, w.machine(next), addr, "what the other one chose")
		}
	}
}

// said wants each machine to name b's clock, and one writer, which is the same for all.
func (w *wrongClock) said(t *testing.T, ahead time.Duration) {
	for name, r := range map[string]*Relay{"a": w.machine('a'), "b": w.machine('b'), "c": w.machine('c')} {
		status := sh(t, r, "chatmaild cluster status")
		if strings.Contains(status, "the clock of machine b is ") != (ahead != 0) || strings.Contains(status, "ahead of") != (ahead > 0) ||
			ahead != 0 && (!strings.Contains(status, "timedatectl") || !strings.Contains(status, "1h0") && !strings.Contains(status, "59m")) {
			t.Errorf("%v ahead: at %s status says\n%s", ahead, name, status)
		}
		if strings.Count(status, "writer ") != 1 {
			t.Errorf("at %s status says\n%s", name, status)
		}
	}
	if status := sh(t, w.machine('b'), "chatmaild status || true"); strings.Contains(status, "the clock of machine b") != (ahead != 0) {
		t.Errorf("%v ahead: there status says\n%s", ahead, status)
	}
}

// alerted wants the alert for b's clock to fire, and for no other one.
func (w *wrongClock) alerted(t *testing.T, since time.Time, ahead time.Duration) {
	if ahead == 0 {
		w.prometheus.clear(t, clockAlert)
		return
	}
	w.prometheus.fire(t, since, clockAlert)
	w.prometheus.scraped(t, "what it says of b", fmt.Sprintf(`count(ALERTS{alertname=%q,alertstate="firing"}) == 1 and on () ALERTS{alertname=%[1]q,alertstate="firing",machine="b"}`, clockAlert))
}

// moves gives a mailbox another home and back, which keeps what a client sees of it.
func (w *wrongClock) moves(t *testing.T) {
	addr := w.members["a"]
	w.n++
	w.send(t, w.machine('c'), w.members["c"], addr)
	w.arrives(t, w.machine('c'), addr, w.n)
	before := w.look(t, w.machine('c'), addr)
	for _, to := range []string{"b", "a"} {
		// A virtual machine that is the writer may take its time: the command can be run again.
		until(deadline(t, stepTimeout), t, "the mailbox to move", func() bool {
			_, err := w.machine('c').Script(t.Context(), "chatmaild user move "+addr+" --to "+to)
			return err == nil
		})
		until(deadline(t, stepTimeout), t, "the copies to follow", func() bool { return w.home(t, w.machine('a'), addr) == to })
		if after := w.look(t, w.machine('c'), addr); after != before {
			t.Errorf("on %s: got %+v, want %+v", to, after, before)
		}
	}
}

// expires has b delete what is old, and nothing else.
func (w *wrongClock) expires(t *testing.T) {
	b := w.machine('b')
	sh(t, b, "systemctl reset-failed chatmaild-expire.service; systemctl start chatmaild-expire.service || true")
	if left := sh(t, b, fmt.Sprintf("ls /home/vmail/mail/%s/%s/cur", clusterDomain, w.old)); !strings.Contains(left, "P478.") {
		t.Errorf("expire has left %q, want the message that may stay for two hours", left)
	}
}

// promoted sets the clock right, and has b be the writer.
func (w *wrongClock) promoted(t *testing.T) {
	w.off(t, 0)
	a := w.machine('a')
	sh(t, a, "systemctl stop postgresql@$(ls /etc/postgresql)-main")
	sh(t, w.machine('b'), "chatmaild cluster promote")
	sh(t, a, "chatmaild cluster rejoin")
	w.well(t, time.Now())
	w.ages(t)
}

package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/lab/network"
)

// backTimeout is how long a login may take after the clock was set. It is no measure
// of speed, but half of the three minutes for which Dovecot would sit it out.
const backTimeout = 90 * time.Second

// A clockProof is a relay that is a virtual machine – the containers' clock is that
// of the machine – with real clients that write to each other all the time.
type clockProof struct {
	*underway
	outside network.Station
	still   account // nobody is logged in here
	late    account // made by a login of three days ahead
}

// TestClock sets a relay's clock, ahead and back. Each time all works on, nothing is
// lost, status names the cause, and nothing is deleted before its time.
func TestClock(t *testing.T) {
	l, r := startRelay(t, "_relay.test")
	ctx := deadline(t, stepTimeout)
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Virtualize(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := r.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("up as a virtual machine after %v", time.Since(start).Round(time.Second))
	outside := addStation(t, l, "outside")
	c := &clockProof{underway: startUnderwayOn(t, l, r), outside: outside}
	c.still = c.newAccount(t)
	inTurn(t, c, []step[*clockProof]{
		{"right", (*clockProof).right},
		{"an hour ahead", func(c *clockProof, t *testing.T) { c.set(t, 61*time.Minute, "note   clock", "set 1h0") }},
		{"back from that", func(c *clockProof, t *testing.T) { c.set(t, 0, "ok     clock") }},
		{"three days ahead", (*clockProof).daysAhead},
		{"back from that, too", (*clockProof).daysBack},
	})
	c.stop()
	c.over.Wait()
	c.settle(t)
	// A message that has arrived is in the queue until it is on the disk.
	until(deadline(t, stepTimeout), t, "an empty queue", func() bool { return c.script(t, "postqueue -j") == "" })
	if broken, err := r.Broken(t.Context()); err != nil || len(broken) > 0 {
		t.Errorf("units that failed: %v %v", broken, err)
	}
}

// right is the relay before anything happens to it: status has nothing to say of
// the clock, and expire runs. One message is old, but may stay for two days.
func (c *clockProof) right(t *testing.T) {
	c.status(t, "ok     clock")
	c.script(t, fmt.Sprintf(`cd %s
arrived=$(date -d '18 days ago' +%%s)
printf 'Subject: old\n\nold\n' >cur/$arrived.M1P1.relay:2,S
chown vmail:vmail cur/*
touch -d @$arrived cur/*
systemctl start chatmaild-expire.service`, c.dir()))
	c.old(t)
	c.reloads(t)
}

// reloads does what is done after the clock was set back, and tells how long this
// machine needs for that alone.
func (c *clockProof) reloads(t *testing.T) {
	start := time.Now()
	c.script(t, `systemctl reload dovecot
postqueue -f
systemctl reload `+c.relay.PostfixUnit()+`
postqueue -f`)
	t.Logf("the servers alone have reloaded after %v", time.Since(start).Round(100*time.Millisecond))
	c.back(t, start)
	c.settle(t)
}

// back waits until a new user can log in, and what the clients write arrives.
func (c *clockProof) back(t *testing.T, since time.Time) account {
	t.Helper()
	a := c.newAccount(t)
	t.Logf("a new account after %v", time.Since(since).Round(100*time.Millisecond))
	t.Logf("text both ways %v after", c.flows(t, since))
	return a
}

// monotonic is the relay's clock that nobody can set.
func (c *clockProof) monotonic(t *testing.T) time.Duration {
	t.Helper()
	up, _, _ := strings.Cut(c.script(t, "cat /proc/uptime"), " ")
	d, err := time.ParseDuration(up + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// reacted waits until chatmaild has done what is to be done after the clock was set,
// and tells when it began.
func (c *clockProof) reacted(t *testing.T, set time.Duration) {
	t.Helper()
	var began, done time.Duration
	until(deadline(t, backTimeout), t, "chatmaild to notice", func() bool {
		moments := strings.Fields(c.script(t, `systemctl show --value \
--property=InactiveExitTimestampMonotonic --property=InactiveEnterTimestampMonotonic chatmaild-clock.service`))
		if len(moments) != 2 {
			t.Fatalf("systemd tells %q, want two moments", moments)
		}
		for i, to := range []*time.Duration{&began, &done} {
			µs, err := strconv.ParseInt(moments[i], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			*to = time.Duration(µs)*time.Microsecond - set
		}
		return began > 0 && done > began
	})
	t.Logf("noticed after %v, all done after %v", began.Round(100*time.Millisecond), done.Round(100*time.Millisecond))
}

// set sets the clock and holds that the relay works on. By how much ahead is a bit
// more than what is said of it: setting takes its time.
func (c *clockProof) set(t *testing.T, ahead time.Duration, words ...string) account {
	t.Helper()
	before := c.monotonic(t)
	start := time.Now()
	if err := c.relay.SetClock(deadline(t, stepTimeout), ahead); err != nil {
		t.Fatal(err)
	}
	a := c.back(t, start)
	c.reacted(t, before)
	c.metadata(t, a)
	c.status(t, words...)
	c.settle(t)
	return a
}

// daysAhead has expire refuse to work, and a message wait.
func (c *clockProof) daysAhead(t *testing.T) {
	c.late = c.set(t, 73*time.Hour, "note   clock", "set 3 days ahead")
	said := c.script(t, `! systemctl start chatmaild-expire.service 2>/dev/null
journalctl --no-pager --output=cat --unit=chatmaild-expire.service --lines=20`)
	contains(t, "expire", said, "set ahead by 3.0 days since the last run", "--clock-is-right")
	c.old(t)
	// Nobody can write into that mailbox until the clock is right again; and
	// queuewatch, which has a message that waits alone tried each minute, must not hide who
	// frees it.
	c.script(t, fmt.Sprintf(`systemctl stop chatmaild-queuewatch.path chatmaild-queuewatch.service
chmod 0 %s
printf 'Subject: late\n\nlate\n' | sendmail -f postmaster@_relay.test %s`, c.dir(), c.still.addr))
	waitDeferred(t, c.relay, "said: 4")
}

// daysBack has what waited arrive: it was to be tried again in three days. The day
// of a login that is yet to come is not one that expire believes; the next login
// fixes it.
func (c *clockProof) daysBack(t *testing.T) {
	c.set(t, 0, "ok     clock")
	c.script(t, "chmod 700 "+c.dir())
	until(deadline(t, backTimeout), t, "the message that waited", func() bool {
		return c.script(t, "ls "+c.dir()+"/new") != ""
	})
	c.script(t, "systemctl start chatmaild-queuewatch.path")
	s, err := c.login(deadline(t, stepTimeout), c.late)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	c.expires(t)
	c.old(t)
}

// expires holds that expire works again, and soon believes each login. A message that
// came while the clock was ahead, and that its client has not deleted, is one that it
// cannot date: it says so, and leaves it.
func (c *clockProof) expires(t *testing.T) {
	t.Helper()
	var said string
	defer func() {
		if t.Failed() {
			t.Logf("expire said:\n%s", said)
		}
	}()
	until(deadline(t, stepTimeout), t, "expire to believe each login", func() bool {
		said = c.script(t, `systemctl reset-failed chatmaild-expire.service
systemctl start chatmaild-expire.service 2>/dev/null || systemctl reset-failed chatmaild-expire.service
journalctl --no-pager --output=cat _SYSTEMD_INVOCATION_ID=$(systemctl show --property=InvocationID --value chatmaild-expire.service)`)
		return strings.Contains(said, "expiry finished") && !strings.Contains(said, "dating the last login")
	})
	for line := range strings.Lines(said) {
		if !strings.Contains(line, "doing=") {
			continue
		}
		t.Logf("%sof a time to come: %s", line, c.script(t, "find /home/vmail/mail -type f -newermt '1 hour' -ls"))
		if !strings.Contains(line, "dating a message") {
			t.Errorf("expire cannot work: %s", line)
		}
	}
}

// old holds that the old message is still there.
func (c *clockProof) old(t *testing.T) {
	t.Helper()
	if found := strings.Fields(c.script(t, "ls "+c.dir()+"/cur")); len(found) != 1 {
		t.Errorf("in the mailbox: %q, want the old message", found)
	}
}

func (c *clockProof) dir() string { return "/home/vmail/mail/_relay.test/" + c.still.addr }

// newAccount makes an account by its first login.
func (c *clockProof) newAccount(t *testing.T) account {
	t.Helper()
	a := account{addr: strings.ToLower(rand.Text()[:9]) + "@" + c.relay.Domain, password: rand.Text()[:22]}
	ctx := deadline(t, backTimeout)
	var err error
	until(ctx, t, "a login", func() bool {
		var s *imap.Client
		if s, err = c.login(ctx, a); err == nil {
			s.Close()
		}
		return err == nil
	})
	return a
}

func (c *clockProof) login(ctx context.Context, a account) (*imap.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, backTimeout/3)
	defer cancel()
	s, err := c.outside.IMAP(ctx, c.relay.Domain)
	if err != nil {
		return nil, err
	}
	if err = s.Login(a.addr, a.password); err == nil {
		_, err = s.Select()
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// metadata stores a token to notify, and gets it back.
func (c *clockProof) metadata(t *testing.T, a account) {
	t.Helper()
	s, err := c.login(deadline(t, stepTimeout), a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	token := rand.Text()
	if _, err := s.OK(`SETMETADATA INBOX (/private/devicetoken "%s")`, token); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, s); !strings.Contains(got, token) {
		t.Errorf("got the tokens %q, want %s", got, token)
	}
}

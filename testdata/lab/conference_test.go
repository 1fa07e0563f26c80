package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/auth"
	"chatmaild/testdata/kit/smtp"
	"chatmaild/testdata/lab/network"
)

const (
	hallPhones  = 500
	hallTimeout = 10 * time.Minute // what the people in the hall put up with
	atOnce      = 50               // logins that the test has under way
	again       = 2 * time.Second  // until a person who is told to try later taps again

	networkAccounts = 1500 // the default of max_network_registrations_per_day
)

// What a phone is told.
var (
	manyOnRelay     = auth.RelayRate.Message()
	manyFromNetwork = auth.NetworkRate.Message()
)

// A conference is a hall full of phones behind one address. Each is a light client: so many
// cores would not fit on this machine.
type conference struct {
	proof
	phones [hallPhones]phone
}

type phone struct {
	account
	inbox  *imap.Client
	outbox *smtp.Client
}

// TestConference is the proof, on a relay with all defaults, that a hall full of people
// gets in through one address and a script does not get in without end, and that a user
// with many contacts can tell all of them about a new key.
func TestConference(t *testing.T) {
	c := &conference{}
	c.lab, c.relay = startRelay(t, "_conference.test")
	c.outside = addStation(t, c.lab, "hall")
	inTurn(t, c, []step[*conference]{
		{"all sign up", (*conference).signUp},
		{"all write to each other", (*conference).write},
		{"key updates", (*conference).keyUpdates},
		{"a script is stopped", (*conference).flood},
		{"a phone says why", (*conference).phoneSaysWhy},
	})
}

// each has all phones do the same, some of them at once.
func (c *conference) each(t *testing.T, do func(n int, p *phone) error) {
	t.Helper()
	turn := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for n := range c.phones {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			if err := do(n, &c.phones[n]); err != nil {
				t.Errorf("phone %d: %v", n, err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// signUp has each phone create its account, and stay connected.
func (c *conference) signUp(t *testing.T) {
	ctx := deadline(t, hallTimeout)
	connected := deadline(t, 2*hallTimeout) // for the steps that follow
	var putOff atomic.Int64
	start := time.Now()
	c.each(t, func(_ int, p *phone) (err error) {
		p.account = c.stranger()
		for {
			p.inbox, err = c.logIn(connected, c.relay.IPv4, p.account)
			if err == nil {
				_, err = p.inbox.Select()
				return err
			}
			if !strings.Contains(err.Error(), manyOnRelay) {
				return err
			}
			putOff.Add(1)
			select {
			case <-ctx.Done():
				return err
			case <-time.After(again):
			}
		}
	})
	t.Logf("%d phones were in after %v; %d times one was told to try later", hallPhones, time.Since(start).Round(time.Second), putOff.Load())
}

// stranger is an account that does not exist yet.
func (c *conference) stranger() account {
	return account{addr: strings.ToLower(rand.Text()[:9]) + "@" + c.relay.Domain, password: rand.Text()[:22]}
}

// logIn opens an IMAP session of an account, which the first one creates.
func (c *conference) logIn(ctx context.Context, relay netip.Addr, a account) (*imap.Client, error) {
	s, err := c.outside.IMAP(ctx, relay.String())
	if err != nil {
		return nil, err
	}
	if err := s.Login(a.addr, a.password); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// write has each phone send a message to the next one. All keep the connection that they
// sent on, as the real client does.
func (c *conference) write(t *testing.T) {
	ctx := deadline(t, hallTimeout)
	var mails [hallPhones]string
	for n := range c.phones {
		mails[n] = sealed(t, c.phones[n].addr)
	}
	start := time.Now()
	c.each(t, func(n int, p *phone) (err error) {
		if p.outbox, err = c.outside.SMTP(ctx, c.relay.IPv4.String(), network.SubmissionsPort); err != nil {
			return err
		}
		if reply, err := p.outbox.Command("EHLO phone.test"); err != nil || reply[:3] != "250" {
			return fmt.Errorf("EHLO: %s, %v", reply, err)
		}
		if reply, err := p.outbox.Login(p.addr, p.password); err != nil || reply[:3] != "235" {
			return fmt.Errorf("login: %s, %v", reply, err)
		}
		if reply, err := p.outbox.Send(p.addr, c.phones[(n+1)%hallPhones].addr, mails[n]); err != nil || reply[:3] != "250" {
			return fmt.Errorf("sending: %s, %v", reply, err)
		}
		return nil
	})
	t.Logf("%d phones had sent after %v; what that takes on the relay: %s", hallPhones, time.Since(start).Round(time.Millisecond), c.script(t,
		`for program in filtermail-out smtpd imap imap-login; do
	pgrep -x $program | sed 's|.*|/proc/&/smaps_rollup|' | xargs -r grep -h ^Pss: |
		awk -v program=$program '{ n++; kib += $2 } END { printf "%%d %%s with %%d MiB of PSS, ", n, program, kib/1024 }'
done`))
	c.each(t, func(_ int, p *phone) error {
		_, err := p.inbox.Wait(0)
		return err
	})
	t.Logf("each had the other's message after %v", time.Since(start).Round(time.Millisecond))
	for n := range c.phones {
		c.phones[n].outbox.Close()
	}
}

// What the core sends when a user's relays change: a message for 200 contacts, and for as
// many of their addresses as the relay takes recipients (chatmail/core, #8621).
const (
	contacts        = 1400
	contactsAtOnce  = 200
	addressesAtOnce = 1000
)

// keyUpdates has a user with many contacts tell all of them about a new key, twice: each of
// them once, and then as many of their addresses as fit into a message.
func (c *conference) keyUpdates(t *testing.T) {
	ctx := deadline(t, hallTimeout)
	sender, all := c.phones[0].account, make([]string, contacts)
	for i := range all {
		all[i] = fmt.Sprintf("contact%04d@%s", i, c.relay.Domain)
	}
	c.script(t, `cd /home/vmail/mail/%s
umask 077
set -- %s
for addr; do echo $addr/cur $addr/new $addr/tmp; done | xargs mkdir -p
password=$(cat %s/password)
for addr; do printf %%s "$password" >$addr/password; done
chown -R vmail:vmail "$@"`, c.relay.Domain, strings.Join(all, " "), sender.addr)
	there, err := c.relay.WatchMail(all...)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	s := c.submission(t, sender)
	expected := 0
	send := func(to []string) {
		t.Helper()
		if reply, err := s.SendAll(sender.addr, to, sealed(t, sender.addr)); err != nil || reply[:3] != "250" {
			t.Fatalf("to %d recipients: %s, %v", len(to), reply, err)
		}
		expected += len(to)
	}
	arrived := func(what string, since time.Time) {
		t.Helper()
		until(ctx, t, what, func() bool { return there.Count() >= expected })
		t.Logf("%s: %d copies had arrived after %v", what, expected, time.Since(since).Round(time.Millisecond))
	}
	start := time.Now()
	for chunk := range slices.Chunk(all, contactsAtOnce) {
		send(chunk)
	}
	t.Logf("%d messages were accepted after %v", contacts/contactsAtOnce, time.Since(start).Round(time.Millisecond))
	arrived("one address of each contact", start)
	start = time.Now()
	send(all[:addressesAtOnce])
	send(all[contacts-addressesAtOnce:])
	arrived("a thousand recipients, twice", start)

	// A user who sends without end is slowed down, and gets on once he waits.
	mail, refused := sealed(t, sender.addr), 0
	for range 50 {
		reply, err := s.Send(sender.addr, all[0], mail)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(reply, "450 4.7.1: Too much mail") {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Error("a user can send 50 messages at once")
	}
	until(ctx, t, "the user to be let go on", func() bool {
		reply, err := s.Send(sender.addr, all[0], mail)
		if err != nil {
			t.Fatal(err)
		}
		return reply[:3] == "250"
	})
}

// flood has a script in the hall create accounts until it is told to stop. That all
// accounts of the relay have a limit in a minute, too, is not what stops it here.
func (c *conference) flood(t *testing.T) {
	c.script(t, `echo max_registrations_per_minute = 100000 >>%s`, configFile)
	ctx := deadline(t, hallTimeout)
	var made atomic.Int64
	var scripts sync.WaitGroup
	for range atOnce / 2 {
		scripts.Go(func() {
			for {
				s, err := c.logIn(ctx, c.relay.IPv4, c.stranger())
				switch {
				case err == nil:
					s.Close()
					made.Add(1)
				case strings.Contains(err.Error(), manyOnRelay): // until doveauth has read the file
				case strings.Contains(err.Error(), manyFromNetwork):
					return
				default:
					t.Errorf("after %d accounts: %v", made.Load(), err)
					return
				}
			}
		})
	}
	scripts.Wait()
	if got := hallPhones + int(made.Load()); got != networkAccounts {
		t.Errorf("%d accounts were made, want %d", got, networkAccounts)
	}
	// Those who are in stay in, and other networks, such as that of IPv6, are let in.
	for network, a := range map[netip.Addr]account{c.relay.IPv4: c.phones[0].account, c.relay.IPv6: c.stranger()} {
		if s, err := c.logIn(ctx, network, a); err != nil {
			t.Errorf("by %v: %v", network, err)
		} else {
			s.Close()
		}
	}
}

// phoneSaysWhy has the real client sign up in the hall, which has no IPv6, where nobody
// else gets in.
func (c *conference) phoneSaysWhy(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	c.lab.Zone.Remove(c.relay.Domain, "AAAA")
	_, err := startClient(t, c.lab, "late").SignUp(ctx, "late", c.relay.SignUpQR())
	if err == nil || !strings.Contains(err.Error(), manyFromNetwork) {
		t.Fatalf("got %v, want %q", err, manyFromNetwork)
	}
	t.Log(err)
}

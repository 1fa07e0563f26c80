// These tests try idle/instant_idle.c with the machine's own Dovecot.

package dovecot_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// hibernateAfter is imap_hibernate_timeout, which is in whole seconds.
const hibernateAfter = time.Second

// TestInstantIdle shows that a preloaded imap process reports new mail without
// Dovecot's wait of half a second.
func TestInstantIdle(t *testing.T) {
	d := start(t, compile(t))
	best := time.Hour
	for i := range 5 {
		c := d.idle(t, fmt.Sprintf("instant%d", i))
		sent := time.Now()
		d.deliver(t, c.user)
		if !c.hears(t) {
			t.Fatal("new mail was not reported")
		}
		best = min(best, time.Since(sent))
	}
	if best >= 500*time.Millisecond {
		t.Errorf("the fastest report of 5 took %v, as if nothing were preloaded", best)
	}
	t.Logf("fastest report of 5: %v", best)
}

// TestHibernationBoundary delivers while the imap process is held, until its time
// to hibernate has come: when it continues, it finds both to do at once. Dovecot
// alone hibernates and forgets the mail; preloaded it must not.
func TestHibernationBoundary(t *testing.T) {
	for _, test := range []struct {
		name, library string
		loses         bool
	}{
		{"stock", "", true},
		{"preloaded", compile(t), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := start(t, test.library)
			for i := range 3 {
				c := d.idle(t, fmt.Sprintf("boundary%d", i))
				imap := d.imapProcess(t)
				await(t, "the session to wait", func() bool { return waits(imap) })
				signal(t, imap, syscall.SIGSTOP)
				d.deliver(t, c.user)
				time.Sleep(hibernateAfter + 100*time.Millisecond) // its clock runs on
				signal(t, imap, syscall.SIGCONT)
				heard := c.hears(t)
				if !heard && !test.loses {
					t.Error("new mail woke nobody")
				}
				if heard && test.loses {
					t.Log("this Dovecot keeps the mail by itself: instant_idle.c need not")
				}
				c.conn.Close()
			}
		})
	}
}

// TestHibernates shows that a session without news hibernates still, and that mail
// wakes it. It has waited for the mailbox's lock before, as each does at some time:
// meanwhile it watched that by another inotify descriptor, whose number is that of
// some file later on.
func TestHibernates(t *testing.T) {
	d := start(t, compile(t))
	c := d.idle(t, "sleeper")
	for range 4 {
		d.waitsForLock(t, c)
	}
	await(t, "the session's hibernation", func() bool { return d.sessions(t) == 0 })
	d.deliver(t, c.user)
	if !c.hears(t) {
		t.Error("new mail did not wake a hibernated session")
	}
}

// TestLooksAgain delivers a message that leaves the directory's time as it was at the
// look before, as one does that comes in the same tick of the kernel's clock.
// Dovecot does not see it then; preloaded it looks again, in IDLE and after one
// that began later.
func TestLooksAgain(t *testing.T) {
	d := start(t, compile(t))
	for _, test := range []struct {
		name    string
		between func(*client) // the message and the next look
	}{
		{"in IDLE", func(*client) {}},
		{"before IDLE", func(c *client) {
			fmt.Fprint(c.conn, "DONE\r\nd IDLE\r\n")
			if !c.reads(t, "+ idling", idleTimeout) {
				t.Fatal("the session does not idle again")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := d.idle(t, "again"+test.name[:2])
			d.deliver(t, c.user)
			if !c.hears(t) {
				t.Fatal("new mail was not reported")
			}
			imap := d.imapProcess(t)
			await(t, "the session to wait", func() bool { return waits(imap) })
			signal(t, imap, syscall.SIGSTOP)
			d.deliverUnseen(t, c.user)
			signal(t, imap, syscall.SIGCONT)
			test.between(c)
			if !c.hears(t) {
				t.Error("a message was not reported")
			}
			c.conn.Close()
			await(t, "the session's end", func() bool { return d.sessions(t) == 0 })
		})
	}
}

// TestHibernatesSoon has a session hibernate without another look where nothing has changed for
// seconds: it would take two more.
func TestHibernatesSoon(t *testing.T) {
	d := start(t, compile(t))
	first := d.idle(t, "quiet") // makes the mailbox
	await(t, "the first session's hibernation", func() bool { return d.sessions(t) == 0 })
	first.conn.Close()
	await(t, "the mailbox to be old", func() bool {
		info, err := os.Stat(filepath.Join(d.dir, "mail", "quiet", "cur"))
		return err == nil && time.Since(info.ModTime()) > 4*time.Second
	})
	started := time.Now()
	c := d.idle(t, "quiet")
	await(t, "the session's hibernation", func() bool { return d.sessions(t) == 0 })
	t.Logf("it hibernated after %v", time.Since(started))
	d.deliver(t, c.user)
	if !c.hears(t) {
		t.Error("new mail did not wake the session")
	}
}

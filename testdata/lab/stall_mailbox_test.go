package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowMessages are as many as would keep all of Postfix's deliveries busy, if one mailbox
// could have them.
const slowMessages = 60

// slowMailbox has the hostile machine write to a mailbox to which nothing can be
// delivered for a while. Other mailboxes have their mail as soon as if it were not there,
// and once it can be written to, it has all of its own.
func (s *stall) slowMailbox(t *testing.T) {
	slow := startProfile(t, s.lab, "slow", s.b.SignUpQR())
	unlock := s.lockIndex(t, slow.Addr)
	waiting := func() int {
		queue, err := s.b.Run(deadline(t, stepTimeout), "postqueue", "-j")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(queue, slow.Addr)
	}
	s.beside(t, "a mailbox that cannot be written to", s.arrive, func() bool { return waiting() == slowMessages }, func(ctx context.Context, n int) {
		if n != 0 {
			<-ctx.Done()
			return
		}
		c, err := s.connect(ctx, s.hostile)
		if err != nil {
			restFor(ctx, stallPoll) // those of an earlier step may not be over yet
			return
		}
		defer func() { <-ctx.Done() }()
		defer c.Close()
		for range slowMessages {
			text := s.signer.sign(t, encryptedFrom(t, s.signer.author), nil)
			if got, err := c.Send(s.signer.author, slow.Addr, text); err != nil || !strings.HasPrefix(got, "250 ") {
				t.Errorf("mail to the slow mailbox got %q, %v", got, err)
				return
			}
		}
	})
	if n := waiting(); n != slowMessages {
		t.Errorf("%d of %d messages still wait for the slow mailbox: the others may have waited for it", n, slowMessages)
	}
	unlock()
	ctx := deadline(t, partTimeout)
	for waiting() > 0 {
		restFor(ctx, stallPoll)
		if ctx.Err() != nil {
			t.Fatalf("%d messages still wait for a mailbox that can be written to", waiting())
		}
	}
}

// lockIndex locks the index of a mailbox as Dovecot's own processes do, which then wait
// for it up to three minutes (MAIL_TRANSACTION_LOG_LOCK_TIMEOUT of lib-index).
func (s *stall) lockIndex(t *testing.T, addr string) (unlock func()) {
	t.Helper()
	leader, err := s.b.Leader()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(fmt.Sprintf("/proc/%d/root/home/vmail/mail/%s/%s/dovecot.index.log", leader, s.b.Domain, addr), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	if err := unix.FcntlFlock(log.Fd(), unix.F_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	return func() { log.Close() }
}

// arrive is deliver, until the mail is in the mailbox.
func (s *stall) arrive(ctx context.Context, t *testing.T) []time.Duration {
	t.Helper()
	mail, err := s.b.WatchMail(s.bob.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	c, err := s.connect(ctx, s.honest)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var took []time.Duration
	for range honestMessages {
		text := s.signer.sign(t, encryptedFrom(t, s.signer.author), nil)
		start := time.Now()
		if got, err := c.Send(s.signer.author, s.bob.Addr, text); err != nil || !strings.HasPrefix(got, "250 ") {
			t.Fatalf("the honest machine got %q, %v", got, err)
		}
		at, err := mail.After(ctx, s.bob.Addr, start)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, at.Sub(start))
	}
	slices.Sort(took)
	return took
}

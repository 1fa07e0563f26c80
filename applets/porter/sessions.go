package porter

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"chatmaild/auth/mailaddr"
)

// sessions are those that are open in the Dovecot of this machine.
type sessions interface {
	// end ends those of addr that have begun before the call.
	end(ctx context.Context, addr mailaddr.Address) error
	// endKnown ends those that had begun a moment before the call; some may go on.
	endKnown(ctx context.Context, addr mailaddr.Address) error
}

// dovecot is the Dovecot of this machine. Callers that ask for sessions while it lists them share
// the next list: doveadm reads all of them in any case, for one user, too. And it reads the
// configuration first, so that a list takes more of a processor than the rest of a move.
type dovecot struct {
	who  func(ctx context.Context) (users map[string]bool, err error)
	kick func(ctx context.Context, user string) error

	mu      sync.Mutex
	next    *listing
	last    *listing // the one that was begun last
	running bool
}

// recent is how old a list may be that a moment ago is known by.
const recent = time.Second

// listing is a list of who has a session, and who waits for it.
type listing struct {
	begun time.Time
	over  chan struct{}
	users map[string]bool
	err   error
}

func newDovecot() *dovecot { return &dovecot{who: who, kick: kick} }

// end implements sessions. Those that hibernate are ended by Dovecot 2.4 alone; with 2.3 they end
// when they are woken, since the mailbox is not there any more.
func (d *dovecot) end(ctx context.Context, addr mailaddr.Address) error {
	return d.endOf(ctx, d.join(), addr)
}

// endKnown implements sessions.
func (d *dovecot) endKnown(ctx context.Context, addr mailaddr.Address) error {
	d.mu.Lock()
	list := d.last
	d.mu.Unlock()
	if list == nil || time.Since(list.begun) > recent {
		list = d.join()
	}
	return d.endOf(ctx, list, addr)
}

// endOf ends the sessions of addr that are on a list.
func (d *dovecot) endOf(ctx context.Context, list *listing, addr mailaddr.Address) error {
	select {
	case <-list.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	if list.err != nil || !list.users[addr.String()] {
		return list.err
	}
	return d.kick(ctx, addr.String())
}

// join returns the next list to be made.
func (d *dovecot) join() *listing {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == nil {
		d.next = &listing{over: make(chan struct{})}
	}
	if !d.running {
		d.running = true
		go d.run()
	}
	return d.next
}

// run makes lists as long as a caller waits for one.
func (d *dovecot) run() {
	for {
		d.mu.Lock()
		list := d.next
		d.next = nil
		d.running = list != nil
		if list != nil {
			list.begun = time.Now()
			d.last = list
		}
		d.mu.Unlock()
		if list == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), doveadmTimeout)
		list.users, list.err = d.who(ctx)
		cancel()
		close(list.over)
	}
}

// doveadmTimeout is how long doveadm may take.
const doveadmTimeout = 10 * time.Second

// who lists who has a session: doveadm prints a line for each, which begins with the user.
func who(ctx context.Context) (map[string]bool, error) {
	out, err := exec.CommandContext(ctx, "doveadm", "who", "-1").Output()
	if err != nil {
		return nil, fmt.Errorf("doveadm who: %w", err)
	}
	users := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		user, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		users[string(user)] = true
	}
	return users, nil
}

// notFound is the exit status with which doveadm says that there was no session
// (EX_NOUSER of sysexits.h).
const notFound = 68

// kick ends the sessions of a user.
func kick(ctx context.Context, user string) error {
	ctx, cancel := context.WithTimeout(ctx, doveadmTimeout)
	defer cancel()
	err := exec.CommandContext(ctx, "doveadm", "kick", user).Run()
	if status, ok := errors.AsType[*exec.ExitError](err); ok && status.ExitCode() == notFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("doveadm kick: %w", err) // what it says names the user
	}
	return nil
}

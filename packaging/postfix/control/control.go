// Package control has Postfix do what an administrator does: accept no more mail, hold
// and retry what is queued, and tell what that is. It is the only place that runs
// Postfix's own programs: postconf(1), postfix(1), postqueue(1) and postsuper(1).
//
// The queue is read by "postqueue -j", which also works while Postfix is down. The job
// queuewatch, which must not start a program every few seconds, asks showq(8) itself; see
// package queue.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"chatmaild/packaging/postfix/queue"
)

// Where Debian's Postfix is.
const (
	MainConfig = "/etc/postfix/main.cf"
	QueueDir   = queue.Spool

	server = "/usr/lib/postfix/sbin/smtpd"
)

// routers are the programs that say where mail goes.
var routers = []string{"/usr/lib/postfix/sbin/qmgr", "/usr/lib/postfix/sbin/trivial-rewrite"}

const (
	// drainTimeout is how long the messages in progress may take. Some may be for a server
	// that does not answer: these stay in the queue.
	drainTimeout = 20 * time.Second
	drainPoll    = 50 * time.Millisecond
)

// closed is the setting by which Postfix closes its listeners (master(8)).
const closed = "master_service_disable"

// Postfix is that of a machine.
type Postfix struct {
	// Root stands in front of every path; tests set it.
	Root string
	// Run runs a program and returns what it printed.
	Run func(ctx context.Context, name string, args ...string) (stdout string, err error)
	// Stream runs a program and hands what it prints to read, as it comes.
	Stream func(ctx context.Context, read func(io.Reader) error, name string, args ...string) error
}

// Drain has a Postfix that runs accept no more mail, and waits until it has tried to
// deliver what it has. It returns how many messages are left after a while. Stopping
// Postfix right away would kill a delivery in its middle, and repeat it.
func (p Postfix) Drain(ctx context.Context) (left int, err error) {
	if err := p.closeListeners(ctx); err != nil {
		return 0, fmt.Errorf("closing Postfix's listeners: %w", err)
	}
	enough := time.After(drainTimeout)
	for {
		if left, err = p.underWay(); err != nil || left == 0 {
			return left, err
		}
		select {
		case <-ctx.Done():
			return left, ctx.Err()
		case <-enough:
			return left, nil
		case <-time.After(drainPoll):
		}
	}
}

// running returns the processes of programs.
func (p Postfix) running(programs ...string) (pids []int, err error) {
	links, err := filepath.Glob(filepath.Join(p.Root, "/proc/[0-9]*/exe"))
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		if program, err := os.Readlink(link); err != nil || !slices.Contains(programs, program) {
			continue // or it has ended
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// closeListeners also ends the servers that run, which their clients take for a broken
// connection: they try again later.
func (p Postfix) closeListeners(ctx context.Context) error {
	if _, err := p.Run(ctx, "/usr/sbin/postconf", "-e", closed+"=inet"); err != nil {
		return err
	}
	if _, err := p.Run(ctx, "/usr/sbin/postfix", "reload"); err != nil {
		return err
	}
	servers, err := p.running(server)
	if err != nil {
		return err
	}
	for _, pid := range servers {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// reloadTimeout is how long processes may take to end that the last reload made outdated.
const reloadTimeout = 10 * time.Second

// Reload has Postfix read its configuration, and waits until all processes are gone that
// say by the former one where mail goes (qmgr, trivial-rewrite). Servers that talk to a
// client go on.
func (p Postfix) Reload(ctx context.Context) error {
	before, err := p.running(routers...)
	if err != nil {
		return err
	}
	if _, err := p.Run(ctx, "/usr/sbin/postfix", "reload"); err != nil {
		return err
	}
	enough := time.After(reloadTimeout)
	for {
		now, err := p.running(routers...)
		if err != nil || !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			return fmt.Errorf("qmgr and trivial-rewrite still have Postfix's former configuration after %v", reloadTimeout)
		case <-time.After(drainPoll):
		}
	}
}

// Reopen takes back what Drain did to main.cf, so that the next start accepts mail.
func (p Postfix) Reopen(ctx context.Context) error {
	if _, err := p.Run(ctx, "/usr/sbin/postconf", "-X", closed); err != nil {
		return fmt.Errorf("opening Postfix's listeners: %w", err)
	}
	return nil
}

// underWay counts the messages that Postfix is accepting or delivering, not those that
// are deferred. It looks at the directories: postqueue would open every message.
func (p Postfix) underWay() (int, error) {
	n := 0
	for _, name := range []string{"maildrop", "incoming", "active"} {
		entries, err := os.ReadDir(filepath.Join(p.Root, QueueDir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, fmt.Errorf("counting messages in transit: %w", err)
		}
		n += len(entries)
	}
	return n, nil
}

// Hold keeps what is queued from being sent; "postsuper -H ALL" takes that back. Postfix
// may be down; where it was never set up it sends nothing anyway.
func (p Postfix) Hold(ctx context.Context) error {
	if _, err := os.Lstat(filepath.Join(p.Root, MainConfig)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := p.Run(ctx, "/usr/sbin/postsuper", "-h", "ALL"); err != nil {
		return fmt.Errorf("holding queued mail: %w", err)
	}
	return nil
}

// Flush retries everything that is deferred now. Postfix has to run.
func (p Postfix) Flush(ctx context.Context) error {
	if _, err := p.Run(ctx, "/usr/sbin/postqueue", "-f"); err != nil {
		return fmt.Errorf("retrying queued mail: %w", err)
	}
	return nil
}

// Retry retries one deferred message now.
func (p Postfix) Retry(ctx context.Context, id string) error {
	_, err := p.Run(ctx, "/usr/sbin/postqueue", "-i", id)
	return err
}

// Each calls do for every message in the queue. The queue may be larger than memory.
func (p Postfix) Each(ctx context.Context, do func(queue.Message)) error {
	err := p.Stream(ctx, func(r io.Reader) error { return queue.Read(r, do) }, "/usr/sbin/postqueue", "-j")
	if err != nil {
		return fmt.Errorf("reading Postfix's queue: %w", err)
	}
	return nil
}

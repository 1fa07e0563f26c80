package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/kit/nameserver"
)

const (
	// cleanupTimeout bounds the removal of what one run left behind.
	cleanupTimeout = 2 * time.Minute

	// inotifyInstances is what a few relays with a hundred IDLE sessions need.
	// The kernel counts by user over all containers, and Dovecot polls without
	// a word when it gets none.
	inotifyInstances = 4096

	propagateDir = "/run/systemd/nspawn/propagate"
)

// A Lab is one private network with hosts and clients on it. Its methods may be
// called from several goroutines.
type Lab struct {
	id     string // run id: part of the name of everything that is not ours alone
	dir    string // run directory: overlays, clients' accounts
	way    Way    // how they run
	suite  Suite  // what its hosts run
	root   string // the cached root of that
	log    io.Writer
	unlock func()

	Zone *nameserver.Zone // what the lab's DNS server answers

	dns []*nameserver.Server

	mu    sync.Mutex
	next  int // last byte of the next address
	hosts []*Host
	cores []*Client
}

// lastRun counts the labs of this process.
var lastRun atomic.Int64

// New makes an empty lab of hosts that run the chosen Debian; see NewOn.
func New(ctx context.Context, w io.Writer) (*Lab, error) {
	suite, err := ChosenSuite()
	if err != nil {
		return nil, err
	}
	return NewOn(ctx, w, suite)
}

// NewOn makes an empty lab: directory, bridge and DNS server. It first removes what
// dead runs left behind. Progress goes to w. Call Close in any case.
func NewOn(ctx context.Context, w io.Writer, suite Suite) (*Lab, error) {
	return NewBy(ctx, w, suite, Machine)
}

// NewBy makes an empty lab whose relays run in a way. Only that of Machine boots hosts; the
// others have containers (StartContainer).
func NewBy(ctx context.Context, w io.Writer, suite Suite, way Way) (*Lab, error) {
	if err := check(way); err != nil {
		return nil, err
	}
	root, err := Root(ctx, w, suite)
	if err != nil {
		return nil, err
	}
	l := &Lab{id: fmt.Sprintf("lab%d-%d", os.Getpid(), lastRun.Add(1)), way: way, suite: suite, root: root, log: w, Zone: nameserver.NewZone(), next: firstAddr}
	if err := l.makeDir(ctx); err != nil {
		return nil, err
	}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// makeDir makes the run directory and locks it for as long as we live. It removes
// what dead runs left behind.
func (l *Lab) makeDir(ctx context.Context) error {
	runs, unlock, err := lockRuns(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := cleanup(ctx, runs); err != nil {
		return err
	}
	l.dir = filepath.Join(runs, l.id)
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	l.unlock, err = tryLockFile(filepath.Join(l.dir, "lock"))
	return err
}

func (l *Lab) start(ctx context.Context) (err error) {
	switch l.way {
	case Machine:
		err = raiseInotify()
	case Namespaces:
		err = isolateRuns()
	}
	if err != nil {
		return err
	}
	if err := l.addBridge(ctx); err != nil {
		return fmt.Errorf("making the lab's bridge: %w", err)
	}
	l.dns, err = l.startDNS()
	return err
}

// Close ends clients and hosts and removes everything that the lab made.
func (l *Lab) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	l.mu.Lock()
	hosts, cores := l.hosts, l.cores
	l.hosts, l.cores = nil, nil
	l.mu.Unlock()

	var errs []error
	for _, c := range cores {
		errs = append(errs, c.Close())
	}
	var group sync.WaitGroup
	hostErrs := make([]error, len(hosts))
	for i, h := range hosts {
		group.Go(func() { hostErrs[i] = h.Kill() })
	}
	group.Wait()
	errs = append(errs, hostErrs...)
	errs = append(errs, stopDNS(l.dns))
	_, unlock, err := lockRuns(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer unlock()
	errs = append(errs, removeRun(ctx, l.dir))
	l.unlock()
	return errors.Join(errs...)
}

func runsDir() (string, error) {
	cache, err := CacheDir()
	return filepath.Join(cache, "runs"), err
}

// lockRuns keeps others from making or removing run directories for a moment.
func lockRuns(ctx context.Context) (runs string, unlock func(), err error) {
	if runs, err = runsDir(); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", nil, err
	}
	unlock, err = lockFile(ctx, runs+".lock")
	return runs, unlock, err
}

// Cleanup removes what runs that no longer live have left behind: namespaces,
// cgroups and directories. Runs that live are left alone.
func Cleanup(ctx context.Context) error {
	runs, unlock, err := lockRuns(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return cleanup(ctx, runs)
}

func cleanup(ctx context.Context, runs string) error {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		dir := filepath.Join(runs, e.Name())
		unlock, err := tryLockFile(filepath.Join(dir, "lock"))
		if err != nil {
			if !errors.Is(err, unix.EWOULDBLOCK) { // else it lives
				errs = append(errs, err)
			}
			continue
		}
		errs = append(errs, removeRun(ctx, dir))
		unlock()
	}
	return errors.Join(errs...)
}

// removeRun removes the traces of one run. Its processes are gone: they die
// with the thread that started them.
func removeRun(ctx context.Context, dir string) error {
	id := filepath.Base(dir)
	if err := errors.Join(removeNetwork(ctx, id), removeCgroups(ctx, id)); err != nil {
		return err // the directory stays, so that the next run tries again
	}
	return errors.Join(removePropagation(id), os.RemoveAll(dir))
}

// removePropagation removes the directories in which systemd-nspawn lets mounts
// into its machines; it leaves them behind.
func removePropagation(id string) error {
	found, err := filepath.Glob(filepath.Join(propagateDir, id+"-*"))
	for _, dir := range found {
		err = errors.Join(err, os.Remove(dir))
	}
	return err
}

func raiseInotify() error {
	const path = "/proc/sys/fs/inotify/max_user_instances"
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var have int
	if _, err := fmt.Sscan(string(text), &have); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if have >= inotifyInstances {
		return nil
	}
	return os.WriteFile(path, fmt.Append(nil, inotifyInstances), 0o644)
}

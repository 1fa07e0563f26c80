package lab

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/cache"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
)

const (
	// cleanupTimeout bounds the removal of what one run left behind.
	cleanupTimeout = 2 * time.Minute

	// inotifyInstances is what a few relays with a hundred IDLE sessions need.
	// The kernel counts by user over all containers, and Dovecot polls without
	// a word when it gets none.
	inotifyInstances = 4096
)

// A Lab is one private network with hosts and clients on it. Its methods may be
// called from several goroutines.
type Lab struct {
	*network.Network

	dir    string       // run directory: overlays, clients' accounts
	suite  debian.Suite // what its hosts run
	root   string       // the cached root of that
	way    Way          // how they run
	log    io.Writer
	unlock func()

	// Limits hold each host that is added to a part of this machine; nil: to nothing.
	Limits *machine.Limits

	mu    sync.Mutex
	hosts []*machine.Host
	cores []*core.Client
}

// lastRun counts the labs of this process.
var lastRun atomic.Int64

// New makes an empty lab of hosts that run the chosen Debian; see NewOn.
func New(ctx context.Context, w io.Writer) (*Lab, error) {
	suite, err := debian.ChosenSuite()
	if err != nil {
		return nil, err
	}
	return NewOn(ctx, w, suite)
}

// NewOn makes an empty lab: directory, bridge and DNS server. It first removes what
// dead runs left behind. Progress goes to w. Call Close in any case.
func NewOn(ctx context.Context, w io.Writer, suite debian.Suite) (*Lab, error) {
	return NewBy(ctx, w, suite, Machine)
}

// NewBy makes an empty lab whose relays run in a way. Only that of Machine boots hosts; the
// others have containers (StartContainer).
func NewBy(ctx context.Context, w io.Writer, suite debian.Suite, way Way) (*Lab, error) {
	if err := check(way); err != nil {
		return nil, err
	}
	root, err := debian.Root(ctx, w, suite)
	if err != nil {
		return nil, err
	}
	switch way {
	case Machine:
		err = raiseInotify()
	case Namespaces:
		err = isolateRuns()
	}
	if err != nil {
		return nil, err
	}
	l := &Lab{suite: suite, root: root, way: way, log: w}
	id := fmt.Sprintf("lab%d-%d", os.Getpid(), lastRun.Add(1))
	if err := l.makeDir(ctx, id); err != nil {
		return nil, err
	}
	if way == Directory {
		l.Network, err = network.NewLocal(id)
	} else {
		l.Network, err = network.New(ctx, id)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// makeDir makes the run directory and locks it for as long as we live. It removes
// what dead runs left behind.
func (l *Lab) makeDir(ctx context.Context, id string) error {
	runs, unlock, err := lockRuns(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := cleanup(ctx, runs); err != nil {
		return err
	}
	l.dir = filepath.Join(runs, id)
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	l.unlock, err = cache.TryLock(filepath.Join(l.dir, "lock"))
	return err
}

// addHost adds a host, which is down.
func (l *Lab) addHost(ctx context.Context, name string) (*machine.Host, error) {
	h, err := machine.Add(ctx, l.Network, name, filepath.Join(l.dir, "hosts", name), l.root, l.suite)
	if err != nil {
		return nil, err
	}
	h.Limits = l.Limits
	l.mu.Lock()
	l.hosts = append(l.hosts, h)
	l.mu.Unlock()
	return h, nil
}

// StartHost adds a host and boots it.
func (l *Lab) StartHost(ctx context.Context, name string) (*machine.Host, error) {
	h, err := l.addHost(ctx, name)
	if err != nil {
		return nil, err
	}
	return h, h.Boot(ctx)
}

// StartClient adds a machine with a Delta Chat core.
func (l *Lab) StartClient(ctx context.Context, name string) (*core.Client, error) {
	return l.StartCore(ctx, name, core.Version)
}

// StartCore is StartClient with a version of the core.
func (l *Lab) StartCore(ctx context.Context, name, version string) (*core.Client, error) {
	executable, err := core.Program(ctx, l.log, version)
	if err != nil {
		return nil, err
	}
	return l.startProgram(ctx, name, executable)
}

// StartTrusting is StartClient with a core that verifies certificates, and has another key
// for core.PublicRoot.
func (l *Lab) StartTrusting(ctx context.Context, name string, root *ecdsa.PublicKey) (*core.Client, error) {
	executable, err := core.Program(ctx, l.log, core.Version)
	if err != nil {
		return nil, err
	}
	trusting := filepath.Join(l.dir, name+"-"+filepath.Base(executable))
	if err := core.Trusting(executable, trusting, root); err != nil {
		return nil, err
	}
	return l.startProgram(ctx, name, trusting)
}

func (l *Lab) startProgram(ctx context.Context, name, executable string) (*core.Client, error) {
	s, err := l.AddStation(ctx, name)
	if err != nil {
		return nil, err
	}
	c, err := core.Start(ctx, s, name, filepath.Join(l.dir, "clients", name), executable)
	if c != nil {
		l.mu.Lock()
		l.cores = append(l.cores, c)
		l.mu.Unlock()
	}
	return c, err
}

// AddAuthority adds a station for a certificate authority. It does not run yet.
func (l *Lab) AddAuthority(ctx context.Context) (*peer.Authority, error) {
	return peer.AddAuthority(ctx, l.log, l.Network, filepath.Join(l.dir, "authority"))
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
	if l.Network != nil {
		errs = append(errs, l.Network.Close())
	}
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
	dir, err := cache.Dir()
	return filepath.Join(dir, "runs"), err
}

// lockRuns keeps others from making or removing run directories for a moment.
func lockRuns(ctx context.Context) (runs string, unlock func(), err error) {
	if runs, err = runsDir(); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return "", nil, err
	}
	unlock, err = cache.Lock(ctx, runs+".lock")
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
		unlock, err := cache.TryLock(filepath.Join(dir, "lock"))
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
	if err := errors.Join(network.Remove(ctx, filepath.Base(dir)), machine.Remove(ctx, dir)); err != nil {
		return err // the directory stays, so that the next run tries again
	}
	return os.RemoveAll(dir)
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

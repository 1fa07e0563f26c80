package member

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"chatmaild/applets/config"
)

// How others are watched. One that does not answer in time twice in a row is dead: no
// session is sent there to wait, and no account is placed there.
const (
	askEvery   = 3 * time.Second
	askTimeout = 2 * time.Second
	failures   = 2
)

// Watch knows which of the other machines answer. All are taken to, until it has asked.
type Watch struct {
	others []config.Member
	dial   func(ctx context.Context, addr netip.AddrPort) error

	mu     sync.Mutex
	failed map[string]int // in a row
}

// NewWatch returns a Watch of the machines that conf names.
func NewWatch(conf *config.Config) *Watch {
	w := &Watch{dial: dial, failed: map[string]int{}}
	for _, m := range config.Members(conf) {
		if m.Name != conf.Cluster.Name {
			w.others = append(w.others, m)
		}
	}
	return w
}

func dial(ctx context.Context, addr netip.AddrPort) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(addr.Addr().String(), strconv.Itoa(int(addr.Port()))))
	if err != nil {
		return err
	}
	return c.Close()
}

// Alive reports whether a machine answers.
func (w *Watch) Alive(machine string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed[machine] < failures
}

// Run asks them until ctx is done.
func (w *Watch) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range w.others {
		all.Go(func() {
			again := time.NewTicker(askEvery)
			defer again.Stop()
			for {
				w.ask(ctx, m)
				select {
				case <-again.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
}

// ask connects to a machine, and says nothing.
func (w *Watch) ask(ctx context.Context, m config.Member) {
	within, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := w.dial(within, netip.AddrPortFrom(m.Addr, config.MemberWebPort))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err == nil:
		w.failed[m.Name] = 0
	default:
		w.failed[m.Name]++
	}
}

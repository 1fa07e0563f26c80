// Package routes remembers by which way mail gets to each host of other relays, and what went
// wrong last. The transport writes it down as it delivers, and tells it to "chatmaild queue
// routes" over a unix socket: it is in no log and no metric. It holds hosts, no addresses.
package routes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds.
const (
	maxHosts   = 10_000
	maxReaders = 2
	maxText    = 200 // bytes of an error
	timeout    = 5 * time.Second
)

// Route is what is known of the way to a host.
type Route struct {
	Host  string     `json:"host"`
	Way   string     `json:"way,omitempty"`   // "https" or "smtp"; "" if nothing was delivered yet
	Since *time.Time `json:"since,omitempty"` // it has been that way
	Last  *time.Time `json:"last,omitempty"`  // message that the host accepted

	Failed *time.Time `json:"failed,omitempty"` // the last attempt that did, by either way
	Error  string     `json:"error,omitempty"`  // why

	Resting *time.Time `json:"resting,omitempty"` // the host has not answered since
	Next    *time.Time `json:"next,omitempty"`    // attempt
}

// Table is all routes. It is safe for concurrent use.
type Table struct {
	Now func() time.Time

	mu    sync.Mutex
	hosts map[string]*Route
}

// Delivered notes that a host accepted a message by a way.
func (t *Table) Delivered(host, way string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, r := t.Now(), t.route(host)
	if r.Way != way {
		r.Way, r.Since = way, &now
	}
	r.Last = &now
}

// Failed notes why an attempt came to nothing. The reason names no address.
func (t *Table) Failed(host, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, r := t.Now(), t.route(host)
	r.Failed, r.Error = &now, reason[:min(len(reason), maxText)]
}

// route returns that of a host. Of too many, half are forgotten: those longest without news.
func (t *Table) route(host string) *Route {
	if r, ok := t.hosts[host]; ok {
		return r
	}
	if t.hosts == nil {
		t.hosts = map[string]*Route{}
	}
	if len(t.hosts) >= maxHosts {
		all := make([]*Route, 0, len(t.hosts))
		for _, r := range t.hosts {
			all = append(all, r)
		}
		slices.SortFunc(all, func(a, b *Route) int { return a.news().Compare(b.news()) })
		for _, r := range all[:len(all)/2] {
			delete(t.hosts, r.Host)
		}
	}
	r := &Route{Host: host}
	t.hosts[host] = r
	return r
}

// news is when there was the last of a host.
func (r *Route) news() (last time.Time) {
	for _, when := range []*time.Time{r.Last, r.Failed} {
		if when != nil && when.After(last) {
			last = *when
		}
	}
	return last
}

// List returns the routes, sorted by host.
func (t *Table) List() []Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Route, 0, len(t.hosts))
	for _, r := range t.hosts {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Route) int { return cmp.Compare(a.Host, b.Host) })
	return list
}

// Serve tells everybody who connects to l what list returns, as JSON, and hangs up.
func Serve(ctx context.Context, l net.Listener, list func() []Route) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	l = netutil.LimitListener(l, maxReaders)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for readers of routes: %w", err)
		}
		go func() {
			defer conn.Close()
			if conn.SetDeadline(time.Now().Add(timeout)) == nil {
				// A reader that has gone away needs no answer.
				_ = json.NewEncoder(conn).Encode(list())
			}
		}()
	}
}

// Read asks the transport behind a socket.
func Read(ctx context.Context, socket string) ([]Route, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("asking the transport for its routes: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, fmt.Errorf("asking the transport for its routes: %w", err)
	}
	var list []Route
	if err := json.NewDecoder(conn).Decode(&list); err != nil {
		return nil, fmt.Errorf("asking the transport for its routes: %w", err)
	}
	return list, nil
}

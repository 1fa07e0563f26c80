// Package routes remembers by which way mail gets to each host of other relays, and what went
// wrong last. The transport writes it down as it delivers: it is in no log and no metric. It
// holds hosts, no addresses.
//
// "chatmaild queue" asks the transport for it over a unix socket that only root can connect to:
// one request on one line, and the answer as one JSON value.
//
//	list           the routes
//	retry DOMAIN   the hosts of the domain, which are tried again now, whatever is known of them
package routes

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Bounds.
const (
	maxHosts = 10_000
	maxText  = 200 // bytes of an error
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

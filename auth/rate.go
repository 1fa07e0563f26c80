package auth

import (
	"net/netip"
	"sync"
	"time"

	"chatmaild/mailfilter/ratelimit"
)

// Limiter limits new accounts.
type Limiter interface {
	// Take counts one account that a client wants, or says why there may be none; NotRefused
	// if there may. The client may be unknown.
	Take(client netip.Addr) Reason
}

// Rates is the Limiter of one process, by the policy in force.
type Rates struct {
	policy func() *Policy
	now    func() time.Time
	rate   rate
}

var _ Limiter = (*Rates)(nil)

// NewRates returns Rates that have counted nothing yet.
func NewRates(policy func() *Policy, now func() time.Time) *Rates {
	return &Rates{policy: policy, now: now}
}

// Take implements Limiter.
func (r *Rates) Take(client netip.Addr) Reason { return r.rate.take(r.policy(), client, r.now()) }

// maxNetworks bounds the networks whose rate is kept. When all of them are in
// use, an arbitrary one is forgotten; the rate of the whole relay still holds.
const maxNetworks = 1 << 16

// rate limits new accounts, of the relay and of each client network, by GCRA
// (ITU-T I.371): what is kept is the time at which all that was taken is paid
// back. A network also has a count for each day: a rate alone, which pays back all
// the time, would let a script take as much again in the same day. It lives in memory
// alone and names no network to anybody.
type rate struct {
	mu       sync.Mutex
	relay    time.Time
	networks map[netip.Prefix]allowance
	swept    time.Time
}

// allowance is what one network has taken.
type allowance struct {
	hour time.Time // when what it took is paid back, by PerNetworkPerHour
	day  time.Time // when its count begins again
	made int       // accounts of that day
}

const day = 24 * time.Hour

// another counts one more account. A clock that was set back begins a day, too.
func (a allowance) another(p *Policy, now time.Time) (allowance, bool) {
	if left := a.day.Sub(now); left <= 0 || left > day {
		a.day, a.made = now.Add(day), 0
	}
	a.made++
	var ok bool
	a.hour, ok = paidBack(a.hour, now, p.PerNetworkPerHour, time.Hour)
	return a, ok && a.made <= p.PerNetworkPerDay
}

// idle reports whether the network may as well be forgotten.
func (a allowance) idle(now time.Time) bool { return !a.hour.After(now) && !a.day.After(now) }

// take counts one account of client. It takes nothing if it refuses.
func (r *rate) take(p *Policy, client netip.Addr, now time.Time) Reason {
	r.mu.Lock()
	defer r.mu.Unlock()
	relay, ok := paidBack(r.relay, now, p.PerMinute, time.Minute)
	if !ok {
		return RelayRate
	}
	if network, known := networkOf(client); known {
		a, ok := r.networks[network].another(p, now)
		if !ok {
			return NetworkRate
		}
		r.note(network, a, now)
	}
	r.relay = relay
	return NotRefused
}

// paidBack returns when one more will be paid back, and whether n in each period,
// all at once if need be, allow it.
func paidBack(at, now time.Time, n int, period time.Duration) (time.Time, bool) {
	owed, ok := ratelimit.Take(at.Sub(now), period/time.Duration(n), period)
	return now.Add(owed), ok
}

func (r *rate) note(network netip.Prefix, a allowance, now time.Time) {
	if r.networks == nil {
		r.networks = make(map[netip.Prefix]allowance)
	}
	if _, known := r.networks[network]; !known && len(r.networks) >= maxNetworks {
		r.makeRoom(now)
	}
	r.networks[network] = a
}

// makeRoom forgets the networks that are idle, for which it looks through all
// of them at most once a minute; and if none does, an arbitrary one.
func (r *rate) makeRoom(now time.Time) {
	if now.Sub(r.swept) >= time.Minute || now.Before(r.swept) {
		r.swept = now
		for n, a := range r.networks {
			if a.idle(now) {
				delete(r.networks, n)
			}
		}
	}
	for n := range r.networks {
		if len(r.networks) < maxNetworks {
			return
		}
		delete(r.networks, n)
	}
}

// networkOf returns what counts as one client: a /24 of IPv4, a /64 of IPv6. The
// machine itself and an unknown address do not count as client networks.
func networkOf(client netip.Addr) (netip.Prefix, bool) {
	client = client.Unmap().WithZone("")
	if !client.IsValid() || client.IsLoopback() || client.IsUnspecified() {
		return netip.Prefix{}, false
	}
	bits := 64
	if client.Is4() {
		bits = 24
	}
	network, err := client.Prefix(bits)
	return network, err == nil
}

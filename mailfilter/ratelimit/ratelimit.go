// Package ratelimit limits how often each of many senders may send, by the
// generic cell rate algorithm (GCRA; ITU-T I.371, annex A). What it knows of a
// sender is one number: the time at which his allowance will be whole again.
//
// # Memory
//
// The senders are in a table of fixed size, as keyed hashes in small buckets,
// so the memory is bounded, a check takes constant time, and no address is
// kept. A sender whose allowance is whole again need not be known: his place is
// free to the next one. When all places of a bucket are taken by senders whose
// allowance is not whole, a newcomer shares the place, and so the allowance, of
// the one who is nearest to it. So however many senders an attacker has, he
// cannot make the limiter forget what another sent. At worst, while far more
// senders than places send at the same time, some of them wait for each other.
package ratelimit

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// Senders is how many senders the table holds at the same time, unless Options say
// otherwise. 100,000 that send at once meet in a full bucket with a chance below one in
// a million.
const (
	Senders    = 1 << 18 // 4 MiB, of which only the pages in use take memory
	bucketSize = 64
)

// Options is what New needs.
type Options struct {
	PerMinute int // how many may be sent in a minute, in the long run
	Burst     int // how many may be sent at once after a pause
	Senders   int // places of the table, at least; 0 stands for the constant

	// Now returns the time since some start. It never goes back.
	Now func() time.Duration
}

// Limiter is safe for concurrent use.
type Limiter struct {
	interval time.Duration // between two, in the long run
	burst    time.Duration // how far an allowance may be overdrawn
	now      func() time.Duration
	seed     maphash.Seed

	mu      sync.Mutex // held for some ten nanoseconds; sharding gains nothing
	buckets []bucket
}

type bucket [bucketSize]place

// place is what is known of a sender: the hash of his name, and when his
// allowance will be whole again (GCRA's theoretical arrival time).
type place struct {
	sender uint64
	whole  time.Duration
}

var errOptions = errors.New("ratelimit: rate and burst must be positive, senders not negative")

// New returns a limiter in which every allowance is whole.
func New(o Options) (*Limiter, error) {
	if o.PerMinute <= 0 || o.Burst <= 0 || o.Senders < 0 {
		return nil, errOptions
	}
	if o.Senders == 0 {
		o.Senders = Senders
	}
	interval := time.Minute / time.Duration(o.PerMinute)
	return &Limiter{
		interval: interval,
		burst:    interval * time.Duration(o.Burst),
		now:      o.Now,
		seed:     maphash.MakeSeed(),
		buckets:  make([]bucket, (o.Senders+bucketSize-1)/bucketSize),
	}, nil
}

// Allow says whether sender may send now, and counts it if so. What is refused
// does not count, so that he who keeps trying gets through in the end.
func (l *Limiter) Allow(sender string) bool {
	hash := maphash.String(l.seed, sender)
	l.mu.Lock()
	defer l.mu.Unlock()
	// The clock is read under the lock, or it could go back between two.
	now := l.now()
	p := l.buckets[hash%uint64(len(l.buckets))].find(hash, now)
	owed, ok := Take(p.whole-now, l.interval, l.burst)
	if ok {
		p.whole = now + owed
	}
	return ok
}

// Take is the algorithm for one allowance: owed is how long it takes until the allowance
// is whole. It returns how long that takes after one more, and whether that is allowed.
func Take(owed, interval, burst time.Duration) (after time.Duration, ok bool) {
	after = max(owed, 0) + interval
	return after, after <= burst
}

// find returns the place of the sender; else a free one, which it gives to the
// sender; else the one that will be free first, which he has to share.
func (b *bucket) find(sender uint64, now time.Duration) *place {
	first := &b[0]
	for i := range b {
		p := &b[i]
		if p.sender == sender {
			return p
		}
		if p.whole < first.whole {
			first = p
		}
	}
	if first.whole <= now {
		*first = place{sender: sender}
	}
	return first
}

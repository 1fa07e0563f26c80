package dkim

import (
	"context"
	"errors"
	"sync"
	"time"
)

// The bounds of what is remembered. A key that its domain gives up counts no longer than
// maxTTL after that. The keys of a name take less than 6 KiB, and most of them one, all
// else some 200 bytes.
const (
	maxKeys    = 2048 // names of keys
	maxDomains = 4096 // of each kind: known, failed, without a key
	maxTTL     = time.Hour

	// failureAge is how long the DNS is not asked again after it failed: for the same
	// name, or, of a stranger, who may make up a selector for each message, for its
	// domain.
	failureAge = 30 * time.Second
	// knownAge is how long a domain counts as known after one of its messages was
	// verified last. One that is not known is a stranger.
	knownAge = 30 * 24 * time.Hour
	// renewPause is how long a domain's own servers are not asked again for a key. What
	// they said is kept for renewAge.
	renewPause = time.Minute
	renewAge   = 10 * time.Minute
)

// The bounds of those who wait for the DNS at once. A message that would be one too many
// is deferred, not kept waiting: it must not take the place of one from elsewhere.
const (
	maxWaiting         = 32 // messages of a known domain
	maxWaitingStranger = 16 // messages of a stranger: it may have a queue to flush
)

var (
	errFailedLately = errors.New("the DNS failed to answer for the domain a moment ago")
	errManyWait     = errors.New("too many messages of the domain, or of unknown ones, wait for the DNS")
)

// Records is what the DNS has of a name.
type Records struct {
	Texts []string      // of each TXT record, its strings joined; none if there is no such name
	TTL   time.Duration // how long that is true
}

// Lookup returns the TXT records of a name. An error means that nobody could
// tell, not that there are none. It has to end soon, and when ctx is done.
type Lookup func(ctx context.Context, name string) (Records, error)

// Stats counts, since the start, how keys were looked for.
type Stats struct {
	Answered, Failed uint64 // look-ups
	Remembered       uint64 // messages deferred since a look-up had failed lately
	Crowded          uint64 // messages deferred since too many were waiting
}

// lookups finds keys, and sees to it that a name server that does not answer holds up
// the mail of its own domain alone. It is safe for concurrent use.
type lookups struct {
	Options

	mu        sync.Mutex
	keys      table[[]*key]
	known     table[struct{}]  // domains
	renewed   table[struct{}]  // names
	failed    table[struct{}]  // names of known domains, and domains of strangers
	keyless   table[time.Time] // domains, and when that was seen first
	flights   map[way]*flight
	waiting   map[string]int // messages, by domain
	strangers int            // of those
	stats     Stats
}

func newLookups(o Options) *lookups {
	if o.Authority == nil {
		o.Authority = o.Lookup
	}
	o.MaxStrangers = max(o.MaxStrangers, 1)
	return &lookups{
		Options: o,
		keys:    newTable[[]*key](maxKeys),
		known:   newTable[struct{}](maxDomains),
		renewed: newTable[struct{}](maxKeys),
		failed:  newTable[struct{}](maxDomains),
		keyless: newTable[time.Time](maxDomains),
		flights: make(map[way]*flight),
		waiting: make(map[string]int),
	}
}

// way is what is asked for, and which server.
type way struct {
	name      string
	authority bool
}

// flight is a look-up that is in progress; lookups.mu guards waiting.
type flight struct {
	way
	domain   string
	memory   string // where lookups.failed has it
	stranger bool
	waiting  int // messages
	cancel   context.CancelFunc
	done     chan struct{} // closed once keys or err is there
	keys     []*key
	err      error
}

// query is one message's wish for the keys of a name.
type query struct {
	all    *lookups
	keys   []*key
	err    error
	flight *flight // nil: keys or err is there
}

// ask begins to look for the keys of a name of a domain. Its result may be there at once.
func (l *lookups) ask(domain, name string) *query {
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if keys, ok := l.keys.get(name, now); ok {
		return &query{keys: keys}
	}
	return l.join(domain, way{name, false}, now)
}

// renew asks the domain's own servers for the keys of a name, unless they were asked a
// moment ago: then it returns nil.
func (l *lookups) renew(domain, name string) *query {
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.renewed.get(name, now); ok && l.flights[way{name, true}] == nil {
		return nil
	}
	q := l.join(domain, way{name, true}, now)
	if q.flight != nil {
		l.renewed.put(name, struct{}{}, now, renewPause)
	}
	return q
}

// join takes a place among those who wait for the keys of a name.
func (l *lookups) join(domain string, to way, now time.Time) *query {
	_, known := l.known.get(domain, now)
	memory, most := to.name, maxWaiting
	if !known {
		memory, most = domain, maxWaitingStranger
	}
	if to.authority {
		memory = "authority of " + memory // it may be that only we cannot reach it
	}
	if _, ok := l.failed.get(memory, now); ok {
		l.stats.Remembered++
		return &query{err: errFailedLately}
	}
	if l.waiting[domain] >= most || !known && l.strangers >= l.MaxStrangers {
		l.stats.Crowded++
		return &query{err: errManyWait}
	}
	f := l.flights[to]
	if f == nil {
		f = &flight{way: to, domain: domain, memory: memory, stranger: !known, done: make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		f.cancel = cancel
		l.flights[to] = f
		go l.fly(ctx, f)
	}
	l.count(f, 1)
	return &query{all: l, flight: f}
}

// count adds to those who wait for a flight.
func (l *lookups) count(f *flight, n int) {
	f.waiting += n
	if l.waiting[f.domain] += n; l.waiting[f.domain] == 0 {
		delete(l.waiting, f.domain)
	}
	if f.stranger {
		l.strangers += n
	}
}

// fly looks the keys of a name up for all who wait for them.
func (l *lookups) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	lookup := l.Lookup
	if f.authority {
		lookup = l.Authority
	}
	records, err := lookup(ctx, f.name)
	if f.authority {
		records.TTL = min(records.TTL, renewAge)
	}
	var keys []*key
	if err == nil {
		keys, err = choose(records.Texts)
	}
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case f.waiting == 0: // nobody did any more, and that may be why it failed
	case err != nil && !errors.As(err, new(fault)):
		l.stats.Failed++
		l.failed.put(f.memory, struct{}{}, now, failureAge)
	default:
		l.stats.Answered++
		l.keys.remove(f.name)
		if keys != nil {
			l.keys.put(f.name, keys, now, min(records.TTL, maxTTL))
		}
	}
	f.keys, f.err = keys, err
	l.count(f, -f.waiting)
	if l.flights[f.way] == f {
		delete(l.flights, f.way)
	}
	close(f.done)
}

// result waits for the keys.
func (q *query) result() ([]*key, error) {
	if q.flight == nil {
		return q.keys, q.err
	}
	<-q.flight.done
	return q.flight.keys, q.flight.err
}

// leave ends the wish, and the look-up if it is the last one's.
func (q *query) leave() {
	f := q.flight
	if f == nil {
		return
	}
	q.all.mu.Lock()
	defer q.all.mu.Unlock()
	if f.waiting == 0 { // it has ended
		return
	}
	q.all.count(f, -1)
	if f.waiting == 0 {
		delete(q.all.flights, f.way)
		f.cancel()
	}
}

// verified records that a domain's message was verified.
func (l *lookups) verified(domain string) {
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.put(domain, struct{}{}, now, knownAge)
	l.keyless.remove(domain)
}

// awaited reports whether a stranger without a key may publish it yet.
func (l *lookups) awaited(domain string) bool {
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.known.get(domain, now); known {
		return false
	}
	first, ok := l.keyless.get(domain, now)
	if !ok {
		first = now
		l.keyless.put(domain, first, now, knownAge)
	}
	return now.Sub(first) < PublishAge
}

// Package health remembers which hosts do not answer, so that mail to them costs nothing:
// such a host is tried by one message at a time, at growing intervals, and all others are
// answered at once. It is about hosts alone, and holds nothing of messages.
//
// What is known of a host decides on its share of the attempts at once. Those to hosts that
// have not answered yet are few in all: a hundred dead ones that get mail for the first time
// leave places, processes and time to the hosts that are known to be good.
package health

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Bounds.
const (
	firstPause = 5 * time.Second // after the first failure
	maxPause   = 30 * time.Minute
	jitter     = 0.25 // of a pause, to either side
	maxHosts   = 10_000

	// stale is how long after its pause a host without a further message no longer counts
	// as one that does not answer: Postfix comes again within an hour.
	stale = 2 * time.Hour

	// PerHost is how many messages at once a host gets that answers, and Untried one of
	// which nothing is known yet: a dead one would hold as many up.
	PerHost = 20
	Untried = 2

	// AllUntried is how many attempts at once all hosts get together that have not answered
	// yet, or no longer do.
	AllUntried = 24

	// Busy is how many attempts at once leave enough to others: beyond it, a host gets no
	// more than Fair. Postfix makes 200 (master.cf).
	Busy = 100
	Fair = 4
)

// Tracker is what is known of hosts. It is safe for concurrent use.
type Tracker struct {
	Now    func() time.Time
	Random func() float64 // in [0, 1); nil means math/rand's

	mu       sync.Mutex
	hosts    map[string]*host
	inFlight int
	trials   int           // of inFlight, those to hosts that have not answered
	freed    chan struct{} // closed when there may be a place for a trial
}

// host is what is known of one.
type host struct {
	proven   bool // it has answered since the last failure
	inFlight int
	trials   int           // of inFlight, those that the Tracker counts as trials
	changed  chan struct{} // closed when a place may be free

	failures int
	since    time.Time // of the first of them
	until    time.Time // the next attempt
	last     string    // why the last one failed
	used     time.Time
}

// Verdict is what a Tracker says of a message to a host.
type Verdict int

// The verdicts.
const (
	Go      Verdict = iota // try, and call Done
	Wait                   // others are trying: wait for changed
	Crowded                // too many hosts are tried that may not answer: wait briefly for changed
	Resting                // the host does not answer; not now
)

// Admit says whether to try a host. After Wait and Crowded, changed is closed when it is
// worth asking again. After Resting, state is why.
func (t *Tracker) Admit(name string) (v Verdict, changed <-chan struct{}, state State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.host(name)
	h.used = t.Now()
	limit := PerHost
	switch {
	case h.failures > 0:
		limit = 1
		if t.rests(h) {
			return Resting, nil, h.state(name)
		}
	case !h.proven:
		limit = Untried
	case t.inFlight >= Busy:
		limit = Fair
	}
	switch {
	case h.inFlight >= limit:
		return Wait, h.changed, State{}
	case !h.proven && t.trials >= AllUntried:
		if t.freed == nil {
			t.freed = make(chan struct{})
		}
		return Crowded, t.freed, State{}
	}
	h.inFlight++
	t.inFlight++
	if !h.proven {
		h.trials++
		t.trials++
	}
	return Go, nil, State{}
}

// rests reports whether a host that has not answered is not tried now. Those of which nothing is
// known yet come first.
func (t *Tracker) rests(h *host) bool {
	return h.inFlight > 0 || t.Now().Before(h.until) || t.trials >= AllUntried/2
}

// Rests reports whether Admit would answer Resting for a host, and why.
func (t *Tracker) Rests(name string) (State, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, ok := t.hosts[name]
	if !ok || h.failures == 0 || !t.rests(h) {
		return State{}, false
	}
	h.used = t.Now()
	return h.state(name), true
}

// settle ends n trials of a host.
func (t *Tracker) settle(h *host, n int) {
	if n == 0 {
		return
	}
	h.trials -= n
	t.trials -= n
	if t.freed != nil {
		close(t.freed)
		t.freed = nil
	}
}

// Done ends an attempt. reason is "" for a host that has answered, and else why it
// did not; it names neither addresses nor messages.
func (t *Tracker) Done(name, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.host(name)
	h.inFlight--
	t.inFlight--
	close(h.changed)
	h.changed = make(chan struct{})
	if reason == "" {
		t.settle(h, h.trials) // the others will be answered, too
		h.proven, h.failures, h.last = true, 0, ""
		return
	}
	t.settle(h, min(h.trials, 1))
	h.last = reason
	now := t.Now()
	// Attempts that were under way when the first one failed are not counted again.
	if h.failures > 0 && now.Before(h.until) {
		return
	}
	if h.failures == 0 {
		h.since = now
	}
	h.proven = false
	pause := maxPause
	if h.failures < 10 {
		pause = min(firstPause<<h.failures, maxPause)
	}
	h.failures++
	h.until = now.Add(time.Duration(float64(pause) * (1 - jitter + 2*jitter*t.random())))
}

// Retry ends the rest of a host: it is tried as one of which nothing is known.
func (t *Tracker) Retry(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h, ok := t.hosts[name]; ok {
		h.failures, h.until, h.last = 0, time.Time{}, ""
	}
}

func (t *Tracker) random() float64 {
	if t.Random != nil {
		return t.Random()
	}
	return rand.Float64()
}

// host returns what is known of a host. Of too many, those that were used longest ago are
// forgotten.
func (t *Tracker) host(name string) *host {
	if h, ok := t.hosts[name]; ok {
		return h
	}
	if t.hosts == nil {
		t.hosts = make(map[string]*host)
	}
	if len(t.hosts) >= maxHosts {
		t.forget()
	}
	h := &host{changed: make(chan struct{})}
	t.hosts[name] = h
	return h
}

// forget removes the half of the hosts that were used longest ago, but for those in use.
func (t *Tracker) forget() {
	names := make([]string, 0, len(t.hosts))
	for name, h := range t.hosts {
		if h.inFlight == 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return t.hosts[a].used.Compare(t.hosts[b].used) })
	for _, name := range names[:(len(names)+1)/2] {
		delete(t.hosts, name)
	}
}

// State is a host that does not answer.
type State struct {
	Host   string    `json:"host"`
	Since  time.Time `json:"since"`
	Next   time.Time `json:"next"` // attempt
	Reason string    `json:"reason"`
}

func (h *host) state(name string) State { return State{name, h.since, h.until, h.last} }

// Resting returns the hosts that do not answer, and still have mail.
func (t *Tracker) Resting() []State {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []State
	for name, h := range t.hosts {
		if h.failures > 0 && t.Now().Before(h.until.Add(stale)) {
			list = append(list, h.state(name))
		}
	}
	return list
}

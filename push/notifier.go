package push

import (
	"errors"
	"sync"
	"time"
)

// Bounds of the notifier.
const (
	DefaultInFlight = 256  // POSTs in progress
	DrainRate       = 1000 // overdue entries a second
	maxFresh        = 1 << 16

	// scanInterval is how often the queue is looked through for what is due.
	scanInterval  = 10 * time.Millisecond
	sendTimeout   = 30 * time.Second
	stopGrace     = 5 * time.Second // for POSTs in progress when the daemon is stopped
	faultPause    = time.Second     // before a change that the disk refused is tried again
	sweepInterval = time.Hour
	tidyInterval  = 10 * time.Second
)

// errStopping is why POSTs end early when the daemon stops.
var errStopping = errors.New("the daemon stops")

// Queue is the durable queue. What its methods did is on the disk when they return.
type Queue interface {
	// Take returns those entries of keys that still wait, and TakeDue the n that
	// have been due longest, and when the next one is due (zero: never). No other
	// entry of their tokens is returned before Done, Retry, Return or Gone was told
	// of them.
	Take(keys []Key) ([]Entry, error)
	TakeDue(now time.Time, n int) (entries []Entry, next time.Time, err error)
	// TakeProbe is TakeDue for one entry: the first one whose token is proven, or else
	// that of fresh, or else the first.
	TakeProbe(now time.Time, proven func(token uint64) bool, fresh []Key) (entries []Entry, next time.Time, err error)

	// Done removes an entry. Retry puts it off, together with a later entry of
	// its token; Return does not: nobody was asked. Gone removes it and its token.
	// Remove removes all that is known of an account.
	Done(Entry) error
	Retry(e Entry, due time.Time) error
	Return(Entry) error
	Gone(Entry) error
	Remove(account string) error

	// Expire removes the entries that were due before a time, and returns how many.
	Expire(before time.Time) (int, error)
	// Sweep removes old tokens, and those whose mailbox is gone.
	Sweep(now time.Time) error
	// Tidy gives memory back.
	Tidy()
	// Stats describes the queue.
	Stats() (QueueStats, error)
}

// Mailboxes knows which accounts there are.
type Mailboxes interface {
	Exists(account string) (bool, error)
}

// Events is told what an operator should know. Its methods must not block.
type Events interface {
	ServiceDead(name string, err error)
	ServiceAlive(name string, down time.Duration)
	Expired(entries int)
	Fault(err error) // of the disk
}

// Options are what a Notifier needs. All but Delivered and InFlight are required.
type Options struct {
	Queue     Queue
	Endpoints []Endpoint
	Mailboxes Mailboxes
	Events    Events
	Now       func() time.Time
	Jitter    func() float64 // a random number in [0, 1)
	InFlight  int            // 0: DefaultInFlight

	// Delivered is notified of each delivery how long the POST took, and how long it
	// was since the message had arrived.
	Delivered func(post, total time.Duration)
}

// Notifier sends what is in the queue.
type Notifier struct {
	Options
	services *failover
	shares   shares
	proven   proven
	meter    meter
	wake     chan struct{}
	sending  sync.WaitGroup

	mu       sync.Mutex
	fresh    []Key // in the order in which they came
	inFlight int
	overdue  int  // of those, taken because they were due
	probing  bool // one of those asks a dead service
	drain    drain
}

// NewNotifier returns a Notifier; Run makes it send.
func NewNotifier(o Options) *Notifier {
	if o.InFlight <= 0 {
		o.InFlight = DefaultInFlight
	}
	return &Notifier{
		Options:  o,
		services: newFailover(o.Endpoints, o.Now, o.Events),
		wake:     make(chan struct{}, 1),
	}
}

// Report describes the notifier and its queue for the operator.
func (n *Notifier) Report() (Report, error) {
	queue, err := n.Queue.Stats()
	if err != nil {
		return Report{}, err
	}
	r := n.meter.report()
	r.Time, r.Queue, r.Services = n.Now(), queue, n.services.report()
	n.mu.Lock()
	defer n.mu.Unlock()
	r.InFlight = n.inFlight
	return r, nil
}

// Fresh tells the notifier of new entries. It never blocks: those that are too many
// are found in the queue when they are overdue.
func (n *Notifier) Fresh(keys []Key) {
	if len(keys) == 0 {
		return
	}
	n.mu.Lock()
	if room := maxFresh - len(n.fresh); len(keys) > room {
		keys = keys[:room]
	}
	n.fresh = append(n.fresh, keys...)
	n.mu.Unlock()
	n.nudge()
}

func (n *Notifier) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

package push_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/push"
	"chatmaild/store"
)

// world is a notifier over a real database, with services, mailboxes and time of the
// test's own.
type world struct {
	t        *testing.T
	path     string
	takes    time.Duration // a POST
	db       *store.DB
	service  *push.Service
	notifier *push.Notifier
	started  time.Time
	cancel   func()
	done     chan error

	mu      sync.Mutex
	answers map[string]func(token string) push.Result // by the service's name
	posts   []post
	now     map[string]int // POSTs under way, by token
	most    int            // POSTs under way at once
	events  []string
	gone    map[string]bool // mailboxes
	hangs   map[string]bool // services that never answer
}

type post struct {
	service, token string
	at             time.Duration
}

// inFlight bounds the POSTs under way.
const inFlight = 64

// inWorld runs test in a bubble with fake time.
func inWorld(t *testing.T, services []string, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, takes: time.Millisecond, started: time.Now(), done: make(chan error, 1),
			answers: map[string]func(string) push.Result{}, now: map[string]int{}, gone: map[string]bool{}, hangs: map[string]bool{},
		}
		w.path = filepath.Join(t.TempDir(), "metadata.db")
		w.open(services)
		test(w)
		w.close()
	})
}

func (w *world) open(services []string) {
	db, err := store.Open(w.path, store.Options{
		Mailboxes: w, Now: time.Now, MaxQueued: 5000,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var endpoints []push.Endpoint
	for _, name := range services {
		endpoints = append(endpoints, push.Endpoint{Name: name, Sender: sender{w, name}})
	}
	w.db = db
	w.notifier = push.NewNotifier(push.Options{
		Queue: db, Endpoints: endpoints, Mailboxes: w, Events: w,
		Now: time.Now, Jitter: func() float64 { return 0 }, InFlight: inFlight,
	})
	w.service = &push.Service{Registry: db, Fresh: w.notifier.Fresh, Now: time.Now}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go func() { w.done <- w.notifier.Run(ctx) }()
}

func (w *world) close() {
	w.cancel()
	if err := <-w.done; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

func (w *world) Exists(account string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.gone[account], nil
}

func (w *world) Legacy(string) ([]byte, error) { return nil, nil }

func (w *world) ServiceDead(name string, err error) { w.event("dead " + name) }

func (w *world) ServiceAlive(name string, down time.Duration) {
	w.event(fmt.Sprintf("alive %s after %v", name, down))
}
func (w *world) Expired(n int)   { w.event(fmt.Sprintf("expired %d", n)) }
func (w *world) Fault(err error) { w.event("fault " + err.Error()) }

func (w *world) event(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, text)
}

// told is how many events there were.
func (w *world) told() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

// sender is a fake service.
type sender struct {
	w    *world
	name string
}

func (s sender) Send(ctx context.Context, token string) push.Result {
	w := s.w
	w.mu.Lock()
	w.posts = append(w.posts, post{s.name, token, time.Since(w.started)})
	if w.now[token]++; w.now[token] > 1 {
		w.t.Errorf("two POSTs for %s at once", token)
	}
	w.most = max(w.most, len(w.now))
	answer, takes := w.answers[s.name], w.takes
	if w.hangs[s.name] {
		takes = time.Hour
	}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.now[token]--; w.now[token] == 0 {
			delete(w.now, token)
		}
	}()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return push.Result{Outcome: push.Failed, Err: ctx.Err()}
	}
	if answer == nil {
		return push.Result{}
	}
	return answer(token)
}

// answer makes a service answer so from now on.
func (w *world) answer(service string, f func(token string) push.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[service] = f
}

func always(r push.Result) func(string) push.Result {
	return func(string) push.Result { return r }
}

var (
	refused = push.Result{Outcome: push.Unreached, Err: errors.New("connection refused")}
	sick    = push.Result{Outcome: push.Failed, Err: errors.New("500")}
)

// account registers a token for an account of its own.
func (w *world) account(token string) {
	w.t.Helper()
	if err := w.service.Set("priv/0/devicetoken", token+"@x", token); err != nil {
		w.t.Error(err)
	}
}

// message delivers a message to the account of a token.
func (w *world) message(token string) {
	w.t.Helper()
	if err := w.service.Set("priv/0/messagenew", token+"@x", ""); err != nil {
		w.t.Error(err)
	}
}

// crowd delivers a message to each of many accounts, of the tokens "0", "1" and so on.
func (w *world) crowd(many int) {
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			w.account(fmt.Sprint(i))
			w.message(fmt.Sprint(i))
		})
	}
	all.Wait()
}

func (w *world) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// sent returns the POSTs for a token, in whole seconds since the start.
func (w *world) sent(token string) (seconds []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.posts {
		if p.token == token {
			seconds = append(seconds, int(p.at.Seconds()))
		}
	}
	return seconds
}

func (w *world) queued() int {
	w.t.Helper()
	stats, err := w.db.Stats()
	if err != nil {
		w.t.Fatal(err)
	}
	return stats.Entries
}

func (w *world) wantSent(token string, want ...int) {
	w.t.Helper()
	if got := w.sent(token); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("POSTs for %s after %v s, want %v", token, got, want)
	}
}

func TestDelivery(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.takes = 10 * time.Millisecond
		w.account("a")
		w.message("a")
		w.sleep(5 * time.Millisecond) // the first POST is under way
		w.message("a")
		w.sleep(time.Second)
		w.wantSent("a", 0, 0)
		w.sleep(time.Second)
		w.message("a")
		w.sleep(time.Second)
		w.wantSent("a", 0, 0, 2)
		if n := w.queued(); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

func TestRetriesUntilFiveHours(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", always(sick))
		w.account("a")
		w.message("a")
		for range 100 {
			w.sleep(time.Second)
			w.message("a") // adds nothing
		}
		w.sleep(10 * time.Hour)
		w.wantSent("a", 0, 8, 72, 584, 4680, 8776, 12872, 16968)
		if n := w.queued(); n != 0 {
			t.Errorf("%d entries left", n)
		}
		w.answer("s", nil)
		w.message("a")
		w.sleep(time.Second)
		if n := len(w.sent("a")); n != 9 {
			t.Errorf("%d POSTs with the next message, want 9", n)
		}
	})
}

func TestGoneTokenIsRemoved(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", always(push.Result{Outcome: push.Gone, Err: errors.New("410")}))
		w.account("a")
		w.message("a")
		w.sleep(time.Second)
		w.message("a")
		w.sleep(time.Second)
		w.wantSent("a", 0)
		if value, found, err := w.service.Lookup("priv/0/devicetoken", "a@x"); found || err != nil {
			t.Errorf("tokens = %q, %v", value, err)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		limited := push.Result{Outcome: push.Failed, RetryAfter: 100 * time.Second, Err: errors.New("429")}
		w.answer("s", func(token string) push.Result {
			if token == "a" {
				return limited
			}
			return push.Result{}
		})
		w.account("a")
		w.account("b")
		w.message("a")
		w.sleep(time.Second)
		w.message("b")
		w.sleep(150 * time.Second)
		w.wantSent("a", 0, 100)
		w.wantSent("b", 1)
	})
}

func TestMailboxThatIsGone(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.account("a")
		w.gone["a@x"] = true
		w.message("a")
		w.sleep(time.Second)
		w.wantSent("a")
		delete(w.gone, "a@x")
		if value, found, err := w.service.Lookup("priv/0/devicetoken", "a@x"); found || err != nil {
			t.Errorf("tokens = %q, %v", value, err)
		}
	})
}

func TestOutage(t *testing.T) {
	const tokens = 1500
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", always(refused))
		w.crowd(tokens)
		w.sleep(10 * time.Minute)
		w.mu.Lock()
		probes := len(w.posts)
		w.mu.Unlock()
		// Some 70 until the service counts as dead, then a probe each 30 s.
		if probes > 130 {
			t.Errorf("%d POSTs to a dead service", probes)
		}
		if n := w.queued(); n != tokens {
			t.Errorf("%d entries wait, want %d", n, tokens)
		}
		w.answer("s", nil)
		w.account("fresh")
		from := time.Now()
		w.message("fresh")
		w.sleep(time.Minute)
		if w.queued() != 0 {
			t.Errorf("%d entries left", w.queued())
		}
		for i := range tokens {
			if len(w.sent(fmt.Sprint(i))) == 0 {
				t.Fatalf("token %d was never notified", i)
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.most > inFlight {
			t.Errorf("%d POSTs at once, want %d at most", w.most, inFlight)
		}
		var first, last time.Duration
		for _, p := range w.posts[probes:] {
			if p.token == "fresh" && first == 0 {
				first = p.at - from.Sub(w.started)
			}
			last = p.at - from.Sub(w.started)
		}
		if first > 31*time.Second {
			t.Errorf("the fresh one was sent after %v", first)
		}
		if least := time.Second; last-first < least {
			t.Errorf("%d entries were drained in %v, want %v at least", tokens, last-first, least)
		}
		if len(w.events) != 2 || w.events[0] != "dead s" {
			t.Errorf("events: %q", w.events)
		}
	})
}

func TestFreshOvertakesOverdue(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", always(refused))
		w.crowd(3000)
		w.account("fresh")
		w.sleep(time.Minute)
		w.answer("s", nil)
		for w.told() < 2 { // until it is back
			w.sleep(100 * time.Millisecond)
		}
		w.sleep(200 * time.Millisecond)
		for i := range 5 {
			w.message("fresh")
			w.sleep(5 * time.Millisecond) // the service takes 1
			if n := len(w.sent("fresh")); n != i+1 {
				t.Errorf("%d POSTs for the fresh one, want %d", n, i+1)
			}
		}
		w.message("2500") // waits, overdue: it overtakes the others of its kind
		w.sleep(5 * time.Millisecond)
		if n := len(w.sent("2500")); n != 1 {
			t.Errorf("%d POSTs for one with a new message, want 1", n)
		}
		if w.queued() < 500 {
			t.Errorf("only %d entries left: this proves nothing", w.queued())
		}
	})
}

func TestFailover(t *testing.T) {
	inWorld(t, []string{"first", "second"}, func(w *world) {
		w.answer("first", always(refused))
		for i := range 100 {
			w.account(fmt.Sprint(i))
			w.message(fmt.Sprint(i))
			w.sleep(50 * time.Millisecond)
			if len(w.sent(fmt.Sprint(i))) == 0 || w.queued() != 0 {
				t.Fatalf("message %d was not sent", i)
			}
		}
		w.mu.Lock()
		asked := 0
		for _, p := range w.posts {
			if p.service == "first" {
				asked++
			}
		}
		w.mu.Unlock()
		if asked > 15 {
			t.Errorf("the dead service was asked %d times", asked)
		}
		w.mu.Lock()
		w.hangs["first"] = true
		w.mu.Unlock()
		w.sleep(time.Minute)
		before := len(w.sent("0"))
		w.message("0") // the probe that hangs must not keep it
		w.sleep(3 * time.Second)
		if n := len(w.sent("0")) - before; n != 2 || w.queued() != 0 {
			t.Errorf("%d POSTs and %d entries left after a probe that hangs, want 2 and none", n, w.queued())
		}
		w.mu.Lock()
		w.hangs["first"] = false
		w.mu.Unlock()
		w.answer("first", nil)
		w.sleep(time.Minute)
		w.message("0")
		w.sleep(time.Second)
		w.message("1")
		w.sleep(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if last := w.posts[len(w.posts)-1]; last.service != "first" {
			t.Errorf("sent to %s, want the first again", last.service)
		}
	})
}

func TestStopAndStart(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.account("a")
		w.takes = time.Hour
		w.message("a")
		w.sleep(time.Second)
		stopped := time.Now()
		w.close()
		if took := time.Since(stopped); took > 10*time.Second {
			t.Errorf("stopping took %v while a POST was under way", took)
		}
		w.takes = time.Millisecond
		w.open([]string{"s"})
		w.sleep(time.Second)
		if n := len(w.sent("a")); n != 2 || w.queued() != 0 {
			t.Errorf("%d POSTs and %d entries left, want 2 and none", n, w.queued())
		}
	})
}

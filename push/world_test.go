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
	"chatmaild/store/tokens"
)

// world is a notifier over a real database, with services, mailboxes and time of the
// test's own.
type world struct {
	t        *testing.T
	path     string
	takes    time.Duration // a POST
	db       *tokens.DB
	service  *push.Metadata
	notifier *push.Notifier
	started  time.Time
	cancel   func()
	done     chan error

	mu      sync.Mutex
	answers map[string]func(token string) push.Result // by the service's name
	posts   []post
	asked   int            // questions without a token
	now     map[string]int // POSTs in progress, by token
	most    int            // POSTs in progress at once
	events  []string
	gone    map[string]bool // mailboxes
	hangs   map[string]bool // services that never answer
}

type post struct {
	service, token string
	at             time.Duration
}

// inFlight bounds the POSTs in progress.
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
	db, err := tokens.Open(w.path, tokens.Options{
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
	w.service = &push.Metadata{
		Registry: db, Fresh: w.notifier.Fresh, Now: time.Now,
		NewToken: func(string) bool { return true },
	}
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

// Ask implements push.Sender.
func (s sender) Ask(ctx context.Context) push.Result {
	w := s.w
	w.mu.Lock()
	w.asked++
	answer, takes := w.answers[s.name], w.takes
	if w.hangs[s.name] {
		takes = time.Hour
	}
	w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return push.Result{Outcome: push.Unreached, Err: ctx.Err()}
	}
	if answer != nil {
		if r := answer(""); r.Outcome == push.Unreached {
			return r
		}
	}
	return push.Result{}
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

// unsent returns the last token of a crowd that there was no POST for. Which are sent
// first depends on the order in which their goroutines ran.
func (w *world) unsent(crowd int) string {
	w.t.Helper()
	for i := crowd - 1; i >= 0; i-- {
		if token := fmt.Sprint(i); len(w.sent(token)) == 0 {
			return token
		}
	}
	w.t.Fatal("there was a POST for each token: this proves nothing")
	return ""
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

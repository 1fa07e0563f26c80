package push_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/push"
)

func TestDelivery(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.takes = 10 * time.Millisecond
		w.account("a")
		w.message("a")
		w.sleep(5 * time.Millisecond) // the first POST is in progress
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
		waiting := w.unsent(3000)
		w.message(waiting) // overdue: it overtakes the others of its kind
		w.sleep(5 * time.Millisecond)
		if n := len(w.sent(waiting)); n != 1 {
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

// TestOutageWithoutMail has the only service die, and what waited for it go: it is asked
// now and then nevertheless, without a token, and is alive once it answers.
func TestOutageWithoutMail(t *testing.T) {
	inWorld(t, []string{"s"}, func(w *world) {
		w.answer("s", always(refused))
		w.crowd(10)
		w.sleep(time.Second)
		for i := range 10 {
			if err := w.db.Remove(fmt.Sprint(i, "@x")); err != nil {
				t.Fatal(err)
			}
		}
		w.sleep(10 * time.Minute)
		w.mu.Lock()
		posts, asked := len(w.posts), w.asked
		w.mu.Unlock()
		// After 1, 2, 4, 8, 16 and then every 30 s.
		if asked < 18 || asked > 26 {
			t.Errorf("asked %d times in ten minutes, want some twenty", asked)
		}
		w.answer("s", nil)
		w.sleep(31 * time.Second)
		w.mu.Lock()
		events, again := w.events, w.asked
		w.mu.Unlock()
		if last := events[len(events)-1]; !strings.HasPrefix(last, "alive s ") {
			t.Errorf("the last event is %q, want that it is alive", last)
		}
		w.sleep(10 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.posts) != posts || w.asked != again {
			t.Errorf("%d POSTs and %d questions more, want none", len(w.posts)-posts, w.asked-again)
		}
	})
}

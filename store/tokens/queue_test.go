package tokens

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"chatmaild/push"
)

func TestNotifyCoalesces(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one", "two")
	for i := range 5 {
		if keys := notify(t, db, "a@x", start.Add(time.Duration(i)*time.Second)); len(keys) != 2 {
			t.Errorf("message %d: %d entries to be sent, want 2", i, len(keys))
		}
	}
	if keys := notify(t, db, "b@x", start); len(keys) != 0 {
		t.Errorf("%d entries for an account without tokens", len(keys))
	}
	entries := takeDue(t, db, start.Add(time.Minute))
	if len(entries) != 2 || entries[0].Text+entries[1].Text != "onetwo" || entries[0].Account != "a@x" {
		t.Errorf("entries = %+v, want one for each token", entries)
	}
}

func TestMessageDuringAPostMakesAnotherEntry(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	keys := notify(t, db, "a@x", start)
	first, err := db.Take(keys)
	must(t, err)
	again := notify(t, db, "a@x", start) // at the very same time
	if entries, err := db.Take(again); len(entries) != 0 || err != nil {
		t.Fatalf("Take while another is sent = %v, %v; want none", entries, err)
	}
	must(t, db.Done(first[0]))
	second, err := db.Take(again)
	must(t, err)
	if len(second) != 1 {
		t.Fatalf("%d entries after the first, want 1", len(second))
	}
	must(t, db.Done(second[0]))
	if n := size(t, db); n != 0 {
		t.Errorf("%d entries left, want none", n)
	}
}

func TestRetry(t *testing.T) {
	later := start.Add(8 * time.Second)
	for name, tc := range map[string]struct {
		again bool // another message while it is sent
		first time.Time
	}{
		"alone":                {false, start},
		"with a later message": {true, start.Add(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := fixture(t)
			register(t, db, "a@x", "one")
			notify(t, db, "a@x", start)
			e := takeDue(t, db, start)[0]
			if tc.again {
				notify(t, db, "a@x", start.Add(time.Second))
			}
			must(t, db.Retry(e, later))
			if keys := notify(t, db, "a@x", start.Add(2*time.Second)); len(keys) != 0 {
				t.Errorf("a message while it waits makes %v ready", keys)
			}
			if early := takeDue(t, db, later.Add(-1)); len(early) != 0 {
				t.Errorf("taken before it is due: %+v", early)
			}
			_, next, err := db.TakeDue(start, 1)
			must(t, err)
			if !next.Equal(later) {
				t.Errorf("next is due %v, want %v", next, later)
			}
			got := takeDue(t, db, later)
			if len(got) != 1 || got[0].Tries != 1 || !got[0].First.Equal(tc.first) {
				t.Errorf("retried: %+v, want one, tried once, first %v", got, tc.first)
			}
		})
	}
}

func TestReturnKeepsItsPlace(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	notify(t, db, "a@x", start)
	e := takeDue(t, db, start)[0]
	must(t, db.Return(e))
	if got := takeDue(t, db, start); len(got) != 1 || got[0] != e {
		t.Fatalf("taken again: %+v, want %+v", got, e)
	}
	notify(t, db, "a@x", start.Add(time.Second))
	must(t, db.Return(e))
	if n := size(t, db); n != 1 {
		t.Errorf("%d entries, want the later one alone", n)
	}
}

func TestGoneRemovesTheToken(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one", "two")
	notify(t, db, "a@x", start)
	entries := takeDue(t, db, start)
	notify(t, db, "a@x", start.Add(time.Second))
	must(t, db.Gone(entries[0]))
	must(t, db.Done(entries[1]))
	if got := texts(t, db, "a@x"); got != "two" {
		t.Errorf("tokens = %q, want two", got)
	}
	if left := takeDue(t, db, start.Add(time.Minute)); len(left) != 1 || left[0].Text != "two" {
		t.Errorf("left: %+v, want one entry for two", left)
	}
}

func TestTokenThatWasForgottenIsNotSent(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	notify(t, db, "a@x", start)
	must(t, db.Forget("a@x"))
	if got := takeDue(t, db, start); len(got) != 0 {
		t.Errorf("taken: %+v, want nothing", got)
	}
}

func TestFullQueueDropsWhatWasDueLongest(t *testing.T) {
	p := &people{}
	o := options(p)
	o.MaxQueued = 3
	db := open(t, filepath.Join(t.TempDir(), "metadata.db"), o)
	for i := range 5 {
		account := fmt.Sprintf("%d@x", i)
		register(t, db, account, "token")
		notify(t, db, account, start.Add(time.Duration(i)*time.Second))
	}
	var got []string
	for _, e := range takeDue(t, db, start.Add(time.Minute)) {
		got = append(got, e.Account)
	}
	if fmt.Sprint(got) != "[2@x 3@x 4@x]" {
		t.Errorf("left: %v, want the last three", got)
	}
	stats, err := db.Stats()
	must(t, err)
	if stats.Evicted != 2 || stats.Limit != 3 {
		t.Errorf("stats = %+v, want 2 evicted of limit 3", stats)
	}
}

func TestQueueSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metadata.db")
	p := &people{}
	db, err := Open(path, options(p))
	must(t, err)
	register(t, db, "a@x", "one")
	register(t, db, "b@x", "two")
	notify(t, db, "a@x", start)
	notify(t, db, "b@x", start)
	sent := takeDue(t, db, start)
	notify(t, db, "a@x", start.Add(time.Second))
	must(t, db.Done(sent[1]))
	must(t, db.Close()) // while one is being sent, and another waits

	db = open(t, path, options(p))
	got := takeDue(t, db, start.Add(time.Minute))
	if len(got) != 1 || got[0].Text != "one" || size(t, db) != 1 {
		t.Fatalf("after reopening: %+v, want the later one of a@x", got)
	}
	must(t, db.Done(got[0]))
	must(t, db.view(func(tx *bolt.Tx) error {
		if n := tx.Bucket(queueBucket).Stats().KeyN; n != 0 {
			t.Errorf("%d keys left in the queue", n)
		}
		return nil
	}))
}

func TestClockThatWasAheadBlocksNoToken(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	notify(t, db, "a@x", start.AddDate(1, 0, 0))
	if keys := notify(t, db, "a@x", start); len(keys) != 1 {
		t.Fatalf("%d entries ready, want 1", len(keys))
	}
	if got := takeDue(t, db, start); len(got) != 1 || size(t, db) != 1 {
		t.Errorf("taken: %+v, want one", got)
	}
}

func TestExpire(t *testing.T) {
	db, _ := fixture(t)
	register(t, db, "a@x", "one")
	register(t, db, "b@x", "two")
	notify(t, db, "a@x", start)
	notify(t, db, "b@x", start.Add(time.Hour))
	if n, err := db.Expire(start.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("Expire = %d, %v; want 1", n, err)
	}
	if got := takeDue(t, db, start.Add(2*time.Hour)); len(got) != 1 || got[0].Account != "b@x" {
		t.Errorf("left: %+v, want b@x's", got)
	}
	if n, err := db.Expire(start.Add(3 * time.Hour)); n != 0 || err != nil {
		t.Errorf("Expire of what is being sent = %d, %v; want 0", n, err)
	}
}

func TestSweep(t *testing.T) {
	db, p := fixture(t)
	var registered sync.WaitGroup
	for i := range sweepChunk + 2 { // more than one transaction looks at
		account := fmt.Sprintf("many%d@x", i)
		p.add(account)
		registered.Go(func() {
			if err := db.Register(account, "token", start); err != nil {
				t.Error(err)
			}
		})
	}
	registered.Wait()
	register(t, db, "a@x", "one")
	notify(t, db, "a@x", start)
	register(t, db, "b@x", "old")
	must(t, db.Register("b@x", "recent", start.Add(push.MaxTokenAge-time.Hour)))

	p.fault = errors.New("not mounted")
	p.remove("a@x")
	if err := db.Sweep(start); !errors.Is(err, p.fault) {
		t.Errorf("Sweep without mailboxes: %v, want %v", err, p.fault)
	}
	if got := countStored(t, db, "a@x"); got != 1 {
		t.Fatalf("%d tokens left after a sweep that could not tell, want 1", got)
	}
	p.fault = nil
	must(t, db.Sweep(start.Add(push.MaxTokenAge)))
	for account, want := range map[string]int{"a@x": 0, "b@x": 1, "many0@x": 0} {
		if got := countStored(t, db, account); got != want {
			t.Errorf("%s has %d tokens, want %d", account, got, want)
		}
	}
	if _, known, err := db.stored("a@x"); known || err != nil {
		t.Errorf("something is known of a mailbox that is gone (%v)", err)
	}
	if n := size(t, db); n != 0 {
		t.Errorf("%d entries left, want none", n)
	}
}

// countStored is how many tokens are stored of an account.
func countStored(t testing.TB, db *DB, account string) int {
	t.Helper()
	tokens, _, err := db.stored(account)
	must(t, err)
	return len(tokens)
}

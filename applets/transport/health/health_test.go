package health

import (
	"fmt"
	"testing"
	"time"
)

// clock is set by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newTracker() (*Tracker, *clock) {
	c := &clock{time.Unix(1_000_000, 0)}
	return &Tracker{Now: c.Now, Random: func() float64 { return 0.5 }}, c
}

func want(t *testing.T, tr *Tracker, name string, verdict Verdict) (changed <-chan struct{}) {
	t.Helper()
	_, rests := tr.Rests(name)
	got, changed, _ := tr.Admit(name)
	if got != verdict || rests != (verdict == Resting) {
		t.Fatalf("%s: got %v, and that it rests: %v; want %v", name, got, rests, verdict)
	}
	return changed
}

// TestDead has a host fail again and again: one probe at a time, at growing intervals.
func TestDead(t *testing.T) {
	tr, clock := newTracker()
	want(t, tr, "dead", Go)
	tr.Done("dead", "timeout")
	pause := firstPause
	for range 12 {
		want(t, tr, "dead", Resting)
		clock.now = clock.now.Add(pause - time.Second)
		want(t, tr, "dead", Resting)
		clock.now = clock.now.Add(time.Second)
		want(t, tr, "dead", Go)
		want(t, tr, "dead", Resting) // beside the probe
		tr.Done("dead", "timeout again")
		pause = min(2*pause, maxPause)
	}
	states := tr.Resting()
	if len(states) != 1 || states[0].Host != "dead" || states[0].Reason != "timeout again" ||
		!states[0].Since.Equal(time.Unix(1_000_000, 0)) || states[0].Next.Sub(clock.now) != maxPause {
		t.Errorf("got %+v", states)
	}
	clock.now = clock.now.Add(maxPause)
	want(t, tr, "dead", Go)
	tr.Done("dead", "")
	for range PerHost {
		want(t, tr, "dead", Go)
	}
	if len(tr.Resting()) > 0 {
		t.Error("a host that answers rests")
	}
}

// TestRetry ends a long rest.
func TestRetry(t *testing.T) {
	tr, clock := newTracker()
	for range 5 {
		want(t, tr, "dead", Go)
		tr.Done("dead", "timeout")
		clock.now = clock.now.Add(maxPause)
	}
	want(t, tr, "dead", Go)
	tr.Done("dead", "timeout")
	want(t, tr, "dead", Resting)
	tr.Retry("dead")
	tr.Retry("never seen")
	if got := tr.Resting(); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
	for range Untried { // all mail for it may have been retried: the rest of it waits
		want(t, tr, "dead", Go)
	}
	want(t, tr, "dead", Wait)
	tr.Done("dead", "timeout")
	want(t, tr, "dead", Resting)
	if got := tr.Resting()[0].Next.Sub(clock.now); got != firstPause {
		t.Errorf("the next pause is %v, want %v", got, firstPause)
	}
}

// TestWait has many messages for a host of which nothing is known.
func TestWait(t *testing.T) {
	tr, _ := newTracker()
	for range Untried {
		want(t, tr, "new", Go)
	}
	changed := want(t, tr, "new", Wait)
	select {
	case <-changed:
		t.Fatal("nothing has changed")
	default:
	}
	want(t, tr, "other", Go)
	tr.Done("new", "")
	<-changed
	for range PerHost - Untried + 1 {
		want(t, tr, "new", Go)
	}
	changed = want(t, tr, "new", Wait)
	tr.Done("new", "refused")
	<-changed
	want(t, tr, "new", Resting)
	tr.Done("new", "refused") // under way with the first
	if got := tr.Resting()[0].Next.Sub(tr.Now()); got != firstPause {
		t.Errorf("two attempts at once failed: the pause is %v, want %v", got, firstPause)
	}
}

func TestJitter(t *testing.T) {
	for random, factor := range map[float64]float64{0: 1 - jitter, 0.5: 1, 0.999999: 1 + jitter} {
		tr, clock := newTracker()
		tr.Random = func() float64 { return random }
		want(t, tr, "x", Go)
		tr.Done("x", "no")
		got, ideal := tr.Resting()[0].Next.Sub(clock.now), time.Duration(factor*float64(firstPause))
		if d := got - ideal; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("%v: got %v, want %v", random, got, ideal)
		}
	}
}

// TestBound wants memory of hosts to have an end, and those in use to be kept.
func TestBound(t *testing.T) {
	tr, clock := newTracker()
	want(t, tr, "kept", Go)
	for n := range 3 * maxHosts {
		clock.now = clock.now.Add(time.Second)
		name := fmt.Sprint(n)
		want(t, tr, name, Go)
		tr.Done(name, "no")
	}
	if len(tr.hosts) > maxHosts {
		t.Errorf("%d hosts are known", len(tr.hosts))
	}
	if h := tr.hosts["kept"]; h == nil || h.inFlight != 1 {
		t.Error("a host in use was forgotten")
	}
}

// TestTrials has many hosts tried that do not answer: a good one has its places beside them,
// and a place that comes free is another one's.
func TestTrials(t *testing.T) {
	tr, clock := newTracker()
	want(t, tr, "good", Go)
	tr.Done("good", "")
	for i := range AllUntried {
		want(t, tr, fmt.Sprintf("dead%d", i), Go)
	}
	changed := want(t, tr, "new", Crowded)
	for range PerHost {
		want(t, tr, "good", Go)
	}
	want(t, tr, "good", Wait)
	tr.Done("dead0", "timeout")
	select {
	case <-changed:
	default:
		t.Fatal("a free place is not announced")
	}
	clock.now = clock.now.Add(maxPause)
	want(t, tr, "new", Go)
	tr.Done("new", "")
	for i := 1; i <= AllUntried/2; i++ {
		want(t, tr, "dead0", Resting) // its probe has no place: others may be new
		tr.Done(fmt.Sprintf("dead%d", i), "timeout")
	}
	want(t, tr, "dead0", Go)
}

// TestStale has a host that nobody writes to any more not count as one that does not answer.
func TestStale(t *testing.T) {
	tr, clock := newTracker()
	want(t, tr, "dead", Go)
	tr.Done("dead", "timeout")
	for _, test := range []struct {
		after time.Duration
		want  int
	}{{stale, 1}, {2 * firstPause, 0}} {
		clock.now = clock.now.Add(test.after)
		if got := tr.Resting(); len(got) != test.want {
			t.Errorf("%v later: got %+v, want %d", test.after, got, test.want)
		}
	}
}

// TestProven has a host answer while other attempts to it are under way: none is a trial any
// more.
func TestProven(t *testing.T) {
	tr, _ := newTracker()
	for range Untried {
		want(t, tr, "new", Go)
	}
	tr.Done("new", "")
	tr.Done("new", "broken")
	for i := range AllUntried {
		want(t, tr, fmt.Sprintf("other%d", i), Go)
	}
	want(t, tr, "another", Crowded)
}

// TestBusy has hosts take what all have together: each good one still gets a few places.
func TestBusy(t *testing.T) {
	tr, _ := newTracker()
	for i := range Busy/PerHost + 1 {
		name := fmt.Sprintf("slow%d", i)
		want(t, tr, name, Go)
		tr.Done(name, "")
		places := PerHost
		if i == Busy/PerHost {
			places = Fair
		}
		for range places {
			want(t, tr, name, Go)
		}
		want(t, tr, name, Wait)
	}
}

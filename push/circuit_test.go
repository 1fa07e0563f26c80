package push

import (
	"fmt"
	"testing"
	"time"
)

// broken returns a circuit that was just opened by strong evidence.
func broken(t *testing.T) *Circuit {
	t.Helper()
	c := &Circuit{}
	for i := range deadAt / strongEvidence {
		if opened := c.Fail(noon, "a", true, false, 0); opened != (i == deadAt/strongEvidence-1) {
			t.Fatalf("failure %d: opened = %v", i, opened)
		}
	}
	return c
}

func TestCircuitOpensByEvidence(t *testing.T) {
	weak := &Circuit{}
	for i := range deadAt - 1 {
		if weak.Fail(noon, fmt.Sprint(i), false, false, 0) {
			t.Fatal("opened too early")
		}
	}
	if !weak.Fail(noon, "last", false, false, 0) {
		t.Error("not opened by much weak evidence")
	}
	one := &Circuit{}
	for range 100 * deadAt {
		if one.Fail(noon, "a", false, false, 0) {
			t.Fatal("opened by one account")
		}
	}
	if len(one.failed) != 1 {
		t.Errorf("%d accounts are remembered, want 1", len(one.failed))
	}
	mixed := &Circuit{}
	for i := range 10 * deadAt {
		mixed.Fail(noon, fmt.Sprint(i), false, false, 0)
		mixed.Succeed(noon)
	}
	if ok, probe := mixed.Allow(noon); !ok || probe {
		t.Error("opened although it works now and then")
	}
	held := &Circuit{}
	if !held.Fail(noon, "a", true, false, time.Minute) {
		t.Error("not opened by a service that wants to be left alone")
	}
	if ok, _ := held.Allow(noon.Add(time.Minute - 1)); ok {
		t.Error("asked before it wanted to be")
	}
}

func TestCircuitProbes(t *testing.T) {
	c := broken(t)
	now := noon
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if ok, _ := c.Allow(now.Add(wait*time.Second - 1)); ok {
			t.Fatalf("asked before %d s", wait)
		}
		now = now.Add(wait * time.Second)
		if ok, probe := c.Allow(now); !ok || !probe {
			t.Fatalf("no probe after %d s", wait)
		}
		if ok, _ := c.Allow(now); ok {
			t.Fatal("two probes at a time")
		}
		c.Fail(now, "a", true, false, 0) // one that was sent before
		if ok, _ := c.Allow(now); ok {
			t.Fatal("a late failure ended the probe")
		}
		c.Fail(now, "a", true, true, 0)
	}
	c.Allow(now.Add(time.Minute))
	c.Abandon(true)
	if ok, probe := c.Allow(now.Add(time.Minute)); !ok || !probe {
		t.Error("an abandoned probe blocks the next")
	}
	down, closed := c.Succeed(now.Add(time.Minute))
	if want := now.Add(time.Minute).Sub(noon); !closed || down != want {
		t.Errorf("Succeed = %v, %v; want %v", down, closed, want)
	}
	if ok, probe := c.Allow(now); !ok || probe {
		t.Error("not closed")
	}
}

func TestCircuitHoldIsBounded(t *testing.T) {
	c := broken(t)
	c.Allow(noon.Add(time.Second))
	c.Fail(noon.Add(time.Second), "a", true, true, 24*time.Hour)
	if ok, _ := c.Allow(noon.Add(time.Second + maxHold)); !ok {
		t.Errorf("not asked after %v", maxHold)
	}
}

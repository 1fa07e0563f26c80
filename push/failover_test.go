package push

import (
	"context"
	"errors"
	"testing"
	"time"
)

// mute is an Events that nobody listens to.
type mute struct{}

func (mute) ServiceDead(string, error)          {}
func (mute) ServiceAlive(string, time.Duration) {}
func (mute) Expired(int)                        {}
func (mute) Fault(error)                        {}

// fixed is a Sender that always answers the same.
type fixed Result

func (f fixed) Send(context.Context, string) Result { return Result(f) }
func (f fixed) Ask(context.Context) Result          { return Result(f) }

func TestCapacity(t *testing.T) {
	now := noon
	down := fixed{Outcome: Unreached, Err: errors.New("connection refused")}
	f := newFailover([]Endpoint{{"one", down}, {"two", down}}, func() time.Time { return now }, mute{})
	check := func(when string, free, wantN int, wantProbe bool, wantAt time.Time) {
		t.Helper()
		if n, probe, at := f.capacity(free); n != wantN || probe != wantProbe || !at.Equal(wantAt) {
			t.Errorf("%s: capacity(%d) = %d, %v, %v; want %d, %v, %v", when, free, n, probe, at, wantN, wantProbe, wantAt)
		}
	}
	check("alive", 5, 5, false, time.Time{})
	check("alive and busy", 0, 0, false, time.Time{})
	for range deadAt / strongEvidence {
		f.send(t.Context(), "a@x", "token")
	}
	check("dead", 5, 0, false, noon.Add(minProbe))
	now = noon.Add(minProbe)
	check("to be probed", 5, 1, true, time.Time{})
	f.services[0].circuit.Allow(now)
	f.services[1].circuit.Allow(now)
	check("being probed", 5, 0, false, time.Time{})
	f.services[1].circuit.Fail(now, "a", true, true, 0)
	check("one being probed", 5, 0, false, now.Add(2*minProbe))
	f.services[0].circuit.Succeed(now)
	check("one alive", 5, 5, false, time.Time{})
}

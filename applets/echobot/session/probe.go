package session

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// probeTimeout is how long a probe may take. Nobody waits longer for a message.
const probeTimeout = time.Minute

// Probe is the result of one probe.
type Probe struct {
	Time        time.Time `json:"time"` // when it was sent
	OK          bool      `json:"ok"`
	Seconds     float64   `json:"seconds"`               // from sending it until it was read
	Error       string    `json:"error,omitempty"`       // why it failed
	LastSuccess time.Time `json:"last_success,omitzero"` // the last that went well
	Interval    float64   `json:"interval_seconds"`      // between probes
}

// ParseProbe reads what [Probe.Marshal] wrote.
func ParseProbe(text []byte) (p Probe, err error) { return p, json.Unmarshal(text, &p) }

// Marshal returns the probe as it is kept for others to read.
func (p Probe) Marshal() ([]byte, error) {
	text, err := json.Marshal(p)
	return append(text, '\n'), err
}

// probe sends a message to the bot itself at an interval: the first as soon as
// there is a connection, or when there should be one.
func (s *Session) probe(ctx context.Context) {
	first := time.NewTimer(min(s.Probe, probeTimeout))
	defer first.Stop()
	select {
	case <-s.ready:
	case <-first.C:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(s.Probe)
	defer tick.Stop()
	var last time.Time
	for {
		p := Probe{Time: s.Now().UTC(), Interval: s.Probe.Seconds()}
		took, err := s.probeOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			p.OK, p.Seconds, last = true, took.Seconds(), p.Time
		} else {
			p.Error = withoutText(err).Error()
			s.Log.Warn("a message to myself did not arrive", "error", p.Error)
		}
		p.LastSuccess = last
		s.Events.Probed(p)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

var errProbeLost = errors.New("it was sent, but did not come back in time")

func (s *Session) probeOnce(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, min(s.Probe, probeTimeout), errProbeLost)
	defer cancel()
	// A login of its own, as that of a phone that wakes up.
	out, err := s.Server.OpenOutbox(ctx, s.Addr, s.Password)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	m, id, err := s.Bot.Probe(s.Now())
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := out.Send(ctx, m.To, m.Raw); err != nil {
		return 0, err
	}
	for {
		select {
		case got := <-s.probed:
			if got == id {
				return time.Since(start), nil
			}
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

package turn

import (
	"chatmaild/applets/service/metric"
	"chatmaild/applets/turn/relay"
)

// Metrics is what the turn daemon counts.
type Metrics struct {
	now, all *metric.Value
	in, out  *metric.Value
	refused  *metric.Values
}

var _ relay.Events = (*Metrics)(nil)

// NewMetrics adds to set what the turn daemon counts.
func NewMetrics(set *metric.Set) *Metrics {
	bytes := set.Counter("chatmaild_turn_relayed_bytes_total", "Bytes relayed for calls, by direction as a peer sees it",
		metric.Label{Name: "direction", Values: []string{"from_peer", "to_peer"}})
	m := &Metrics{
		in: bytes.At("from_peer"), out: bytes.At("to_peer"),
		now: set.Gauge("chatmaild_turn_allocations", "Relayed ports in use").At(),
		all: set.Counter("chatmaild_turn_allocations_total", "Relayed ports handed out since the daemon started").At(),
		refused: set.Counter("chatmaild_turn_refused_total", "Requests and packets refused or dropped by the TURN server, by reason",
			metric.Label{Name: "reason", Values: relay.Reasons()}),
	}
	m.now.Set(0)
	return m
}

// Allocated implements relay.Events.
func (m *Metrics) Allocated(now int) {
	m.now.Set(float64(now))
	m.all.Add(1)
}

// Released implements relay.Events.
func (m *Metrics) Released(now int) { m.now.Set(float64(now)) }

// Relayed implements relay.Events.
func (m *Metrics) Relayed(in bool, n int) {
	if in {
		m.in.Add(float64(n))
	} else {
		m.out.Add(float64(n))
	}
}

// Refused implements relay.Events.
func (m *Metrics) Refused(why relay.Reason) { m.refused.At(string(why)).Add(1) }

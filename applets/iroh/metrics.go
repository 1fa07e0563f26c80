package iroh

import (
	"chatmaild/applets/iroh/relay"
	"chatmaild/applets/service/metric"
)

// Metrics is what the iroh daemon counts.
type Metrics struct {
	now, all, relayed *metric.Value
	refused           *metric.Values
}

var _ relay.Events = (*Metrics)(nil)

// NewMetrics adds to set what the iroh daemon counts.
func NewMetrics(set *metric.Set) *Metrics {
	m := &Metrics{
		now:     set.Gauge("chatmaild_iroh_clients", "Clients of the iroh relay").At(),
		all:     set.Counter("chatmaild_iroh_clients_total", "Clients of the iroh relay since the daemon started").At(),
		relayed: set.Counter("chatmaild_iroh_relayed_bytes_total", "Bytes relayed between apps").At(),
		refused: set.Counter("chatmaild_iroh_refused_total", "Clients and packets refused or dropped by the iroh relay, by reason",
			metric.Label{Name: "reason", Values: relay.Reasons()}),
	}
	m.now.Set(0)
	return m
}

// Connected implements relay.Events.
func (m *Metrics) Connected(now int) {
	m.now.Set(float64(now))
	m.all.Add(1)
}

// Left implements relay.Events.
func (m *Metrics) Left(now int) { m.now.Set(float64(now)) }

// Relayed implements relay.Events.
func (m *Metrics) Relayed(n int) { m.relayed.Add(float64(n)) }

// Refused implements relay.Events.
func (m *Metrics) Refused(why relay.Reason) { m.refused.At(string(why)).Add(1) }

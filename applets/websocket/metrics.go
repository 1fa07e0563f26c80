package websocket

import (
	"chatmaild/applets/service/metric"
	"chatmaild/applets/websocket/bridge"
)

// Metrics is what the websocket daemon counts.
type Metrics struct {
	now, all *metric.Value
	refused  *metric.Values
}

var _ bridge.Events = (*Metrics)(nil)

// NewMetrics adds to set what the websocket daemon counts.
func NewMetrics(set *metric.Set) *Metrics {
	m := &Metrics{
		now: set.Gauge("chatmaild_websocket_clients", "Connections by WebSocket").At(),
		all: set.Counter("chatmaild_websocket_clients_total", "Connections by WebSocket since the daemon started").At(),
		refused: set.Counter("chatmaild_websocket_refused_total", "Connections by WebSocket refused or ended by the relay, by reason",
			metric.Label{Name: "reason", Values: bridge.Reasons()}),
	}
	m.now.Set(0)
	return m
}

// Connected implements bridge.Events.
func (m *Metrics) Connected(now int) {
	m.now.Set(float64(now))
	m.all.Add(1)
}

// Left implements bridge.Events.
func (m *Metrics) Left(now int) { m.now.Set(float64(now)) }

// Refused implements bridge.Events.
func (m *Metrics) Refused(why bridge.Reason) { m.refused.At(string(why)).Add(1) }

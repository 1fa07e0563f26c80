package transport

import (
	"io"
	"time"

	"chatmaild/applets/service/metric"
	"chatmaild/applets/transport/courier"
	"chatmaild/applets/transport/health"
	"chatmaild/applets/transport/lmtp"
)

// Metrics counts what was signed and delivered.
type Metrics struct {
	delivered, failed *metric.Values
	took              map[courier.Way]*metric.Histogram
	resting, signed   *metric.Value
}

var _ courier.Observer = (*Metrics)(nil)

// NewMetrics adds to set what the transport counts.
func NewMetrics(set *metric.Set) *Metrics {
	way := metric.Label{Name: "way", Values: []string{string(courier.HTTPS), string(courier.SMTP)}}
	took := set.Histogram("chatmaild_transport_seconds", "Time to deliver a message to another relay that accepted it", metric.Latency(), way)
	return &Metrics{
		delivered: set.Counter("chatmaild_transport_delivered_total", "Recipients for whom another relay accepted a message", way),
		failed:    set.Counter("chatmaild_transport_failed_total", "Attempts that another relay did not answer", way),
		took: map[courier.Way]*metric.Histogram{
			courier.HTTPS: took.At(string(courier.HTTPS)), courier.SMTP: took.At(string(courier.SMTP)),
		},
		resting: set.Gauge("chatmaild_transport_resting_hosts", "Hosts of other relays that do not answer").At(),
		signed:  set.Counter("chatmaild_dkim_signed_total", "Messages signed").At(),
	}
}

// signs counts what sign signs.
func (m *Metrics) signs(sign lmtp.Sign) lmtp.Sign {
	return func(open func() io.Reader) (string, error) {
		field, err := sign(open)
		if field != "" {
			m.signed.Add(1)
		}
		return field, err
	}
}

// follow has the gauges read what is known of hosts, before each scrape.
func (m *Metrics) follow(set *metric.Set, hosts *health.Tracker) {
	set.Before(func() { m.resting.Set(float64(len(hosts.Resting()))) })
}

// Delivered implements courier.Observer.
func (m *Metrics) Delivered(way courier.Way, recipients int, took time.Duration) {
	m.delivered.At(string(way)).Add(float64(recipients))
	m.took[way].Took(took)
}

// Failed implements courier.Observer.
func (m *Metrics) Failed(way courier.Way) { m.failed.At(string(way)).Add(1) }

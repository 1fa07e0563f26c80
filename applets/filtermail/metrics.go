package filtermail

import (
	"chatmaild/applets/service/metric"
	"chatmaild/mailfilter"
	"chatmaild/mailfilter/dkim"
	"chatmaild/mailfilter/proxy"
)

// Metrics counts what a filter did.
type Metrics struct {
	direction    string
	messages     *metric.Values
	refused      *metric.Values
	received     *metric.Value
	check, queue *metric.Histogram
}

var _ proxy.Observer = (*Metrics)(nil)

// NewMetrics adds to set what a filter counts; direction is "in" or "out".
func NewMetrics(set *metric.Set, direction string) *Metrics {
	way := metric.Label{Name: "direction", Values: []string{direction}}
	result := metric.Label{Name: "result"}
	for _, r := range proxy.Results() {
		result.Values = append(result.Values, r.String())
	}
	reason := metric.Label{Name: "reason"}
	for _, r := range mailfilter.Reasons() {
		reason.Values = append(reason.Values, r.String())
	}
	return &Metrics{
		direction: direction,
		messages:  set.Counter("chatmaild_filter_messages_total", "Messages handled by the filters, by result", way, result),
		refused:   set.Counter("chatmaild_filter_refused_total", "Messages refused by the filters' policy, by reason", way, reason),
		received:  set.Counter("chatmaild_filter_received_bytes_total", "Message bytes received by the filters", way).At(direction),
		check: set.Histogram("chatmaild_filter_check_seconds", "Time to check a message, without waiting for Postfix or DNS",
			metric.Latency(), way).At(direction),
		queue: set.Histogram("chatmaild_filter_queue_seconds", "Time until Postfix accepted a message behind the filter",
			metric.Latency(), way).At(direction),
	}
}

// Message implements proxy.Observer.
func (m *Metrics) Message(ev proxy.Event) {
	m.messages.At(m.direction, ev.Result.String()).Add(1)
	m.received.Add(float64(ev.Size))
	switch ev.Result {
	case proxy.Refused:
		m.refused.At(m.direction, ev.Reason.String()).Add(1)
	case proxy.Passed:
		m.check.Took(ev.Check)
		m.queue.Took(ev.Queue)
	}
}

// LookupMetrics counts how DKIM keys were looked for.
type LookupMetrics struct{ lookups *metric.Values }

// The outcomes of look-ups.
const (
	lookupAnswered   = "answered"
	lookupFailed     = "failed"
	lookupRemembered = "remembered"
	lookupCrowded    = "crowded"
)

// NewLookupMetrics adds to set what is counted of look-ups.
func NewLookupMetrics(set *metric.Set) *LookupMetrics {
	return &LookupMetrics{set.Counter("chatmaild_dkim_lookups_total",
		"DNS lookups of DKIM keys, answered or failed, and messages deferred without a lookup: because it had just failed "+
			"(remembered), or because too many messages of the domain, or of unverified domains, were waiting (crowded)",
		metric.Label{Name: "outcome", Values: []string{lookupAnswered, lookupFailed, lookupRemembered, lookupCrowded}})}
}

// follow has the metrics read, before each scrape, what the verifier counts.
func (m *LookupMetrics) follow(set *metric.Set, v *dkim.Verifier) {
	set.Before(func() {
		s := v.Stats()
		for outcome, n := range map[string]uint64{
			lookupAnswered: s.Answered, lookupFailed: s.Failed, lookupRemembered: s.Remembered, lookupCrowded: s.Crowded,
		} {
			m.lookups.At(outcome).Set(float64(n))
		}
	})
}

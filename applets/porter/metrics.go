package porter

import "chatmaild/applets/service/metric"

// Metrics is what the daemon tells of moves.
type Metrics struct {
	done, failed *metric.Value
	took         *metric.Histogram
}

// NewMetrics adds to set what the daemon tells.
func NewMetrics(set *metric.Set) *Metrics {
	outcomes := set.Counter("chatmaild_mailbox_moves_total",
		"Mailboxes that have left for another machine, and tries that failed and are repeated",
		metric.Label{Name: "outcome", Values: []string{"moved", "failed_try"}})
	return &Metrics{
		done: outcomes.At("moved"), failed: outcomes.At("failed_try"),
		took: set.Histogram("chatmaild_mailbox_move_seconds", "For how long a mailbox that moved was closed", metric.Latency()).At(),
	}
}

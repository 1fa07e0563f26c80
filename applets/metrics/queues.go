package metrics

import (
	"context"
	"time"

	"chatmaild/applets/service/metric"
	"chatmaild/packaging/postfix/queue"
)

// queues counts what is in Postfix's queues.
func (m *relayMetrics) queues(ctx context.Context) error {
	found, err := queue.Look(ctx, func(queue.Waiting) {})
	now := time.Now()
	for _, name := range queue.Names() {
		if err != nil {
			m.messages.At(name).Set(metric.Unknown)
			m.oldest.At(name).Set(metric.Unknown)
			continue
		}
		q := found[name]
		m.messages.At(name).Set(float64(q.Messages))
		m.oldest.At(name).Set(0)
		if q.Messages > 0 {
			m.oldest.At(name).Set(max(now.Sub(q.Oldest).Seconds(), 0))
		}
	}
	return err
}

package metadata

import (
	"log/slog"
	"time"

	"chatmaild/applets/service/metric"
)

// deliveries counts how delivered messages get to the disk.
type deliveries struct {
	took     *metric.Histogram
	outcomes *metric.Values
}

// The outcomes of deliveries.
const (
	deliveryStored = "stored"
	deliveryFailed = "failed"
)

// newDeliveries adds to set what is told of deliveries.
func newDeliveries(set *metric.Set) deliveries {
	return deliveries{
		took: set.Histogram("chatmaild_delivery_sync_seconds", "Time of a sync of delivered messages to the disk; deliveries at the same time share one",
			metric.Latency()).At(),
		outcomes: set.Counter("chatmaild_delivery_synced_total", "Deliveries that waited for such a sync, by its outcome",
			metric.Label{Name: "outcome", Values: []string{deliveryStored, deliveryFailed}}),
	}
}

// synced returns what is told of each sync.
func (d deliveries) synced(log *slog.Logger) func(took time.Duration, waiting int, err error) {
	return func(took time.Duration, waiting int, err error) {
		d.took.Took(took)
		outcome := deliveryStored
		if err != nil {
			outcome = deliveryFailed
			log.Error("delivered messages may not be on the disk: they are lost if the machine crashes now", "messages", waiting, "error", err)
		}
		d.outcomes.At(outcome).Add(float64(waiting))
	}
}

package metadata

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/applets/service/metric"
	"chatmaild/store/disk"
	"chatmaild/store/maildir"
)

// delivered makes durable what was delivered: the messages, or all that the file system has
// not written yet, where it is not certain which they are.
type delivered struct {
	messages *maildir.Delivered
	all      *disk.Syncer
	deliveries
	log *slog.Logger
}

// Sync makes durable what was delivered to a user so far.
func (d *delivered) Sync(ctx context.Context, user string) error {
	start, outcome := time.Now(), deliveryStored
	_, certain, err := d.messages.Sync(user)
	if !certain || err != nil {
		outcome = deliveryAll
		err = d.all.Sync(ctx)
	}
	d.took.Took(time.Since(start))
	if err != nil {
		outcome = deliveryFailed
		d.log.Error("a delivered message may not be on the disk: it is lost if the machine crashes now", "error", err)
	}
	d.outcomes.At(outcome).Add(1)
	return err
}

// deliveries counts how delivered messages get to the disk.
type deliveries struct {
	took     *metric.Histogram
	outcomes *metric.Values
}

// The outcomes of deliveries.
const (
	deliveryStored = "stored"
	deliveryAll    = "stored_with_all"
	deliveryFailed = "failed"
)

// newDeliveries adds to set what is told of deliveries.
func newDeliveries(set *metric.Set) deliveries {
	return deliveries{
		took: set.Histogram("chatmaild_delivery_sync_seconds", "Time until a delivered message is on the disk", metric.Latency()).At(),
		outcomes: set.Counter("chatmaild_delivery_synced_total", "Deliveries that waited for the disk, by outcome; stored_with_all: all of the file system was written",
			metric.Label{Name: "outcome", Values: []string{deliveryStored, deliveryAll, deliveryFailed}}),
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// arrivalPoll is how often a burst looks whether all of it has arrived.
const arrivalPoll = 5 * time.Millisecond

// A burst is what many messages at the same time took.
type burst struct {
	rate     float64            // messages a second, until the last is in its mailbox
	accepted float64            // … until the last has its 250
	cost     map[string]float64 // processor time of each service for a message, in ms
}

// burst has everybody send at the same time, over the open connections.
func (c *crowd) burst(ctx context.Context, messages int) (b burst, err error) {
	before, err := readProcessors(c.relay)
	if err != nil {
		return b, err
	}
	there, start := c.mail.Count(), time.Now()
	errs := make(chan error, len(c.people))
	for i, p := range c.people {
		go func() {
			var err error
			for n := i; n < messages && err == nil; n += len(c.people) {
				err = p.send()
			}
			errs <- err
		}()
	}
	for range c.people {
		err = errors.Join(err, <-errs)
	}
	if err != nil {
		return b, err
	}
	b.accepted = float64(messages) / time.Since(start).Seconds()
	tick := time.NewTicker(arrivalPoll)
	defer tick.Stop()
	for c.mail.Count() < there+messages {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return b, fmt.Errorf("%d of %d messages have arrived: %w", c.mail.Count()-there, messages, ctx.Err())
		}
	}
	b.rate = float64(messages) / time.Since(start).Seconds()
	after, err := readProcessors(c.relay)
	b.cost = map[string]float64{}
	for service, used := range after {
		b.cost[service] = (used - before[service]).Seconds() * 1000 / float64(messages)
	}
	return b, err
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Level is what a relay did under one load: so many clients that send one message
// after the other.
type Level struct {
	Clients   int     `json:"clients"`
	Taken     int     `json:"taken"`      // messages that the relay took
	Slower    int     `json:"slower"`     // that it did not take because of its limit
	Failed    int     `json:"failed"`     // that it refused for another reason
	Missing   int     `json:"missing"`    // that it took and did not deliver in time
	Untold    int     `json:"untold"`     // that it delivered, but IDLE did not tell
	PerSecond float64 `json:"per_second"` // delivered
	Accept    Series  `json:"accept"`     // from MAIL to the relay's 250
	Delivery  Series  `json:"delivery"`   // from MAIL until the receiver's IDLE tells
	// Held says that clients had to wait for the limit: the relay could do more.
	Held bool `json:"held"`
}

// growth is by how much a level has to be better than the best before it.
// Less than a tenth is within what two levels of the same load differ by.
const growth = 1.1

// load doubles the clients until that brings no more messages through.
func (b *bench) load(ctx context.Context) error {
	for clients := 1; clients <= maxWorkers; clients *= 2 {
		if clients > len(b.accounts) {
			b.report.Stopped = fmt.Sprintf("there are only %d accounts", len(b.accounts))
			return nil
		}
		b.Progress("load: %d clients", clients)
		level, err := b.level(ctx, clients)
		if err != nil {
			return err
		}
		b.report.Levels = append(b.report.Levels, level)
		grown := level.PerSecond >= b.report.Best*growth
		b.report.Best = max(b.report.Best, level.PerSecond)
		switch {
		case level.Failed > 0 || level.Missing > 0:
			b.report.Stopped = fmt.Sprintf("%d messages were refused and %d did not arrive", level.Failed, level.Missing)
			return nil
		case level.Held && !grown:
			b.report.Stopped = fmt.Sprintf("%d accounts may not send any faster: the relay could do more", len(b.accounts))
			return nil
		case !grown:
			b.report.Stopped = "more clients did not get more messages through"
			return nil
		}
	}
	b.report.Stopped = "no more clients than this are tried"
	return nil
}

// level lets some clients send for a while, then waits until all has arrived.
func (b *bench) level(ctx context.Context, clients int) (Level, error) {
	level := Level{Clients: clients}
	limited, cancel := context.WithTimeout(ctx, b.Level)
	defer cancel()
	start := time.Now()
	var mu sync.Mutex
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for limited.Err() == nil {
				c, err := b.allowance.take(limited)
				if err != nil {
					return
				}
				took, err := c.send(b.arrivals)
				mu.Lock()
				switch {
				case err == nil:
					level.Taken++
					level.Accept = append(level.Accept, took)
				case errors.Is(err, errSlower):
					level.Slower++
					b.allowance.spent(c, time.Now())
				default:
					level.Failed++
				}
				mu.Unlock()
				b.allowance.give(c)
			}
		})
	}
	group.Wait()
	// Said beside the figure, since then it is the limit's and not the relay's.
	level.Held = b.allowance.waited() > 0 || level.Slower > 0
	end := time.Now()
	got := b.collect(ctx)
	level.Delivery, level.Missing, level.Untold = got.took, got.missing, got.untold
	if err := ctx.Err(); err != nil {
		return level, err
	}
	if seconds := later(end, got.last).Sub(start).Seconds(); seconds > 0 {
		level.PerSecond = float64(len(level.Delivery)) / seconds
	}
	return level, nil
}

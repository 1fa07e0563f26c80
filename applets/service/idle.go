package service

import (
	"context"
	"time"
)

// How long a daemon that its sockets start stays without being used, and how often it
// looks.
const (
	idleTime     = 5 * time.Minute
	idleInterval = 30 * time.Second
)

// untilIdle returns when nothing has been in use for a while, or ctx is done.
func untilIdle(ctx context.Context, inUse func() int) {
	tick := time.NewTicker(idleInterval)
	defer tick.Stop()
	for since := time.Now(); time.Since(since) < idleTime; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if inUse() > 0 {
			since = time.Now()
		}
	}
}

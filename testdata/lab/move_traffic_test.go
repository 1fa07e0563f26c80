package lab

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// traffic is messages from bob to alice, one after the other.
type traffic struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	sent int
	more chan struct{} // closed at the next message
}

func trafficText(n int) string { return fmt.Sprintf("on the way, number %d", n) }

func startTraffic(m *moving) *traffic {
	ctx, cancel := context.WithCancel(m.whole)
	f := &traffic{cancel: cancel, done: make(chan struct{}), more: make(chan struct{})}
	go func() {
		defer close(f.done)
		pause := time.NewTicker(sendPause)
		defer pause.Stop()
		for n := 0; ; n++ {
			if _, err := m.bob.SendText(ctx, m.ba, trafficText(n)); err != nil {
				return
			}
			f.mu.Lock()
			f.sent = n + 1
			close(f.more)
			f.more = make(chan struct{})
			f.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	}()
	return f
}

func (f *traffic) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// waitSent waits until the client has taken n messages to send.
func (f *traffic) waitSent(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for {
		f.mu.Lock()
		sent, more := f.sent, f.more
		f.mu.Unlock()
		if sent >= n {
			return
		}
		select {
		case <-more:
		case <-f.done:
			t.Fatal("the traffic has ended")
		case <-ctx.Done():
			t.Fatalf("waiting for %d messages to be sent: %v", n, ctx.Err())
		}
	}
}

// stop ends the traffic; nothing more is sent afterwards.
func (f *traffic) stop() {
	if f == nil {
		return
	}
	f.cancel()
	<-f.done
}

// flows waits until what is sent from now on is there.
func (m *moving) flows(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	defer nudging(ctx, m.alice, m.bob)()
	n := m.traffic.count()
	m.traffic.waitSent(ctx, t, n+1)
	if _, _, err := m.alice.WaitText(ctx, trafficText(n)); err != nil {
		t.Fatal(err)
	}
}

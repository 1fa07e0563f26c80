package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/chat/imap"
)

// arrivals knows what is on its way.
type arrivals struct {
	mu      sync.Mutex
	sent    map[string]time.Time // by Message-ID
	took    Series
	last    time.Time
	changed chan struct{} // closed at each arrival
}

func newArrivals() *arrivals {
	return &arrivals{sent: make(map[string]time.Time), changed: make(chan struct{})}
}

// leave notes that a message sets out.
func (a *arrivals) leave(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[id] = now
}

// refused notes that a message did not set out after all.
func (a *arrivals) refused(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sent, id)
}

// arrive notes the first arrival of a message; copies do not count.
func (a *arrivals) arrive(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left, ok := a.sent[id]
	if !ok {
		return
	}
	delete(a.sent, id)
	a.took, a.last = append(a.took, now.Sub(left)), now
	// What waits holds the former channel; it wakes and looks again.
	close(a.changed)
	a.changed = make(chan struct{})
}

// wait returns once all have arrived, or ctx ends.
func (a *arrivals) wait(ctx context.Context) {
	for ctx.Err() == nil {
		a.mu.Lock()
		under, changed := len(a.sent), a.changed
		a.mu.Unlock()
		if under == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// take returns how long each message took since the last call, when the last one
// came, and which have not; and forgets them.
func (a *arrivals) take() (took Series, last time.Time, missing map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	missing = make(map[string]bool)
	for id := range a.sent {
		missing[id] = true
	}
	took, a.took = a.took, nil
	clear(a.sent)
	return took, a.last, missing
}

// receive notes what comes into the account's inbox until its connection ends.
func (c *account) receive(a *arrivals) error {
	for {
		messages, err := c.inbox.Wait(c.known)
		if err != nil {
			return err
		}
		// Before the fetch: what is measured is when a phone knows, not when it has the message.
		now := time.Now()
		ids, err := messageIDs(c.inbox, fmt.Sprintf("%d:%d", c.known+1, messages))
		if err != nil {
			return err
		}
		for _, id := range ids {
			a.arrive(id, now)
		}
		c.known = messages
	}
}

// messageIDs fetches only the header field by which a message is recognized, so that
// measuring does not become the load.
func messageIDs(inbox *imap.Client, set string) ([]string, error) {
	fields, err := inbox.Fetch(set, "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
	var ids []string
	for _, field := range fields {
		_, id, _ := strings.Cut(field, ":")
		ids = append(ids, strings.Trim(id, "<> \r\n"))
	}
	return ids, err
}

// untold counts those of missing that lie in the inboxes: they have arrived, and
// IDLE did not tell.
func (b *bench) untold(ctx context.Context, missing map[string]bool) int {
	n := 0
	for _, c := range b.accounts {
		d, _, _, err := login(ctx, b.Relay, c.Account)
		if err != nil {
			continue // then they count as lost
		}
		if messages, err := d.Select(); err == nil && messages > 0 {
			ids, _ := messageIDs(d, "1:*")
			for _, id := range ids {
				if missing[id] {
					n++
				}
			}
		}
		d.Close()
	}
	return n
}

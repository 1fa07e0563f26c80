package metadata

import (
	"context"
	"errors"
	"testing"
	"time"

	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// unused is a Registry without accounts.
type unused struct{ push.Registry }

func (unused) Notify(string, time.Time) ([]push.Key, error) { return nil, nil }
func (unused) Forget(string) error                          { return nil }

// mail counts how often it was made durable.
type mail struct {
	syncs int
	err   error
}

func (m *mail) Sync(context.Context, string) error {
	m.syncs++
	return m.err
}

// TestDeliveryIsOnTheDisk: Dovecot is answered once a delivered message is on the disk,
// and is told if it may not be. What else it asks does not wait.
func TestDeliveryIsOnTheDisk(t *testing.T) {
	broken := errors.New("input/output error")
	for _, tt := range []struct {
		change dict.Change
		disk   error
		syncs  int
		err    error
	}{
		{change: dict.Change{Key: "priv/0/messagenew"}, syncs: 1},
		{change: dict.Change{Key: "priv/0/messageown"}, syncs: 1},
		{change: dict.Change{Key: "priv/0/messagenew"}, disk: broken, syncs: 1, err: broken},
		{change: dict.Change{Key: "priv/0/devicetoken", Unset: true}},
		{change: dict.Change{Key: "priv/0/other"}, err: push.ErrUnknownKey},
	} {
		m := &mail{err: tt.disk}
		h := handler{mail: m, service: &push.Metadata{Registry: unused{}, Fresh: func([]push.Key) {}, Now: time.Now}}
		err := h.Commit(t.Context(), "a@x", []dict.Change{tt.change})
		if m.syncs != tt.syncs || !errors.Is(err, tt.err) {
			t.Errorf("%+v: %d syncs, %v", tt.change, m.syncs, err)
		}
		if !push.Delivery(tt.change.Key) {
			continue
		}
		if _, _, err := h.Lookup(t.Context(), tt.change.Key, "a@x"); m.syncs != 2*tt.syncs || !errors.Is(err, tt.err) {
			t.Errorf("look-up of %s: %d syncs, %v", tt.change.Key, m.syncs-tt.syncs, err)
		}
	}
}

package supervise

import (
	"context"
	"errors"
)

// target is a unit that stands for others.
type target struct {
	super *Supervisor
	record
}

// start starts what the target wants; as with systemd, it is active all the same if one of
// them fails.
func (t *target) start(ctx context.Context) error {
	for _, name := range t.current().Wants {
		if err := t.super.start(ctx, name); errors.Is(err, errStopping) {
			return err
		} else if err != nil {
			t.super.log.Error("a part of the relay does not start", "unit", name, "error", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.set(active)
	return nil
}

func (t *target) stop(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now.set(inactive)
	return nil
}

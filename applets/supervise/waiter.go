package supervise

import (
	"context"
	"strings"

	"chatmaild/applets/supervise/unit"
)

// waiter is a timer or a path: it starts its service when something has happened.
type waiter struct {
	super *Supervisor
	// wait calls fire whenever that has happened, until ctx is done.
	wait func(ctx context.Context, stateDir string, u *unit.Unit, fire func()) error

	record
	cancel context.CancelFunc // guarded by record.mu
}

func (w *waiter) start(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		return nil
	}
	if met, err := conditions(w.unit.Conditions); err != nil || !met {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.now.set(active)
	u := w.unit
	go func() {
		err := w.wait(ctx, w.super.stateDir, u, func() { w.fire(ctx, u) })
		if ctx.Err() == nil {
			w.super.log.Error("a part of the relay has failed", "unit", u.Name, "error", err)
			w.mu.Lock()
			w.cancel = nil
			w.now.set(failed)
			w.mu.Unlock()
		}
		cancel()
	}()
	return nil
}

// fire starts the service, and returns when that has ended or is active.
func (w *waiter) fire(ctx context.Context, u *unit.Unit) {
	name := strings.TrimSuffix(strings.TrimSuffix(u.Name, ".timer"), ".path") + ".service"
	if err := w.super.activate(ctx, name); err != nil && ctx.Err() == nil {
		w.super.log.Error("a job has failed", "unit", name, "error", err)
	}
}

func (w *waiter) stop(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now.set(inactive)
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
	return nil
}

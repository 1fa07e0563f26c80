package selftest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Run runs the checks, and returns a result for each that is for this kind of
// relay and run, in the order of the table.
func Run(ctx context.Context, o Options) []Result {
	checks := Checks()
	r := &runner{
		options: o,
		session: newSession(o),
		free:    make(chan struct{}, atOnce),
		done:    make(map[string]chan struct{}),
		state:   make(map[string]State),
	}
	for _, c := range checks {
		r.done[c.Name] = make(chan struct{})
	}
	results := make([]Result, len(checks))
	var group sync.WaitGroup
	for i, c := range checks {
		group.Go(func() {
			results[i] = r.check(ctx, c)
			r.finish(results[i])
		})
	}
	group.Wait()
	return slices.DeleteFunc(results, func(r Result) bool { return r.State == absent })
}

// absent is the state of a check that is not for this kind of relay or run.
const absent State = ""

// runner runs checks that do not depend on each other at the same time.
type runner struct {
	options Options
	session *session
	free    chan struct{}

	mu    sync.Mutex
	state map[string]State
	done  map[string]chan struct{} // closed once state has the check
}

// check waits for what c needs, then runs it.
func (r *runner) check(ctx context.Context, c Check) Result {
	skipped := Result{Name: c.Name, Group: c.Group, State: Skipped, Wanted: c.Wanted}
	if !r.wants(c) {
		return Result{Name: c.Name}
	}
	if slices.Contains(r.options.Skip, c.Name) || slices.Contains(r.options.Skip, string(c.Group)) {
		skipped.Seen = "by --skip"
		return skipped
	}
	for _, need := range c.Needs {
		<-r.done[need]
		r.mu.Lock()
		state := r.state[need]
		r.mu.Unlock()
		// What is not for this kind of relay is not missed.
		if state == Failed || state == Skipped {
			skipped.Seen = "needs " + need
			return skipped
		}
	}
	// Only now: checks that wait for each other must not take up the places of those that could
	// run.
	r.free <- struct{}{}
	defer func() { <-r.free }()
	if err := ctx.Err(); err != nil {
		skipped.Seen = "interrupted"
		return skipped
	}
	return c.do(ctx, r.session)
}

// wants reports whether c is for this kind of relay and run.
func (r *runner) wants(c Check) bool {
	switch c.When {
	case Named:
		return !r.options.Relay.SelfSigned()
	case Slow:
		return r.options.Slow
	case Paired:
		return r.options.Other != nil
	case Shown:
		return !r.options.Hidden
	case Hidden:
		return r.options.Hidden
	}
	return true
}

// finish wakes those that wait for this result.
func (r *runner) finish(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state[result.Name] = result.State
	if result.unproven {
		r.state[result.Name] = absent
	}
	close(r.done[result.Name])
	if r.options.Done != nil && result.State != absent {
		r.options.Done(result)
	}
}

// do runs one check within its time.
func (c *Check) do(ctx context.Context, s *session) Result {
	limit := s.Timeout
	if limit == 0 {
		limit = defaultTimeout
	}
	if c.When == Slow {
		limit *= slowFactor
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	seen, err := c.run(ctx, s)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("gave up after %v: %w", time.Since(start).Round(time.Second), err)
	}
	return c.result(seen, err, time.Since(start))
}

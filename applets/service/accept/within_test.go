package accept

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

// A context ends when WithTimeout's would, no matter when it is first asked.
func TestWithin(t *testing.T) {
	const limit = time.Minute
	for _, tt := range []struct {
		name  string
		ended func(ctx context.Context, parent, cancel func()) // returns when it should have ended
		after time.Duration
		want  error
	}{
		{"the time is over", func(ctx context.Context, _, _ func()) { <-ctx.Done() }, limit, context.DeadlineExceeded},
		{"asked in the middle", func(ctx context.Context, _, _ func()) {
			time.Sleep(limit / 2)
			<-ctx.Done()
		}, limit, context.DeadlineExceeded},
		{"asked too late", func(context.Context, func(), func()) { time.Sleep(2 * limit) }, 2 * limit, context.DeadlineExceeded},
		{"the parent ends", func(_ context.Context, parent, _ func()) { parent() }, 0, context.Canceled},
		{"the parent ends, asked before", func(ctx context.Context, parent, _ func()) {
			done := ctx.Done()
			parent()
			<-done
		}, 0, context.Canceled},
		{"cancelled", func(_ context.Context, _, cancel func()) { cancel() }, 0, context.Canceled},
		{"cancelled, asked before", func(ctx context.Context, _, cancel func()) {
			done := ctx.Done()
			cancel()
			<-done
		}, 0, context.Canceled},
		{"cancelled twice", func(_ context.Context, _, cancel func()) { cancel(); cancel() }, 0, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				parent, end := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
				defer end()
				ctx, cancel := Within(parent, limit)
				defer cancel()
				tt.ended(ctx, end, cancel)
				<-ctx.Done()
				if got := time.Since(start); got != tt.after {
					t.Errorf("it ended after %v, want %v", got, tt.after)
				}
				if err := ctx.Err(); !errors.Is(err, tt.want) {
					t.Errorf("it ended with %v, want %v", err, tt.want)
				}
				if at, ok := ctx.Deadline(); !ok || !at.Equal(start.Add(limit)) {
					t.Errorf("its deadline is %v, %t; want %v", at, ok, start.Add(limit))
				}
				if got := ctx.Value(key{}); got != "value" {
					t.Errorf("its value is %v", got)
				}
			})
		})
	}
}

func TestWithinGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := Within(t.Context(), time.Minute)
		defer cancel()
		child, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		<-child.Done()
		if err := ctx.Err(); err != nil {
			t.Errorf("it ended with its child: %v", err)
		}
	})
}

func BenchmarkWithin(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, cancel := Within(context.Background(), time.Minute)
		cancel()
	}
}

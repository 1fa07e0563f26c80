package porter

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/auth/mailaddr"
)

// TestSessions: those who ask at the same time share a list, and a list that was begun before
// somebody asked is not good for him.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists, kicked := 0, map[string]int{}
		var mu sync.Mutex
		d := &dovecot{
			who: func(context.Context) (map[string]bool, error) {
				lists++
				time.Sleep(time.Second)
				return map[string]bool{"alice@chat.example": true}, nil
			},
			kick: func(_ context.Context, user string) error {
				mu.Lock()
				defer mu.Unlock()
				kicked[user]++
				return nil
			},
		}
		alice, _ := mailaddr.Parse("alice@chat.example", "chat.example")
		bob, _ := mailaddr.Parse("bob@chat.example", "chat.example")
		var all sync.WaitGroup
		start := time.Now()
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i%2) * time.Millisecond) // the second ten come too late for the first list
				addr := alice
				if i%4 < 2 {
					addr = bob
				}
				if err := d.end(t.Context(), addr); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); lists != 2 || took != 2*time.Second {
			t.Errorf("%d lists in %v", lists, took)
		}
		if kicked["alice@chat.example"] != 10 || len(kicked) != 1 {
			t.Errorf("kicked: %v", kicked)
		}
	})
}

// TestKnownSessions: who asks for those of a moment ago makes no list, unless there is none.
func TestKnownSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists, kicked := 0, 0
		d := &dovecot{
			who: func(context.Context) (map[string]bool, error) {
				lists++
				return map[string]bool{"alice@chat.example": true}, nil
			},
			kick: func(context.Context, string) error {
				kicked++
				return nil
			},
		}
		alice, _ := mailaddr.Parse("alice@chat.example", "chat.example")
		for i, tt := range []struct {
			after time.Duration
			end   func(context.Context, mailaddr.Address) error
			lists int
		}{
			{0, d.endKnown, 1},
			{recent, d.endKnown, 1},
			{0, d.end, 2},
			{recent, d.endKnown, 2},
			{time.Millisecond, d.endKnown, 3},
		} {
			time.Sleep(tt.after)
			if err := tt.end(t.Context(), alice); err != nil || lists != tt.lists || kicked != i+1 {
				t.Errorf("call %d: %v, %d lists, want %d; %d kicked", i, err, lists, tt.lists, kicked)
			}
		}
	})
}

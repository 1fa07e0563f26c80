package renewal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What an authority gave is written when there is room, and not asked for again.
func TestPutWaitsForRoom(t *testing.T) {
	full := fmt.Errorf("writing a file: %w", &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC})
	other := errors.New("permission denied")
	tests := []struct {
		name    string
		answers []error
		want    error
		took    time.Duration
	}{
		{"room", []error{nil}, nil, 0},
		{"full for a while", []error{full, full, nil}, nil, 2 * roomWait},
		{"over the quota", []error{syscall.EDQUOT, nil}, nil, roomWait},
		{"another fault", []error{full, other}, other, roomWait},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			k := &Keeper{Log: slog.New(slog.DiscardHandler)}
			start, calls := time.Now(), 0
			err := k.put(t.Context(), func() error { calls++; return tt.answers[calls-1] })
			if !errors.Is(err, tt.want) || calls != len(tt.answers) || time.Since(start) != tt.took {
				t.Errorf("%s: got %v after %d writes and %v", tt.name, err, calls, time.Since(start))
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		k := &Keeper{Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := k.put(ctx, func() error { return full }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("never room: got %v", err)
		}
	})
}

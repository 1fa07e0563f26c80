package supervise

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatmaild/applets/supervise/unit"
)

func TestNextDaily(t *testing.T) {
	at := func(text string) time.Time {
		v, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tt := range []struct {
		last, want string
		delay      time.Duration
	}{
		{"2026-11-29 12:00:00", "2026-11-30 00:00:00", 0},
		{"2026-11-29 00:00:00", "2026-11-30 00:00:00", 0},
		{"2026-11-29 02:59:00", "2026-11-29 03:00:00", 3 * time.Hour},
		{"2026-11-29 03:00:00", "2026-11-30 03:00:00", 3 * time.Hour},
		{"2026-12-31 23:00:00", "2027-01-01 03:00:00", 3 * time.Hour},
	} {
		if got := nextDaily(at(tt.last), tt.delay); !got.Equal(at(tt.want)) {
			t.Errorf("after %s, %v late: got %v, want %s", tt.last, tt.delay, got, tt.want)
		}
	}
}

// TestDaily fires once a day, at the same time, and at once where its turn was missed.
func TestDaily(t *testing.T) {
	dir := t.TempDir()
	u := &unit.Unit{Name: "a.timer", Timer: unit.Timer{Daily: true, MaxDelay: 4 * time.Hour}}
	stamp := filepath.Join(dir, "stamp-a.timer")
	synctest.Test(t, func(t *testing.T) {
		var fired []time.Time
		wait := func(long time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			err := timer(ctx, dir, u, func() {
				fired = append(fired, time.Now())
				if err := os.Chtimes(stamp, time.Time{}, time.Now()); err != nil { // the file system's clock is another
					t.Error(err)
				}
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		wait(3 * 24 * time.Hour)
		if len(fired) != 3 || fired[2].Sub(fired[1]) != 24*time.Hour {
			t.Errorf("in three days it fired at %v", fired)
		}
		time.Sleep(2 * 24 * time.Hour)
		wait(time.Minute)
		if len(fired) != 4 {
			t.Errorf("after two days without it, it fired at %v", fired)
		}
	})
}

func TestChanges(t *testing.T) {
	dir := t.TempDir()
	file, full := filepath.Join(dir, "file"), filepath.Join(dir, "full")
	if err := os.Mkdir(full, 0o755); err != nil {
		t.Fatal(err)
	}
	u := &unit.Unit{Path: unit.Path{Changed: []string{file}, NotEmpty: []string{full, dir + "/none"}}}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var fired atomic.Int64
		ended := make(chan error, 1)
		go func() { ended <- changes(ctx, "", u, func() { fired.Add(1) }) }()
		after := func(what string, want int64) {
			t.Helper()
			time.Sleep(pathPoll)
			synctest.Wait()
			if got := fired.Load(); got != want {
				t.Errorf("%s: fired %d times, want %d", what, got, want)
			}
		}
		after("nothing", 0)
		if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		after("a new file", 1)
		after("nothing more", 1)
		if err := os.WriteFile(file, []byte("longer"), 0o644); err != nil {
			t.Fatal(err)
		}
		after("a change", 2)
		if err := os.Rename(file, filepath.Join(full, "file")); err != nil {
			t.Fatal(err)
		}
		after("a removal, and an entry", 3)
		after("the entry stays", 4)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAfterPriority(t *testing.T) {
	for line, want := range map[string]string{"<22>a <b>": "a <b>", "<x>a": "<x>a", "a": "a", "<1234>a": "<1234>a", "": ""} {
		if got := string(afterPriority([]byte(line))); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

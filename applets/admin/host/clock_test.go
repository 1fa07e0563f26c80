package host

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestMomentSet(t *testing.T) {
	start := Moment{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), 5 * time.Minute}
	for _, tt := range []struct {
		why             string
		wall, monotonic time.Duration // that have passed
		want            time.Duration
	}{
		{"nobody set it", time.Hour, time.Hour, 0},
		{"ahead", 73 * time.Hour, time.Hour, 72 * time.Hour},
		{"back", 0, time.Hour, -time.Hour},
		{"back beyond the start", -time.Hour, time.Minute, -61 * time.Minute},
	} {
		later := Moment{start.Wall.Add(tt.wall), start.Monotonic + tt.monotonic}
		if got := start.Set(later); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.why, got, tt.want)
		}
	}
}

func TestMomentNow(t *testing.T) {
	first, err1 := Now()
	second, err2 := Now()
	if err1 != nil || err2 != nil || second.Monotonic < first.Monotonic || first.Monotonic <= 0 {
		t.Errorf("got %v, %v, then %v, %v", first, err1, second, err2)
	}
	if set := first.Set(second).Abs(); set > time.Second {
		t.Errorf("between two looks the clock was set by %v", set)
	}
}

// TestLastRun holds that a job that never ran counts from its timer's start.
func TestLastRun(t *testing.T) {
	const (
		job   = "InactiveEnterTimestamp=Mon 2026-11-23 12:00:00.250000 UTC\nInactiveEnterTimestampMonotonic=300250000\n"
		never = "InactiveEnterTimestamp=\nInactiveEnterTimestampMonotonic=0\n"
		timer = "ActiveEnterTimestamp=Mon 2026-11-23 11:00:00.000001 UTC\nActiveEnterTimestampMonotonic=7000000\n"
	)
	for _, tt := range []struct {
		why, job string
		want     Moment
		err      string
	}{
		{"ran", job, Moment{time.Date(2026, 11, 23, 12, 0, 0, 250e6, time.UTC), 300250 * time.Millisecond}, ""},
		{"never ran", never, Moment{time.Date(2026, 11, 23, 11, 0, 0, 1000, time.UTC), 7 * time.Second}, ""},
		{"no time", "InactiveEnterTimestamp=n/a\n", Moment{}, "InactiveEnterTimestamp: parsing time"},
		{"no number", "InactiveEnterTimestampMonotonic=soon\n", Moment{}, "invalid syntax"},
	} {
		h := Host{Command: func(_ context.Context, _ string, args ...string) (string, error) {
			if args[len(args)-1] == "x.timer" {
				return timer, nil
			}
			return tt.job, nil
		}}
		got, err := h.Systemd().LastRun(t.Context(), "x.service", "x.timer")
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, %v; want %v, %q", tt.why, got, err, tt.want, tt.err)
		}
	}
}

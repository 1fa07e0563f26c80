package status

import (
	"testing"
	"time"
)

func TestClockFinding(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const told = "2026-11-23 12:00:00 UTC"
	for _, tt := range []struct {
		ahead time.Duration
		kept  bool
		level level
		want  string
	}{
		{0, true, fine, told + ", kept by a time service"},
		{-400 * 24 * time.Hour, true, fine, told + ", kept by a time service"},
		{0, false, fine, told + "; no time service keeps it"},
		{-4 * time.Second, false, fine, told + "; no time service keeps it"},
		{time.Hour - time.Millisecond, false, notice, told + ", set 1h00m ahead since this machine started, and no time service keeps it"},
		{-72 * time.Hour, false, notice, told + ", set 3 days back since this machine started, and no time service keeps it"},
	} {
		got := clockFinding(now, tt.ahead, tt.kept)
		if got.Level != tt.level || got.Detail != tt.want || (got.Hint != "") != (tt.level != fine) {
			t.Errorf("%v ahead, kept %v: got %+v, want %s %q", tt.ahead, tt.kept, got, tt.level, tt.want)
		}
	}
}

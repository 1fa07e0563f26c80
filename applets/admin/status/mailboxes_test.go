package status

import (
	"testing"
	"time"

	"chatmaild/store/expire"
)

func TestExpiryFinding(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		ago             time.Duration
		over, stillOver int64
		level           level
		want            string
	}{
		{time.Hour, 0, 0, fine, "40; the last expiry, 1h00m ago, freed 3.0 GiB"},
		{time.Hour, 2, 0, fine, "40; the last expiry, 1h00m ago, freed 3.0 GiB; above 70 % of max_mailbox_size: 2"},
		{time.Hour, 2, 1, notice, "40; the last expiry, 1h00m ago, freed 3.0 GiB; above 70 % of max_mailbox_size: 2; still so, with mail of the last 24 hours: 1"},
		{72 * time.Hour, 0, 0, notice, "40; the last expiry, 3 days ago, freed 3.0 GiB"},
	} {
		last := expire.Record{Ended: now.Add(-tt.ago), Outcome: expire.Outcome{Mailboxes: 40, Freed: 3 << 30, Over: tt.over, StillOver: tt.stillOver}}
		got := expiryFinding(now, last)
		if got.Level != tt.level || got.Detail != tt.want || (got.Hint != "") != (tt.level != fine) {
			t.Errorf("%+v: got %+v, want %s %q", tt, got, tt.level, tt.want)
		}
	}
}

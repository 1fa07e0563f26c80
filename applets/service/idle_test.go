package service

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestUntilIdle holds that a daemon stays for five minutes after its last use.
func TestUntilIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		untilIdle(t.Context(), func() int {
			if time.Since(start) <= time.Hour {
				return 1
			}
			return 0
		})
		if lasted := time.Since(start); lasted < time.Hour+idleTime || lasted > time.Hour+idleTime+idleInterval {
			t.Errorf("it ended %v after its start, used for an hour", lasted)
		}
	})
}

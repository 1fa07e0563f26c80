package push

import (
	"testing"
	"time"
)

func TestDelay(t *testing.T) {
	for _, tc := range []struct {
		tries   int
		jitter  float64
		seconds int
	}{
		{1, 0, 8}, {2, 0, 64}, {3, 0, 512}, {4, 0, 4096}, {5, 0, 4096}, {200, 0, 4096},
		{1, 0.5, 9}, {4, 0.5, 4608},
	} {
		if got := Delay(tc.tries, tc.jitter); got != time.Duration(tc.seconds)*time.Second {
			t.Errorf("Delay(%d, %v) = %v, want %d s", tc.tries, tc.jitter, got, tc.seconds)
		}
	}
}

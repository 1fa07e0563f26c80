package push

import "time"

const (
	// MaxRetryAge is how long after its first try a notification is given up.
	MaxRetryAge = 5 * time.Hour
	// MaxQueued bounds the queue, in entries. Each takes some 60 bytes on the disk,
	// beside its token, and 40 in memory.
	MaxQueued = 1_000_000
)

// Delay returns how long to wait after the given number of failed tries: 8, 64, 512 or
// 4096 s, and up to a quarter more. jitter is a random number in [0, 1).
func Delay(tries int, jitter float64) time.Duration {
	base := 8 * time.Second << (3 * min(max(tries-1, 0), 3))
	return base + time.Duration(float64(base)*jitter/4)
}

package config

import (
	"fmt"
	"time"
)

// The bounds of an interval.
const (
	minInterval = 5 * time.Second
	maxInterval = 24 * time.Hour
)

// Interval is how often something is done, "30s", "5m" or "1h"; never if it is
// empty.
type Interval string

// Duration returns the interval, 0 for never.
func (i Interval) Duration() time.Duration {
	d, err := time.ParseDuration(string(i))
	if err != nil {
		return 0 // check says so when the file is loaded
	}
	return d
}

func (i Interval) check() error {
	if i == "" {
		return nil
	}
	d, err := time.ParseDuration(string(i))
	if err != nil || d < minInterval || d > maxInterval {
		return fmt.Errorf("%q: want a duration from %q to %q such as \"5m\", or \"\" for never", string(i), "5s", "24h")
	}
	return nil
}

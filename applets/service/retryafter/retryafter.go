// Package retryafter reads the header field by which an HTTP server says when to come
// again.
package retryafter

import (
	"net/http"
	"strconv"
	"time"
)

// Parse returns the time that a Retry-After field names, in seconds from now or as a date
// (RFC 9110 §10.2.3); the zero time for anything else.
func Parse(value string, now time.Time) time.Time {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return now.Add(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return time.Time{}
	}
	return at
}

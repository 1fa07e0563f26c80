package renewal

import (
	"errors"
	"net/http"
	"time"

	"chatmaild/applets/service/retryafter"
)

// maxLater bounds for how long an authority can keep us from asking again.
const maxLater = 24 * time.Hour

// laterError is an error of an authority that wants to be left alone for a while.
type laterError struct {
	error
	until time.Time
}

func (e *laterError) Unwrap() error { return e.error }

// laterThan returns when to ask again after a failure, given when we would: the
// authority may want us to wait for longer.
func laterThan(next time.Time, failure error, now time.Time) time.Time {
	if later, ok := errors.AsType[*laterError](failure); ok && later.until.After(next) {
		return clamp(later.until, next, now.Add(maxLater))
	}
	return next
}

// listener is an http.RoundTripper that notes what acmez does not tell: the
// Retry-After of a refusal (RFC 8555 §6.6). It is for one goroutine.
type listener struct {
	http.RoundTripper
	until time.Time // as the last refusal that has one says; or zero
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		if until := retryafter.Parse(resp.Header.Get("Retry-After"), time.Now()); !until.IsZero() {
			l.until = until
		}
	}
	return resp, err
}

// later adds to an error when the authority wants to be asked again.
func (l *listener) later(err error) error {
	if err == nil || l.until.IsZero() {
		return err
	}
	return &laterError{err, l.until}
}

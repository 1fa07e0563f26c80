package renewal

import (
	"net/http"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// TestLater holds that an authority that says when to come again is not asked
// earlier, and cannot send us away for good.
func TestLater(t *testing.T) {
	const reply = `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates","status":429}`
	for _, tt := range []struct {
		name, later string
		least, most time.Duration
	}{
		{"sooner than we would", "30", firstPause, 2 * firstPause},
		{"later", "7200", 2*time.Hour - time.Minute, 2*time.Hour + time.Minute},
		{"in a year", "31536000", maxLater - time.Minute, maxLater},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newAuthority(t, http.StatusTooManyRequests, reply)
			f.later = tt.later
			next, s := newKeeper(t, f.URL+"/dir").mustStep(t)
			if got := time.Until(next); got < tt.least || got > tt.most {
				t.Errorf("asked again in %v, want %v to %v", got, tt.least, tt.most)
			}
			if s.Problem == nil || s.Problem.Type != "rateLimited" || !s.Next.Equal(next) {
				t.Errorf("the state says %+v and %v, want rateLimited and %v", s.Problem, s.Next, next)
			}
		})
	}
}

// TestSettle holds that the records of one order wait together, not one after the
// other: run waits for the certificate for a minute.
func TestSettle(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := &NameServer{Now: func() time.Time { return now }, changed: now.Add(-settle)}
	done := make(chan error, 1)
	go func() { done <- s.Wait(t.Context(), acme.Challenge{}) }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(settle):
		t.Error("waited, although the records had the time to spread")
	}
}

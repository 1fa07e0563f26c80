package renewal

import (
	"crypto/x509"
	"time"
)

const (
	// pollInterval is how often the authority is asked when it wants the
	// certificate to be renewed (RFC 9773 §4.3.2), if it does not say itself.
	pollInterval = 6 * time.Hour

	// The first pause after a failure, and the longest. Let's Encrypt allows
	// five failed validations of a name in an hour, and lets one more through
	// every twelve minutes.
	firstPause = 10 * time.Minute
	maxPause   = 6 * time.Hour

	// unheardPause is the first pause when the authority did not answer, which
	// counts against no limit: at boot the network may not be there yet.
	unheardPause = time.Minute

	// spread is the part of a pause by which it may be longer, at random, so
	// that relays do not all come at once after an outage.
	spread = 0.2
)

// renewal is when to renew cert: with a third of its life left or, according to
// dice, 0 to 1, up to a thirtieth earlier. When the authority has suggested a
// time, that counts, within the second and third quarter of its life; a window
// that is over means at once, because that is how an authority announces that it
// is going to revoke.
func renewal(cert *x509.Certificate, s suggestion, now time.Time, dice float64) time.Time {
	life := cert.NotAfter.Sub(cert.NotBefore)
	if !s.at.IsZero() {
		if now.After(s.end) {
			return now
		}
		return clamp(s.at, cert.NotBefore.Add(life/2), cert.NotAfter.Add(-life/4))
	}
	return cert.NotAfter.Add(-life/3 - time.Duration(dice*float64(life)/30))
}

func clamp(t, low, high time.Time) time.Time {
	if t.Before(low) {
		return low
	}
	if t.After(high) {
		return high
	}
	return t
}

// pause is how long to wait after so many failures in a row, the last of this
// kind. An expired or missing certificate is not a reason to ask more often: the
// authority would lock us out.
func pause(failures int, kind string, dice float64) time.Duration {
	p := firstPause
	if kind == "" {
		p = unheardPause
	}
	for range failures - 1 {
		if p *= 2; p >= maxPause {
			p = maxPause
			break
		}
	}
	return p + time.Duration(dice*spread*float64(p))
}

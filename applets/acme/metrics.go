package acme

import (
	"os"

	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/config"
	"chatmaild/applets/service/metric"
)

// NewMetrics adds to set what the acme daemon tells. When the certificate ends
// is seen from outside, no matter who issued it: see relayMetrics.served.
func NewMetrics(set *metric.Set, conf *config.Config) *metric.Set {
	failures := set.Gauge("chatmaild_certificate_failures", "Consecutive failures to obtain a new certificate").At()
	set.Before(func() {
		text, err := os.ReadFile(renewal.Files(conf.ACMEDir()).StateFile())
		if err != nil {
			return
		}
		state, err := renewal.ParseState(text)
		switch {
		case err != nil:
		case state.Problem == nil:
			failures.Set(0)
		default:
			failures.Set(float64(state.Problem.Times))
		}
	})
	return set
}

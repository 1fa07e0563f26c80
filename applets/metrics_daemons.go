package applets

import (
	"os"

	"chatmaild/applets/acme"
	"chatmaild/applets/config"
	"chatmaild/applets/metric"
)

// loginMetrics is what lastlogin counts.
type loginMetrics struct{ noted, faults *metric.Value }

func newLoginMetrics(set *metric.Set) *loginMetrics {
	return &loginMetrics{
		noted:  set.Counter("chatmaild_lastlogin_noted_total", "Logins whose day was noted").At(),
		faults: set.Counter("chatmaild_lastlogin_faults_total", "Logins whose day could not be noted").At(),
	}
}

// newACMEMetrics adds to set what the acme daemon tells. When the certificate ends
// is seen from outside, whoever it is from: see relayMetrics.served.
func newACMEMetrics(set *metric.Set, conf *config.Config) *metric.Set {
	failures := set.Gauge("chatmaild_certificate_failures", "How often in a row the authority gave no new certificate").At()
	set.Before(func() {
		text, err := os.ReadFile(acme.Folder(conf.ACMEDir()).StateFile())
		if err != nil {
			return
		}
		state, err := acme.ParseState(text)
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

package lastlogin

import "chatmaild/applets/service/metric"

// Metrics is what lastlogin counts.
type Metrics struct{ noted, faults *metric.Value }

// NewMetrics adds to set what lastlogin counts.
func NewMetrics(set *metric.Set) *Metrics {
	return &Metrics{
		noted:  set.Counter("chatmaild_lastlogin_noted_total", "Logins whose day was recorded").At(),
		faults: set.Counter("chatmaild_lastlogin_faults_total", "Logins whose day could not be recorded").At(),
	}
}

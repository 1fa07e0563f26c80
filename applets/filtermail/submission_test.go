package filtermail

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/service/metric"
	"chatmaild/mailfilter/proxy"
)

// TestSubmissionMetrics counts each occasion once, at the first entrance.
func TestSubmissionMetrics(t *testing.T) {
	set := &metric.Set{}
	m := NewSubmissionMetrics(set)
	occasions := slices.Concat([]proxy.Occasion{proxy.Begun, proxy.Begun, proxy.Ended}, proxy.Logins(), proxy.Limits(), proxy.Silences(), proxy.Faults())
	for _, o := range occasions {
		m.Noticed(Entrances()[0].Name, o)
	}
	var text bytes.Buffer
	if err := set.Tell(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`chatmaild_submission_clients{entrance="submission"} 1`, `chatmaild_submission_sessions_total{entrance="submission"} 2`,
		`chatmaild_submission_sessions_total{entrance="submissions-443"} 0`,
		`chatmaild_submission_logins_total{outcome="right"} 1`, `chatmaild_submission_logins_total{outcome="unavailable"} 1`,
		`chatmaild_submission_refused_total{limit="silent"} 1`, `chatmaild_submission_timeouts_total{after="data"} 1`,
		`chatmaild_submission_faults_total{fault="sender"} 1`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("there is no %s in:\n%s", want, text.String())
		}
	}
	if n := strings.Count(text.String(), "} 1\n"); n != len(occasions)-2 {
		t.Errorf("%d are 1, want %d", n, len(occasions)-2)
	}
}

package applets

import (
	"net/http"
	"os"
	"strconv"

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

// requestClasses are the first digits of HTTP's status codes.
var requestClasses = []string{"2xx", "3xx", "4xx", "5xx"}

// webMetrics is what the web daemon counts.
type webMetrics struct {
	requests *metric.Values
	shown    *metric.Value
}

func newWebMetrics(set *metric.Set) *webMetrics {
	return &webMetrics{
		requests: set.Counter("chatmaild_web_requests_total", "Requests that the web daemon answered, by the class of their status",
			metric.Label{Name: "status", Values: requestClasses}),
		shown: set.Counter("chatmaild_web_invites_shown_total",
			"Invites of a self-signed relay that were looked at, by link previews or people, and not used up by that").At(),
	}
}

// requestsOf counts what next answers.
func (m *webMetrics) requestsOf(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noting := &statusWriter{w, http.StatusOK}
		next.ServeHTTP(noting, r)
		m.requests.At(strconv.Itoa(noting.status/100) + "xx").Add(1)
	})
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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

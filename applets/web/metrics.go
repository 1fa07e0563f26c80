package web

import (
	"net/http"
	"strconv"

	"chatmaild/applets/service/metric"
)

// requestClasses are the first digits of HTTP's status codes.
var requestClasses = []string{"2xx", "3xx", "4xx", "5xx"}

// Metrics is what the web daemon counts.
type Metrics struct {
	requests *metric.Values
	shown    *metric.Value
}

// NewMetrics adds to set what the web daemon counts.
func NewMetrics(set *metric.Set) *Metrics {
	return &Metrics{
		requests: set.Counter("chatmaild_web_requests_total", "HTTP requests, by status class",
			metric.Label{Name: "status", Values: requestClasses}),
		shown: set.Counter("chatmaild_web_invites_shown_total",
			"Invites of a self-signed relay opened by link previews or people, which does not use them up").At(),
	}
}

// requestsOf counts what next answers.
func (m *Metrics) requestsOf(next http.Handler) http.Handler {
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

package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/metrics/journal"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
)

// tell runs a daemon that tells a set until the test ends.
func tell(t *testing.T, conf *config.Config, name string, set *metric.Set) {
	t.Helper()
	s := service.Service{
		Name: name, Address: service.Unix(conf.Socket(name)), Log: slog.New(slog.DiscardHandler),
		Serve: func(ctx context.Context, l net.Listener) error {
			<-ctx.Done()
			return l.Close()
		},
		Metrics: set, MetricsSocket: conf.MetricsSocket(name),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := service.ReadMetrics(t.Context(), conf.MetricsSocket(name)); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestGather asks for all metrics and for the public ones, of a relay of which only
// doveauth runs.
func TestGather(t *testing.T) {
	conf := config.Defaults()
	conf.MailDomain, conf.RuntimeDir = "_x.test", filepath.Join(t.TempDir(), "r")
	set := service.NewMetrics("doveauth", time.Now())
	for i, name := range publicNames {
		set.Gauge(name, "Help of "+name).At().Set(float64(i + 1))
	}
	tell(t, conf, "doveauth", set)
	own := service.NewMetrics("metrics", time.Now())
	handler := newGatherer(own, conf).handler()
	get := func(path, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}

	all := get("/metrics", "")
	for _, want := range []string{
		`chatmaild_up{daemon="doveauth"} 1`, `chatmaild_up{daemon="web"} 0`, "accounts 1",
		`process_start_time_seconds{daemon="doveauth"} `, `process_start_time_seconds{daemon="metrics"} `,
	} {
		if !strings.Contains(all.Body.String(), "\n"+want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if n := strings.Count(all.Body.String(), "# TYPE process_start_time_seconds"); n != 1 {
		t.Errorf("a family of two daemons is told %d times", n)
	}
	if open := get("/metrics", "application/openmetrics-text"); !strings.HasSuffix(open.Body.String(), "# EOF\n") ||
		!strings.HasPrefix(open.Header().Get("Content-Type"), "application/openmetrics-text") {
		t.Errorf("as OpenMetrics: %v", open.Header())
	}

	public := get("/public", "")
	want := `# HELP accounts Help of accounts
# TYPE accounts gauge
accounts 1
# HELP ci_accounts Help of ci_accounts
# TYPE ci_accounts gauge
ci_accounts 2
# HELP nonci_accounts Help of nonci_accounts
# TYPE nonci_accounts gauge
nonci_accounts 3
`
	if public.Body.String() != want {
		t.Errorf("/public: got\n%s\nwant\n%s", public.Body, want)
	}
	conf.PublicMetrics = false
	if got := get("/public", "").Code; got != http.StatusNotFound {
		t.Errorf("/public with public_metrics = false: got %d, want 404", got)
	}
	if got := get("/other", "").Code; got != http.StatusNotFound {
		t.Errorf("/other: got %d, want 404", got)
	}
}

// TestNobodyCounts has no public metrics without doveauth.
func TestNobodyCounts(t *testing.T) {
	conf := config.Defaults()
	conf.MailDomain, conf.RuntimeDir = "_x.test", t.TempDir()
	w := httptest.NewRecorder()
	newGatherer(&metric.Set{}, conf).handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/public", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", w.Code)
	}
}

// TestLogged counts lines of the mail log.
func TestLogged(t *testing.T) {
	set := &metric.Set{}
	m := newRelayMetrics(set, "1")
	for _, line := range []journal.Entry{
		{Identifier: "postfix/lmtp", Message: "4g: to=<a@x.test>, relay=x, delay=0.05, delays=0/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)"},
		{Identifier: "postfix/lmtp", Message: "4g: to=<a@x.test>, relay=x, delay=1, delays=0/0/0/0, dsn=5.2.2, status=bounced (552 5.2.2 Quota exceeded (mailbox for user is full))"},
		{Identifier: "postfix/smtp", Message: "4g: to=<a@y.test>, relay=none, delay=3, delays=0/0/0/0, dsn=4.4.1, status=deferred (timed out)"},
		{Identifier: "postfix/smtpd", Message: "NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 554 5.7.1"},
		{Identifier: "postfix/smtpd", Message: "timeout after DATA (1024 bytes) from unknown[192.0.2.1]"},
		{Identifier: "postfix/smtpd", Message: "warning: Connection concurrency limit exceeded: 41 from unknown[192.0.2.1] for service smtp"},
		{Identifier: "postfix/smtpd", Message: "warning: something"},
		{Identifier: "dovecot", Message: "lmtp: something"},
	} {
		m.logged(line)
	}
	var text strings.Builder
	if err := set.Tell(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`chatmaild_deliveries_total{to="local",status="sent"} 1`, `chatmaild_deliveries_total{to="local",status="bounced"} 1`,
		`chatmaild_deliveries_total{to="remote",status="deferred"} 1`, `chatmaild_deliveries_total{to="remote",status="sent"} 0`,
		`chatmaild_delivery_seconds_count{to="local"} 1`, `chatmaild_delivery_seconds_sum{to="local"} 0.05`,
		"chatmaild_mailbox_full_total 1", "chatmaild_postfix_noqueue_total 1", `chatmaild_postfix_timeouts_total{after="data"} 1`,
		`chatmaild_postfix_limited_total{limit="connections"} 1`, `chatmaild_postfix_limited_total{limit="message_rate"} 0`,
		`chatmaild_postfix_problems_total{level="warning"} 1`,
	} {
		if !strings.Contains(text.String(), "\n"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(text.String(), "@") {
		t.Error("an address is told")
	}
}

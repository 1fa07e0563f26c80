package applets

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/acme"
	"chatmaild/applets/config"
	"chatmaild/applets/doveauth"
	"chatmaild/applets/echobot"
	"chatmaild/applets/filtermail"
	"chatmaild/applets/iroh"
	"chatmaild/applets/lastlogin"
	"chatmaild/applets/metadata"
	"chatmaild/applets/metrics"
	"chatmaild/applets/porter"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/transport"
	"chatmaild/applets/turn"
	"chatmaild/applets/web"
	"chatmaild/applets/websocket"
)

var updateManual = flag.Bool("update", false, "write packaging/man/chatmaild-metrics.7 again")

// describeAll returns all families of a relay, by the daemon that reports
// them.
func describeAll() []struct {
	who      string
	families []metric.Desc
} {
	conf := &config.Config{MailDomain: "chat.example.org", Echobot: true, Transport: "chatmaild"}
	set := func(add func(*metric.Set)) []metric.Desc {
		s := &metric.Set{}
		add(s)
		return s.Describe()
	}
	return []struct {
		who      string
		families []metric.Desc
	}{
		{"every daemon", service.NewMetrics("NAME", time.Time{}).Describe()},
		{"metrics: the relay as a whole, and its servers", set(func(s *metric.Set) { metrics.Describe(s, conf) })},
		{"filtermail-in and filtermail-out", set(func(s *metric.Set) { filtermail.NewMetrics(s, "in, out") })},
		{"filtermail-out", set(func(s *metric.Set) { filtermail.NewSubmissionMetrics(s) })},
		{"filtermail-in", set(func(s *metric.Set) {
			filtermail.NewLookupMetrics(s)
			filtermail.NewHTTPSMetrics(s)
		})},
		{"doveauth", set(func(s *metric.Set) { doveauth.NewMetrics(s) })},
		{"doveauth, where the relay is several machines", set(func(s *metric.Set) { doveauth.NewMachinesMetrics(s, "NAME") })},
		{"lastlogin", set(func(s *metric.Set) { lastlogin.NewMetrics(s) })},
		{"metadata", set(func(s *metric.Set) { metadata.NewMetrics(s) })},
		{"porter, where the relay is several machines", set(func(s *metric.Set) { porter.NewMetrics(s) })},
		{"echobot", set(func(s *metric.Set) { echobot.NewEvents(s, "", nil) })},
		{"transport", set(func(s *metric.Set) { transport.NewMetrics(s) })},
		{"turn, while it runs", set(func(s *metric.Set) { turn.NewMetrics(s) })},
		{"websocket, while it runs", set(func(s *metric.Set) { websocket.NewMetrics(s) })},
		{"iroh, while it runs", set(func(s *metric.Set) { iroh.NewMetrics(s) })},
		{"web", set(func(s *metric.Set) { web.NewMetrics(s) })},
		{"acme", set(func(s *metric.Set) { acme.NewMetrics(s, conf) })},
	}
}

const manualHead = `.\" Made from the code by: go test ./applets -run TestMetricsManual -update
.Dd November 23, 2026
.Dt CHATMAILD-METRICS 7
.Os chatmaild
.Sh NAME
.Nm chatmaild-metrics
.Nd metrics of a chatmail relay
.Sh DESCRIPTION
The daemon
.Cm metrics
of
.Xr chatmaild 8
serves these metrics to Prometheus, in its text format or as OpenMetrics, on
.Ic metrics_address
of
.Xr chatmail.toml 5 .
.Nm chatmaild Cm metrics Fl -print
prints them once, and
.Nm chatmaild Cm top
displays them live.
The numbers of accounts,
.Ic accounts ,
.Ic ci_accounts
and
.Ic nonci_accounts ,
are public at
.Pa https://DOMAIN/metrics ,
unless
.Ic public_metrics
is false; where the relay is several machines, each serves those of all there.
.Pp
No metric is about a person, and no label contains an address, another domain or an
IP address: all label values are listed below.
Counters start at zero when their daemon starts.
Unknown values are omitted.
.Pp
A scrape reads the relay's own daemons at once; values of other programs are up to 15
seconds old.
Accounts are counted when doveauth starts and once an hour; in between, the kernel
notifies it of new and deleted ones.
.Sh METRICS
`

const manualTail = `.Sh FILES
.Bl -tag -width Ds
.It Pa /usr/share/chatmaild/prometheus/chatmaild.rules.yml
alert rules for Prometheus, each with a runbook.
.It Pa /usr/share/chatmaild/grafana/chatmaild.json
a dashboard for Grafana.
.It Pa /run/chatmaild/NAME/metrics.socket
where the daemon NAME serves its own metrics to users that may connect.
.El
.Sh SEE ALSO
.Xr chatmail.toml 5 ,
.Xr chatmaild 8
.Rs
.%T Prometheus exposition formats
.%U https://prometheus.io/docs/instrumenting/exposition_formats/
.Re
`

func manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, part := range describeAll() {
		fmt.Fprintf(&b, ".Ss Of %s\n.Bl -tag -width Ds\n", part.who)
		for _, d := range part.families {
			fmt.Fprintf(&b, ".It Ic %s\n%s, %s.\n", d.Name, d.Kind, d.Help)
			for _, l := range d.Labels {
				fmt.Fprintf(&b, ".br\n.Ar %s :\n%s\n", l.Name, strings.Join(l.Values, ", "))
			}
		}
		b.WriteString(".El\n")
	}
	b.WriteString(manualTail)
	return b.String()
}

// TestMetricsManual checks that the manual page lists the code's metrics.
func TestMetricsManual(t *testing.T) {
	path, want := filepath.Join(root, "packaging", "man", "chatmaild-metrics.7"), manual()
	if *updateManual {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, "packaging", "man", "chatmaild-metrics.7"); got != want {
		t.Error("chatmaild-metrics.7 differs from the code's metrics; run: go test ./applets -run TestMetricsManual -update")
	}
}

// TestMetricNames holds the families to Prometheus's conventions
// (prometheus.io/docs/practices/naming), and the labels to a few values each.
func TestMetricNames(t *testing.T) {
	const mostValues = 20
	name := regexp.MustCompile(`^(chatmaild|process)_[a-z]+(_[a-z]+)*$|^(ci_|nonci_)?accounts$`)
	value := regexp.MustCompile(`^[a-zA-Z0-9_-]+$|^in, out$`)
	personal := regexp.MustCompile(`(?i)^(user|address|addr|mail|ip|host|domain|token|peer|client|sender|recipient)$`)
	seen := map[string]bool{}
	for _, part := range describeAll() {
		for _, d := range part.families {
			if seen[d.Name] {
				t.Errorf("%s is listed twice", d.Name)
			}
			seen[d.Name] = true
			if !name.MatchString(d.Name) {
				t.Errorf("%s: no good name", d.Name)
			}
			if got, want := strings.HasSuffix(d.Name, "_total"), d.Kind == metric.CounterKind; got != want {
				t.Errorf("%s is a %s", d.Name, d.Kind)
			}
			if d.Kind == metric.HistogramKind && !strings.HasSuffix(d.Name, "_seconds") {
				t.Errorf("%s: want the unit at the end", d.Name)
			}
			if d.Help == "" || strings.HasSuffix(d.Help, ".") {
				t.Errorf("%s: want a help text without a full stop", d.Name)
			}
			for _, l := range d.Labels {
				if personal.MatchString(l.Name) || len(l.Values) == 0 || len(l.Values) > mostValues {
					t.Errorf("%s: label %s with %d values", d.Name, l.Name, len(l.Values))
				}
				for _, v := range l.Values {
					if !value.MatchString(v) {
						t.Errorf("%s: label %s has the value %q", d.Name, l.Name, v)
					}
				}
			}
		}
	}
}

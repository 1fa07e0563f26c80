package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/peer"
	"chatmaild/testdata/lab/program"
)

// A watcher is a Prometheus with our alert rules, made hasty.
type watcher struct{ *peer.Prometheus }

// watch starts one on a station, for the machines of a relay.
func watch(t *testing.T, s network.Station, machines ...*Relay) watcher {
	t.Helper()
	var targets []string
	for _, r := range machines {
		targets = append(targets, r.IPv4.String()+":"+metricsPort)
	}
	started, err := peer.StartPrometheus(s, t.TempDir(), hasty(t, repositoryFile(t, rulesFile)), targets...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			fmt.Fprintln(t.Output(), program.Tail(started.Log(), 40))
		}
	})
	w := watcher{started}
	w.scraped(t, "the first scrape", fmt.Sprintf(`count(up{job="chatmaild"} == 1) == %d`, len(machines)))
	return w
}

// scraped waits until a query has an answer.
func (w watcher) scraped(t *testing.T, what, expr string) {
	t.Helper()
	ctx := deadline(t, partTimeout)
	until(ctx, t, what, func() bool {
		found, err := w.Query(ctx, expr)
		return err == nil && len(found) > 0
	})
}

// alertsOf are the names of all alerts in a group.
func alertsOf(t *testing.T, group string) (names []string) {
	t.Helper()
	_, rest, found := strings.Cut(repositoryFile(t, rulesFile), "- name: "+group+"\n")
	if !found {
		t.Fatalf("no group %s", group)
	}
	rest, _, _ = strings.Cut(rest, "- name: ")
	for _, m := range regexp.MustCompile(`- alert: (\S+)`).FindAllStringSubmatch(rest, -1) {
		names = append(names, m[1])
	}
	return names
}

// hasty turns rules into such as need not be waited for: no patience, short windows,
// small numbers. promtool's tests look at the real ones.
func hasty(t *testing.T, rules string) string {
	t.Helper()
	for _, change := range []struct{ expr, by string }{
		{`(?m)^( +)for: .*$`, "${1}for: 0s"},
		{`\[(5m|10m|15m|1h)\]`, "[40s]"},
		{`> 200 and`, "> 20 and"},
		{`> 600$`, "> 5"},
		{`> 64e6$`, "> 1e6"},
		{`> 512e6$`, "> 16e6"},
	} {
		expr := regexp.MustCompile(`(?m)` + change.expr)
		if !expr.MatchString(rules) {
			t.Fatalf("no rule has %s", change.expr)
		}
		rules = expr.ReplaceAllString(rules, change.by)
	}
	return rules
}

// alertNames asks Prometheus for the names of alerts.
func (w watcher) alertNames(ctx context.Context, alerts string) ([]string, error) {
	found, err := w.Query(ctx, "count by (alertname) ("+alerts+")")
	var names []string
	for _, s := range found {
		names = append(names, s.Labels["alertname"])
	}
	slices.Sort(names)
	return names, err
}

// fire waits until each of the alerts has fired at some time since start.
func (w watcher) fire(t *testing.T, start time.Time, alerts ...string) {
	t.Helper()
	ctx := deadline(t, 2*partTimeout)
	var missing []string
	t.Cleanup(func() {
		if len(missing) > 0 {
			t.Errorf("did not fire: %q", missing)
		}
	})
	until(ctx, t, "alerts to fire", func() bool {
		since := int(time.Since(start).Seconds()) + 1
		fired, err := w.alertNames(ctx, fmt.Sprintf(`max_over_time(ALERTS{alertstate="firing"}[%ds])`, since))
		missing = slices.DeleteFunc(slices.Clone(alerts), func(a string) bool { return slices.Contains(fired, a) })
		return err == nil && len(missing) == 0
	})
	t.Logf("%d alerts fired after %v", len(alerts), time.Since(start).Round(time.Second))
}

// clear waits until none of the alerts fires, or without any, none at all.
func (w watcher) clear(t *testing.T, alerts ...string) {
	t.Helper()
	start := time.Now()
	ctx := deadline(t, 2*partTimeout)
	var firing []string
	t.Cleanup(func() {
		if len(firing) > 0 {
			t.Errorf("did not clear: %q", firing)
		}
	})
	until(ctx, t, "alerts to clear", func() bool {
		names, err := w.alertNames(ctx, `ALERTS{alertstate="firing"}`)
		if err != nil {
			return false
		}
		firing = slices.DeleteFunc(names, func(name string) bool { return len(alerts) > 0 && !slices.Contains(alerts, name) })
		return len(firing) == 0
	})
	t.Logf("none fires after %v", time.Since(start).Round(time.Second))
}

package top

import (
	"fmt"
	"math"
	"strings"
	"time"

	"chatmaild/applets/command"
)

// pulses are the counters whose rates are drawn over time.
var pulses = []struct {
	title, name string
	with        labels
}{
	{"mail out", "chatmaild_filter_messages_total", "direction=out result=passed"},
	{"mail in", "chatmaild_filter_messages_total", "direction=in result=passed"},
	{"refused", "chatmaild_filter_refused_total", ""},
	{"logins", "chatmaild_login_seconds_count", ""},
	{"new accounts", "chatmaild_accounts_created_total", ""},
	{"notifications", "chatmaild_push_notifications_total", "outcome=delivered"},
}

// latencies are the histograms that are shown.
var latencies = []struct {
	title, name string
	with        labels
}{
	{"to a mailbox", "chatmaild_delivery_seconds", "to=local"},
	{"to other relays", "chatmaild_delivery_seconds", "to=remote"},
	{"login", "chatmaild_login_seconds", ""},
	{"check, out", "chatmaild_filter_check_seconds", "direction=out"},
	{"check, in", "chatmaild_filter_check_seconds", "direction=in"},
	{"notification", "chatmaild_push_delay_seconds", ""},
	{"probe", "chatmaild_probe_seconds", ""},
}

// screen returns the lines of what is shown. Without a history there are no lines
// of bars.
//
// It is plain text in a fixed order, so that a test can compare it and the eye finds a
// number where it was; numbers are right-aligned, and what is not known is a dash.
func screen(name string, c change, past history) []string {
	now := c.now.at
	lines := []string{
		fmt.Sprintf("chatmail relay %s  %s  over %.1f s%s", name, now.Format(time.TimeOnly), now.Sub(c.before.at).Seconds(), quitHint(past)), "",
		fmt.Sprintf("%-16s %9s", "A SECOND", ""),
	}
	for _, p := range pulses {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-16s %9s  %s", p.title, number(c.rate(p.name, p.with)), spark(past[p.title])), " "))
	}
	lines = append(lines, "", fmt.Sprintf("%-16s %9s %9s %9s", "LATENCY", "p50", "p95", "p99"))
	for _, l := range latencies {
		lines = append(lines, fmt.Sprintf("%-16s %9s %9s %9s", l.title, spell(c.quantile(.5, l.name, l.with)),
			spell(c.quantile(.95, l.name, l.with)), spell(c.quantile(.99, l.name, l.with))))
	}
	lines = append(lines, "", "STATE")
	add := func(title, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-16s %s", title, fmt.Sprintf(format, args...)))
	}
	add("accounts", "%s, and %s of tests", number(c.value("nonci_accounts", "")), number(c.value("ci_accounts", "")))
	add("queue", "%s on the way, %s deferred, the oldest %s", number(c.value("chatmaild_queue_messages", "queue=active")+c.value("chatmaild_queue_messages", "queue=incoming")),
		number(c.value("chatmaild_queue_messages", "queue=deferred")), spell(c.value("chatmaild_queue_oldest_seconds", "queue=deferred")))
	add("sending", "%s connections of users", number(c.value("chatmaild_submission_clients", "")))
	add("push", "%s pending, the oldest %s; %s of %s services answer", number(c.value("chatmaild_push_queue_entries", "")),
		spell(c.value("chatmaild_push_queue_oldest_seconds", "")), number(c.value("chatmaild_push_services_alive", "")), number(c.value("chatmaild_push_services", "")))
	add("disk", "%s free of %s", size(c.value("chatmaild_disk_free_bytes", "")), size(c.value("chatmaild_disk_size_bytes", "")))
	add("certificate", "ends in %s", days(c.value("chatmaild_certificate_expiry_timestamp_seconds", ""), now))
	add("probe", "%s", probeResult(c.value("chatmaild_probe_success", "")))
	lines = append(lines, "", fmt.Sprintf("%-16s %9s %9s %9s", "DAEMON", "cpu", "memory", "files"))
	// One that does not answer the metrics daemon has no figures to show.
	for _, daemon := range c.values("chatmaild_up", "daemon") {
		with := labels("daemon=" + daemon)
		if c.value("chatmaild_up", with) != 1 {
			lines = append(lines, fmt.Sprintf("%-16s DOES NOT ANSWER", daemon))
			continue
		}
		lines = append(lines, fmt.Sprintf("%-16s %9s %9s %9s", daemon, percent(c.rate("process_cpu_seconds_total", with)),
			size(c.value("chatmaild_process_pss_bytes", with)), number(c.value("process_open_fds", with))))
	}
	return lines
}

// quitHint is for the live screen alone.
func quitHint(past history) string {
	if past == nil {
		return ""
	}
	return "  (q ends)"
}

// probeResult says how the last message of the echo bot to itself ended.
func probeResult(n float64) string {
	switch n {
	case 0:
		return "FAILED"
	case 1:
		return "came back"
	}
	return unknown
}

// unknown stands for what nobody knows.
const unknown = "-"

func number(n float64) string {
	switch {
	case math.IsNaN(n):
		return unknown
	case n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	case n < 10:
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.1f", n)
}

func percent(n float64) string {
	if math.IsNaN(n) {
		return unknown
	}
	return fmt.Sprintf("%.1f %%", 100*n)
}

func size(n float64) string {
	if math.IsNaN(n) {
		return unknown
	}
	return command.FormatSize(int64(n))
}

// spell writes seconds in the unit that people would use.
func spell(n float64) string {
	switch {
	case math.IsNaN(n):
		return unknown
	case n == 0:
		return "0"
	case n < 0.01:
		return fmt.Sprintf("%.1f ms", 1000*n)
	case n < 1:
		return fmt.Sprintf("%.0f ms", 1000*n)
	case n < 120:
		return fmt.Sprintf("%.1f s", n)
	case n < 7200:
		return fmt.Sprintf("%.0f min", n/60)
	}
	return fmt.Sprintf("%.1f h", n/3600)
}

// days counts to a moment given in Unix time.
func days(at float64, now time.Time) string {
	if math.IsNaN(at) {
		return unknown
	}
	return fmt.Sprintf("%.1f days", time.Unix(int64(at), 0).Sub(now).Hours()/24)
}

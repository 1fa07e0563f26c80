package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stagesSince is how far back Postfix's log is read, at most.
const stagesSince = 10 * time.Minute

// delays is what Postfix logs of each delivery to a mailbox: in the queue until the queue
// manager had it, until a process delivered it, connecting, and the delivery itself, in
// seconds.
var delays = regexp.MustCompile(`private/dovecot-lmtp\].* delays=([0-9.]+)/([0-9.]+)/([0-9.]+)/([0-9.]+), .*status=(\w+)`)

// stages notes where the time of the texts since a moment went: as their people saw it, as
// Postfix did, and what the disk had to do with it.
func (b *bench) stages(ctx context.Context, since time.Time) error {
	now := time.Now()
	since = maxTime(since, now.Add(-stagesSince))
	for _, s := range b.load.Mail.Stages(since, now) {
		b.report.stage("text: "+s.Name, s.Took)
	}
	b.report.stage("people: wait for a processor", b.late.since(since))
	used, err := ownTime()
	if err != nil {
		return err
	}
	b.report.step(now, "people: processors", "%.2f busy, since the beginning", used.Seconds()/now.Sub(b.report.Time).Seconds())
	log, err := b.relay.Journal(ctx, "--unit=chatmaild-maillog", "--output=cat", fmt.Sprintf("--since=@%d", since.Unix()))
	if err != nil {
		return err
	}
	names := []string{"Postfix: into the queue", "Postfix: waits for a process", "Postfix: connects to Dovecot", "Postfix: delivers"}
	took := make([][]time.Duration, len(names))
	deferred := 0
	for line := range strings.Lines(log) {
		m := delays.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[len(names)+1] != "sent" {
			deferred++
			continue
		}
		for i := range names {
			seconds, err := strconv.ParseFloat(m[i+1], 64)
			if err != nil {
				return fmt.Errorf("reading Postfix's log: %w", err)
			}
			took[i] = append(took[i], time.Duration(seconds*float64(time.Second)))
		}
	}
	for i, name := range names {
		b.report.stage(name, took[i])
	}
	if deferred > 0 {
		b.report.step(now, "Postfix: deferred", "%d deliveries", deferred)
	}
	metrics, err := b.relay.Run(ctx, "chatmaild", "metrics", "--print")
	if err != nil {
		return err
	}
	b.report.step(now, "syncs of deliveries, since the boot", "%s", histogram(metrics, "chatmaild_delivery_sync_seconds"))
	return nil
}

func maxTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// stage notes how long a part of the way took.
func (r *report) stage(name string, took []time.Duration) {
	if len(took) > 0 {
		r.step(time.Now(), name, "half within %.0f ms, 95 %% within %.0f ms, all within %.0f ms", quantile(took, 0.5), quantile(took, 0.95), quantile(took, 1))
	}
}

// histogram says of a histogram in the format of OpenMetrics how many were how fast.
func histogram(metrics, name string) string {
	var parts []string
	total, before := 0.0, 0.0
	for line := range strings.Lines(metrics) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, name+"_count "); ok {
			total, _ = strconv.ParseFloat(rest, 64)
		}
		rest, ok := strings.CutPrefix(line, name+`_bucket{le="`)
		if !ok {
			continue
		}
		limit, value, _ := strings.Cut(rest, `"} `)
		n, err := strconv.ParseFloat(value, 64)
		if err == nil && n > before {
			parts = append(parts, fmt.Sprintf("%.0f within %s s", n, limit))
			before = n
		}
	}
	return fmt.Sprintf("%.0f: %s", total, strings.Join(parts, ", "))
}

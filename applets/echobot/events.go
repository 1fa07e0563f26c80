package echobot

import (
	"log/slog"
	"time"

	"chatmaild/applets/echobot/bot"
	"chatmaild/applets/echobot/session"
	"chatmaild/applets/service/metric"
	"chatmaild/store/atomicfile"
)

// Events counts what the echo bot does, and keeps the result of its last probe
// where status finds it.
type Events struct {
	handled *metric.Values
	sent    *metric.Values
	probes  *metric.Values
	latency *metric.Histogram
	last    *metric.Value
	success *metric.Value
	path    string
	log     *slog.Logger
}

var _ session.Events = (*Events)(nil)

// NewEvents adds to set what the bot counts. It keeps the result of a probe at path.
func NewEvents(set *metric.Set, path string, log *slog.Logger) *Events {
	outcome := metric.Label{Name: "outcome"}
	for _, o := range bot.Outcomes() {
		outcome.Values = append(outcome.Values, string(o))
	}
	result := metric.Label{Name: "result", Values: []string{"ok", "failed"}}
	return &Events{
		handled: set.Counter("chatmaild_echobot_messages_total", "Messages to the echo bot, by outcome", outcome),
		sent:    set.Counter("chatmaild_echobot_answers_total", "Messages sent by the echo bot", result),
		probes:  set.Counter("chatmaild_probes_total", "Probes: messages that the relay sent to itself as a phone would", result),
		latency: set.Histogram("chatmaild_probe_seconds", "Time from sending a probe to reading it", metric.Latency()).At(),
		success: set.Gauge("chatmaild_probe_success", "1 if the last probe arrived, 0 if not").At(),
		last:    set.Gauge("chatmaild_probe_last_success_timestamp_seconds", "Time of the last probe that arrived, as Unix time").At(),
		path:    path,
		log:     log,
	}
}

// Handled implements session.Events.
func (e *Events) Handled(o bot.Outcome) { e.handled.At(string(o)).Add(1) }

// Sent implements session.Events.
func (e *Events) Sent(err error) { e.sent.At(ok(err == nil)).Add(1) }

// Probed implements session.Events.
func (e *Events) Probed(p session.Probe) {
	e.probes.At(ok(p.OK)).Add(1)
	e.success.Set(0)
	if p.OK {
		e.success.Set(1)
		e.latency.Took(time.Duration(p.Seconds * float64(time.Second)))
		e.last.Set(float64(p.LastSuccess.Unix()))
	}
	text, err := p.Marshal()
	if err == nil {
		err = atomicfile.Write(e.path, text, 0o644, nil)
	}
	if err != nil {
		e.log.Warn("cannot keep the result of a probe", "error", err)
	}
}

func ok(good bool) string {
	if good {
		return "ok"
	}
	return "failed"
}

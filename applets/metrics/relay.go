package metrics

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/metrics/journal"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/supervise/control"
	"chatmaild/packaging/dovecot"
	"chatmaild/packaging/peer"
	"chatmaild/packaging/postfix"
	"chatmaild/packaging/postfix/queue"
)

const (
	// lookInterval is how often the other programs are looked at. A scrape finds what
	// was seen then, so none waits for them.
	lookInterval = 15 * time.Second
	lookTimeout  = 10 * time.Second
	// lookShare is how much longer than a look the pause after it is: for a look at a
	// long queue Postfix opens each message.
	lookShare = 20
)

// Where the other programs are.
const (
	statsSocket = "/run/dovecot/stats-reader"
	httpsServer = "127.0.0.1:443"
)

// relayMetrics is what the metrics daemon sees of the programs that are not ours.
type relayMetrics struct {
	messages, oldest *metric.Values

	deliveries *metric.Values
	delivery   *metric.Histograms
	noQueue    *metric.Value
	timeouts   *metric.Values
	limited    *metric.Values
	problems   *metric.Values
	full       *metric.Value

	dovecotEvents, dovecotTime *metric.Values

	certificate *metric.Value
	directory   *directoryMetrics
	blind       *metric.Values
}

// What Dovecot counts: the metrics of packaging/dovecot/dovecot.conf.tmpl.
var dovecotEvents = []string{"session", "delivery"}

// What looking can fail at.
const (
	lookingAtQueues      = "queues"
	lookingAtLog         = "log"
	lookingAtDovecot     = "dovecot"
	lookingAtCertificate = "certificate"
	lookingAtDirectory   = "directory"
)

// deliveryBounds continue after those of latencies for what waits in the queue.
func deliveryBounds() []float64 { return append(metric.Latency(), 30, 120, 600, 3600, 6*3600, 86400) }

// newRelayMetrics adds to set the metrics of a relay with machines of these names: none if it is one
// machine.
func newRelayMetrics(set *metric.Set, version string, machines ...string) *relayMetrics {
	queue := metric.Label{Name: "queue", Values: queue.Names()}
	to := metric.Label{Name: "to", Values: []string{"local", "remote"}}
	event := metric.Label{Name: "event", Values: dovecotEvents}
	set.Gauge("chatmaild_build_info", "1, with the running version", metric.Label{Name: "version", Values: []string{version}}).At(version).Set(1)
	return &relayMetrics{
		messages: set.Gauge("chatmaild_queue_messages", "Messages in Postfix's queues", queue),
		oldest:   set.Gauge("chatmaild_queue_oldest_seconds", "Age of the oldest message in each Postfix queue; 0 if it is empty", queue),

		deliveries: set.Counter("chatmaild_deliveries_total", "Postfix's delivery attempts: local ones to mailboxes, remote ones to other relays",
			to, metric.Label{Name: "status", Values: postfix.Statuses()}),
		delivery: set.Histogram("chatmaild_delivery_seconds", "Time from a message's arrival until it was delivered", deliveryBounds(), to),
		noQueue:  set.Counter("chatmaild_postfix_noqueue_total", "Commands that Postfix rejected before a message was queued").At(),
		timeouts: set.Counter("chatmaild_postfix_timeouts_total", "Clients of Postfix that timed out, by the command after which they did",
			metric.Label{Name: "after", Values: postfix.Stages()}),
		limited: set.Counter("chatmaild_postfix_limited_total", "Connections and messages that Postfix refused because a client exceeded a limit",
			metric.Label{Name: "limit", Values: postfix.Limits()}),
		problems: set.Counter("chatmaild_postfix_problems_total", "Lines in Postfix's log, by level", metric.Label{Name: "level", Values: postfix.Levels()}),
		full:     set.Counter("chatmaild_mailbox_full_total", "Delivery attempts refused because the mailbox was full").At(),

		dovecotEvents: set.Counter("chatmaild_dovecot_events_total",
			"Sessions and mailbox deliveries that Dovecot has finished since it started", event),
		dovecotTime: set.Counter("chatmaild_dovecot_seconds_total", "Total time of the sessions and deliveries that Dovecot has finished", event),

		directory: newDirectoryMetrics(set, machines...),

		certificate: set.Gauge("chatmaild_certificate_expiry_timestamp_seconds", "Expiry of the certificate served over HTTPS, as Unix time").At(),
		blind: set.Gauge("chatmaild_look_failed", "1 for each source that the metrics daemon could not read last time",
			metric.Label{Name: "what", Values: []string{lookingAtQueues, lookingAtLog, lookingAtDovecot, lookingAtCertificate, lookingAtDirectory}}),
	}
}

// watch looks at everything, again and again, until ctx is done.
func (m *relayMetrics) watch(ctx context.Context, conf *config.Config, log *slog.Logger) error {
	looks := []*lookout{
		{at: lookingAtQueues, look: m.queues},
		{at: lookingAtDovecot, look: m.dovecot},
		{at: lookingAtCertificate, look: func(ctx context.Context) error { return m.served(ctx, config.Host(conf)) }},
	}
	if config.Clustered(conf) {
		looks = append(looks, &lookout{at: lookingAtDirectory, look: func(ctx context.Context) error { return m.directory.look(ctx, conf) }})
	}
	if !control.Present(control.Socket) { // else they come to us: run
		lines := &journal.Reader{Program: "journalctl", Match: journal.Mail}
		looks = append(looks, &lookout{at: lookingAtLog, look: func(ctx context.Context) error { return lines.Read(ctx, m.logged) }})
	}
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		for _, l := range looks {
			if time.Now().Before(l.next) {
				continue
			}
			if m.look(ctx, l, log); ctx.Err() != nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// A lookout is one of the programs that are looked at.
type lookout struct {
	at     string
	look   func(context.Context) error
	failed bool      // the last look
	next   time.Time // not to be looked at before
}

// look looks once. A fault is logged when it comes, and told while it lasts.
func (m *relayMetrics) look(ctx context.Context, l *lookout, log *slog.Logger) {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	start := time.Now()
	err := l.look(looking)
	cancel()
	end := time.Now()
	l.next = end.Add(lookShare * end.Sub(start))
	if ctx.Err() != nil {
		return
	}
	if err != nil && !l.failed {
		log.Warn("the metrics lack a part", "part", l.at, "error", err)
	}
	l.failed = err != nil
	m.blind.At(l.at).Set(0)
	if err != nil {
		m.blind.At(l.at).Set(1)
	}
}

// logged counts one line of the mail log.
func (m *relayMetrics) logged(line journal.Entry) {
	e := postfix.ParseLog(line.Identifier, line.Message)
	switch e.Kind {
	case postfix.Delivery:
		to := "local"
		if e.Remote {
			to = "remote"
		}
		m.deliveries.At(to, e.Status).Add(1)
		if e.Status == "sent" {
			m.delivery.At(to).Took(e.Delay)
		}
		if e.Full {
			m.full.Add(1)
		}
	case postfix.NoQueue:
		m.noQueue.Add(1)
	case postfix.Timeout:
		m.timeouts.At(e.After).Add(1)
	case postfix.Limited:
		m.limited.At(e.Limit).Add(1)
	case postfix.Problem:
		m.problems.At(e.Level).Add(1)
	}
}

func (m *relayMetrics) dovecot(ctx context.Context) error {
	conn, err := peer.Dial(ctx, "unix", statsSocket)
	if err != nil {
		return fmt.Errorf("asking for Dovecot's statistics: %w", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, dovecot.Ask); err != nil {
		return fmt.Errorf("asking for Dovecot's statistics: %w", err)
	}
	stats, err := dovecot.ReadStats(conn)
	if err != nil {
		return err
	}
	for _, event := range dovecotEvents {
		if s, ok := stats[event]; ok {
			m.dovecotEvents.At(event).Set(float64(s.Count))
			m.dovecotTime.At(event).Set(s.Took.Seconds())
		}
	}
	return nil
}

// served asks the web server for its certificate, as clients see it: it tells the
// same of every certificate, no matter who issued it, and of one that was renewed but
// not taken over. Whether to trust it is not asked.
func (m *relayMetrics) served(ctx context.Context, name string) error {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: name, InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", httpsServer)
	if err != nil {
		m.certificate.Set(metric.Unknown)
		return fmt.Errorf("asking for the certificate: %w", err)
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return errors.New("the web server presents no certificate")
	}
	m.certificate.Set(float64(chain[0].NotAfter.Unix()))
	return nil
}

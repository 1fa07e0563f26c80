package metadata

import (
	"time"

	"chatmaild/applets/service/metric"
	"chatmaild/push"
)

// Metrics is what the metadata daemon tells of deliveries and notifications.
type Metrics struct {
	deliveries  deliveries
	post, total *metric.Histogram

	outcomes         *metric.Values
	queued, limit    *metric.Value
	oldest, inFlight *metric.Value
	services, alive  *metric.Value
	putOff, refused  *metric.Value
}

// The outcomes of notifications.
const (
	pushDelivered = "delivered"
	pushFailed    = "failed_try"
	pushGone      = "token_gone"
	pushExpired   = "expired"
	pushEvicted   = "evicted"
)

// NewMetrics adds to set what the daemon tells of both.
func NewMetrics(set *metric.Set) *Metrics {
	outcome := metric.Label{Name: "outcome", Values: []string{pushDelivered, pushFailed, pushGone, pushExpired, pushEvicted}}
	return &Metrics{
		deliveries: newDeliveries(set),
		outcomes: set.Counter("chatmaild_push_notifications_total",
			"Notifications by outcome; after a failed try, the notification is sent again until it expires", outcome),
		post: set.Histogram("chatmaild_push_post_seconds", "Response time of the notification service", metric.Latency()).At(),
		total: set.Histogram("chatmaild_push_delay_seconds", "Time from a message's arrival until its notification was delivered",
			metric.Latency()).At(),
		queued:   set.Gauge("chatmaild_push_queue_entries", "Queued notifications").At(),
		limit:    set.Gauge("chatmaild_push_queue_limit", "Maximum number of queued notifications").At(),
		oldest:   set.Gauge("chatmaild_push_queue_oldest_seconds", "Age of the oldest queued notification; 0 if there is none").At(),
		inFlight: set.Gauge("chatmaild_push_in_flight", "Notifications being sent").At(),
		services: set.Gauge("chatmaild_push_services", "Notification services in notify_url").At(),
		alive:    set.Gauge("chatmaild_push_services_alive", "Notification services not known to be down").At(),
		putOff: set.Counter("chatmaild_push_put_off_total",
			"Notifications delayed because their account had the maximum being sent").At(),
		refused: set.Counter("chatmaild_push_tokens_refused_total",
			"New push tokens refused because their account had stored too many recently").At(),
	}
}

// delivered is notified of each delivery.
func (m *Metrics) delivered(post, total time.Duration) {
	m.post.Took(post)
	m.total.Took(total)
}

// bounded counts what allow refuses.
func (m *Metrics) bounded(allow func(account string) bool) func(account string) bool {
	return func(account string) bool {
		ok := allow(account)
		if !ok {
			m.refused.Add(1)
		}
		return ok
	}
}

// follow has the metrics read, before each scrape, what the notifier counts.
func (m *Metrics) follow(set *metric.Set, notifier *push.Notifier) {
	set.Before(func() {
		report, err := notifier.Report()
		if err != nil {
			return
		}
		for outcome, n := range map[string]uint64{
			pushDelivered: report.Delivered, pushFailed: report.Failed, pushGone: report.Gone,
			pushExpired: report.Expired, pushEvicted: report.Queue.Evicted,
		} {
			m.outcomes.At(outcome).Set(float64(n))
		}
		m.queued.Set(float64(report.Queue.Entries))
		m.limit.Set(float64(report.Queue.Limit))
		m.inFlight.Set(float64(report.InFlight))
		m.putOff.Set(float64(report.PutOff))
		m.oldest.Set(0)
		if report.Queue.Oldest != nil {
			m.oldest.Set(max(report.Time.Sub(*report.Queue.Oldest).Seconds(), 0))
		}
		alive := 0
		for _, s := range report.Services {
			if s.Alive {
				alive++
			}
		}
		m.services.Set(float64(len(report.Services)))
		m.alive.Set(float64(alive))
	})
}

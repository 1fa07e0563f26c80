package push

import "time"

// ReportKey is the dict key under which the metadata daemon gives its Report, as JSON.
// No mail client can ask for it: Dovecot puts priv/ or shared/ before their keys.
const ReportKey = "chatmaild/push"

// CopyKey is the dict key by which the daemon writes a copy of its database, and answers
// with the path of the copy.
const CopyKey = "chatmaild/copy"

// TokensKey is the dict key of an account's tokens, as Dovecot names it, but with a
// mailbox's GUID that is nobody's. Unset, they are forgotten, and with them the
// notifications that wait.
const TokensKey = "priv/0/" + deviceToken

// Report is what the notifier tells the operator.
type Report struct {
	Time     time.Time       `json:"time"`
	Queue    QueueStats      `json:"queue"`
	InFlight int             `json:"in_flight"`
	Services []ServiceReport `json:"services"`

	// Since the daemon started.
	Delivered uint64 `json:"delivered"`
	Failed    uint64 `json:"failed_tries"`
	Gone      uint64 `json:"tokens_gone"`
	Expired   uint64 `json:"expired"` // given up after MaxRetryAge
	PutOff    uint64 `json:"put_off"` // because of AccountInFlight

	// Of the last deliveries, in milliseconds: the POST alone, and from the
	// message's arrival to the service's answer.
	PostMillis  Percentiles `json:"post_ms"`
	TotalMillis Percentiles `json:"total_ms"`
}

// QueueStats describes the queue.
type QueueStats struct {
	Entries int        `json:"entries"`
	Limit   int        `json:"limit"`
	Oldest  *time.Time `json:"oldest,omitempty"`
	Evicted uint64     `json:"evicted"` // because of the limit, since the start
}

// ServiceReport describes one notification service.
type ServiceReport struct {
	Name        string     `json:"url"`
	Alive       bool       `json:"alive"`
	DeadSince   *time.Time `json:"dead_since,omitempty"`
	NextProbe   *time.Time `json:"next_probe,omitempty"`
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
}

// Percentiles are of the last deliveries; all are 0 if there were none.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

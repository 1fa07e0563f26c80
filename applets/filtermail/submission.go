package filtermail

import (
	"context"
	"log/slog"
	"net"
	"os"

	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/mailfilter/proxy"
	"chatmaild/packaging/dovecot/authclient"
)

// Entrances are the ways by which users' clients come, each on the socket of its name.
func Entrances() []proxy.Entrance {
	return []proxy.Entrance{
		{Name: "submission"},
		{Name: "submissions", TLS: proxy.Implicit},
		{Name: "submissions-443", TLS: proxy.Implicit, Proxied: true},
		{Name: "submission-proxy", Proxied: true},
		{Name: "submission-websocket", TLS: proxy.Outside, Proxied: true},
	}
}

// submission takes mail from users' clients, on the sockets that systemd hands over: one that it
// does not is not there.
func submission(conf *config.Config, set *metric.Set, server *proxy.Server, log *slog.Logger) []service.Endpoint {
	front := server.NewSubmission(proxy.SubmissionOptions{
		Hostname:    config.Hostname(conf),
		Auth:        &authclient.Client{Socket: conf.Socket("auth-submission"), Service: "smtp", PID: os.Getpid(), Log: log},
		Certificate: newCertificate(config.SubmissionCertificate(conf), log).current,
		MaxClients:  conf.MaxSMTPConnections,
		// By default 600 phones behind one address, as at a conference, each of which keeps the
		// connection that it last sent on.
		MaxOfOne:   max(conf.MaxSMTPConnections*3/5, 1),
		SpoolDir:   os.TempDir(),
		Doorkeeper: NewSubmissionMetrics(set),
	})
	var endpoints []service.Endpoint
	for _, e := range Entrances() {
		endpoints = append(endpoints, service.Endpoint{
			Name: e.Name, Handed: true,
			Serve: func(ctx context.Context, l net.Listener) error { return front.Serve(ctx, l, e) },
		})
	}
	return endpoints
}

// SubmissionMetrics counts what users' clients do.
type SubmissionMetrics struct {
	open, sessions *metric.Values                    // by entrance
	of             map[proxy.Occasion]*metric.Values // of all else
}

var _ proxy.Doorkeeper = (*SubmissionMetrics)(nil)

// NewSubmissionMetrics adds to set what is counted of users' clients.
func NewSubmissionMetrics(set *metric.Set) *SubmissionMetrics {
	entrance := metric.Label{Name: "entrance"}
	for _, e := range Entrances() {
		entrance.Values = append(entrance.Values, e.Name)
	}
	m := &SubmissionMetrics{
		open:     set.Gauge("chatmaild_submission_clients", "Users' clients that are connected by SMTP", entrance),
		sessions: set.Counter("chatmaild_submission_sessions_total", "SMTP sessions of users' clients", entrance),
		of:       map[proxy.Occasion]*metric.Values{},
	}
	for _, e := range Entrances() {
		m.open.At(e.Name).Set(0)
	}
	m.count(set, "chatmaild_submission_logins_total",
		"Logins to send mail, by outcome; unavailable: they could not be checked, or were refused for now", "outcome", proxy.Logins())
	m.count(set, "chatmaild_submission_refused_total",
		"SMTP connections of users' clients that were refused because max_smtp_connections was reached (connections), or three fifths of it by one "+
			"address (address), and sessions that were ended for others because they were silent (silent)", "limit", proxy.Limits())
	m.count(set, "chatmaild_submission_timeouts_total",
		"SMTP sessions of users' clients that fell silent in the middle of a message (data) or before it (other)", "after", proxy.Silences())
	m.count(set, "chatmaild_submission_faults_total",
		"SMTP sessions of users' clients without TLS because the handshake failed (tls), connections without a valid PROXY header (header), and messages "+
			"refused because the sender is not the login (sender)", "fault", proxy.Faults())
	return m
}

// count adds a counter of some occasions.
func (m *SubmissionMetrics) count(set *metric.Set, name, help, label string, occasions []proxy.Occasion) {
	l := metric.Label{Name: label}
	for _, o := range occasions {
		l.Values = append(l.Values, string(o))
	}
	values := set.Counter(name, help, l)
	for _, o := range occasions {
		m.of[o] = values
	}
}

// Noticed implements proxy.Doorkeeper.
func (m *SubmissionMetrics) Noticed(entrance string, o proxy.Occasion) {
	switch o {
	case proxy.Begun:
		m.open.At(entrance).Add(1)
		m.sessions.At(entrance).Add(1)
	case proxy.Ended:
		m.open.At(entrance).Add(-1)
	default:
		m.of[o].At(string(o)).Add(1)
	}
}

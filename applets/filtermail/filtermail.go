// Package filtermail is the wiring of the two filters in front of Postfix's queue, of which
// the one for outgoing mail is the SMTP server of users' clients as well: policies and proxy
// are in mailfilter.
package filtermail

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/mailfilter"
	"chatmaild/mailfilter/dkim"
	"chatmaild/mailfilter/proxy"
)

// Outgoing passes mail of our users.
var Outgoing = command.Command{
	Name: "filtermail-out", Kind: command.Daemon,
	Synopsis:    "takes mail from the relay's users, and passes on what is encrypted",
	Description: "Users' clients send by it, after a login, on ports 465, 587 and 443. It passes to\nPostfix what is encrypted, and refuses the rest.",
	Bind: func(*flag.FlagSet) command.Run {
		return command.Configured(func(ctx context.Context, env *command.Env, conf *config.Config) error {
			limit, all, err := limiter(conf)
			if err != nil {
				return err
			}
			policy, err := outgoing(conf, limit)
			if err != nil {
				return err
			}
			d := direction{"filtermail-out", "out", policy, conf.FiltermailSMTPPort, conf.PostfixReinjectPort, nil, submission}
			if all != nil {
				d.more = func(conf *config.Config, set *metric.Set, server *proxy.Server, log *slog.Logger) []service.Endpoint {
					return append(submission(conf, set, server, log), all.Endpoint("limit", log))
				}
			}
			return filter(ctx, env, conf, d)
		})
	},
}

// Incoming passes mail from outside.
var Incoming = command.Command{
	Name: "filtermail-in", Kind: command.Daemon,
	Synopsis:    "passes on encrypted mail from outside",
	Description: "It takes mail from Postfix, and from other relays by HTTPS, and passes it on to Postfix. It verifies DKIM signatures.",
	Bind: func(*flag.FlagSet) command.Run {
		return command.Configured(func(ctx context.Context, env *command.Env, conf *config.Config) error {
			keys := verifier(conf, env.Log())
			boxes, done, err := mailboxes(conf)
			if err != nil {
				return err
			}
			defer done()
			policy := mailfilter.NewIncoming(mailfilter.IncomingOptions{
				Mailboxes: boxes,
				Domains:   []string{conf.AddressDomain()},
				DKIM:      keys,
			})
			return filter(ctx, env, conf, direction{"filtermail-in", "in", policy, conf.FiltermailSMTPPortIncoming, conf.PostfixReinjectPortIncoming, keys, https})
		})
	},
}

// filterGC is the GC percentage of the filters. The rate limiter's table counts as
// memory in use, though the collector has nothing to do with it; by default the
// heap would grow to twice its size before the next collection.
const filterGC = 15

// direction is one of the two filters.
type direction struct {
	name        string // of the applet
	way         string // in metrics
	policy      mailfilter.Policy
	port, queue int            // what comes to port is passed on to queue
	keys        *dkim.Verifier // whose look-ups are counted; nil if there are none

	// more are further ways by which mail comes; nil if there are none.
	more func(*config.Config, *metric.Set, *proxy.Server, *slog.Logger) []service.Endpoint
}

// filter filters mail in one direction.
func filter(ctx context.Context, env *command.Env, conf *config.Config, d direction) error {
	debug.SetGCPercent(filterGC)
	log := env.Log()
	metrics := service.NewMetrics(d.name, time.Now())
	if d.keys != nil {
		NewLookupMetrics(metrics).follow(metrics, d.keys)
	}
	server := proxy.New(proxy.Options{
		Name:           conf.AddressDomain(),
		Policy:         d.policy,
		Hidden:         conf.Hidden && d.way == "in",
		Queue:          net.JoinHostPort("127.0.0.1", strconv.Itoa(d.queue)),
		MaxMessageSize: int64(conf.MaxMessageSize),
		MaxRecipients:  conf.MaxSMTPRecipients,
		MaxInFlight:    conf.FiltermailMaxInFlight,
		Observer:       NewMetrics(metrics, d.way),
		Log:            log,
	})
	daemon := service.Service{
		Name: d.name, Address: service.Loopback(d.port), Serve: server.Serve, Log: log,
		Metrics: metrics, MetricsSocket: conf.MetricsSocket(d.name),
	}
	if d.more != nil {
		daemon.More = d.more(conf, metrics, server, log)
	}
	return daemon.Run(ctx)
}

// outgoing is the policy for mail of our users.
func outgoing(conf *config.Config, limit mailfilter.Limiter) (mailfilter.Policy, error) {
	return mailfilter.NewOutgoing(mailfilter.OutgoingOptions{
		Domains:               []string{conf.AddressDomain()},
		Limiter:               limit,
		PassthroughSenders:    conf.PassthroughSenders,
		PassthroughRecipients: conf.PassthroughRecipients,
	})
}

// Package metrics is the daemon that tells Prometheus of the whole relay: it asks the
// other daemons, and looks at Postfix, Dovecot and the certificate.
package metrics

import (
	"context"
	"flag"
	"io"
	"net"
	"runtime/debug"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/metrics/journal"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
	"chatmaild/applets/supervise/control"
)

// Command tells OpenMetrics of the whole relay.
var Command = command.Command{
	Name: "metrics", Kind: command.Daemon,
	Synopsis: "serves the metrics of the whole relay",
	Description: `chatmaild-metrics(7) lists them. Prometheus gets them at metrics_address, if there is
one.`,
	Bind: func(flags *flag.FlagSet) command.Run {
		once := flags.Bool("print", false, "print the running daemon's metrics, and exit")
		return command.Configured(func(ctx context.Context, env *command.Env, conf *config.Config) error {
			if *once {
				return printOnce(ctx, conf, env.Stdout)
			}
			return run(ctx, env, conf)
		})
	},
}

// Describe adds to set all that the daemon tells of its own, for the manual page.
func Describe(set *metric.Set, conf *config.Config) {
	newRelayMetrics(set, "VERSION", "NAME")
	newGatherer(set, conf)
}

// gcPercent is the GC percentage of the metrics daemon, which does little, leaves
// what it read, and has time.
const gcPercent = 15

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	debug.SetGCPercent(gcPercent)
	log := env.Log()
	set := service.NewMetrics("metrics", time.Now())
	relay := newRelayMetrics(set, env.Version, config.MemberNames(conf)...)
	gather := newGatherer(set, conf)
	serve := func(ctx context.Context, l net.Listener) error {
		return service.ServeHTTP(ctx, l, gather.handler(), log)
	}
	daemon := service.Service{
		Name: "metrics", Address: service.Unix(conf.Socket("metrics")), Serve: serve,
		Background: func(ctx context.Context) error { return relay.watch(ctx, conf, log) },
		Log:        log,
	}
	if conf.MetricsAddress != "" {
		daemon.More = []service.Endpoint{{
			Name: "metrics-address", Address: service.Address{Network: "tcp", Addr: conf.MetricsAddress}, Serve: serve,
		}}
	}
	if control.Present(control.Socket) {
		daemon.More = append(daemon.More, service.Endpoint{
			Name: "maillog", Datagrams: func(ctx context.Context, in *net.UnixConn) error { return journal.Follow(ctx, in, relay.logged) },
		})
	}
	return daemon.Run(ctx)
}

// printOnce writes what the running daemon tells.
func printOnce(ctx context.Context, conf *config.Config, w io.Writer) error {
	families, err := service.FetchMetrics(ctx, conf.Socket("metrics"))
	if err != nil {
		return command.WithHint(err, "is the daemon running, and are you root? (see: systemctl status chatmaild-metrics)")
	}
	return metric.Prometheus.Write(w, families)
}

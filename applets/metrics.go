package applets

import (
	"context"
	"flag"
	"io"
	"net"
	"runtime/debug"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/metric"
	"chatmaild/applets/service"
)

var metrics = command.Command{
	Name: "metrics", Kind: command.Daemon, Synopsis: "OpenMetrics of the whole relay",
	Bind: func(flags *flag.FlagSet) command.Run {
		once := flags.Bool("print", false, "write the running daemon's metrics once, and end")
		return func(ctx context.Context, env *command.Env, _ []string) error {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			if *once {
				return printMetrics(ctx, conf, env.Stdout)
			}
			return runMetrics(ctx, env, conf)
		}
	},
}

// metricsGC is the GC percentage of the metrics daemon, which does little, leaves
// what it read, and has time.
const metricsGC = 15

func runMetrics(ctx context.Context, env *command.Env, conf *config.Config) error {
	debug.SetGCPercent(metricsGC)
	log := env.Log()
	set := service.NewMetrics("metrics", time.Now())
	relay := newRelayMetrics(set, env.Version)
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
	return daemon.Run(ctx)
}

// printMetrics writes what the running daemon tells.
func printMetrics(ctx context.Context, conf *config.Config, w io.Writer) error {
	families, err := service.FetchMetrics(ctx, conf.Socket("metrics"))
	if err != nil {
		return command.WithHint(err, "is the daemon running, and are you root? (see: systemctl status chatmaild-metrics)")
	}
	return metric.Prometheus.Write(w, families)
}

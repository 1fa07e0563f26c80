// Package iroh is the wiring of the daemon by which apps in chats, such as games, talk to
// each other at once. systemd starts it with the first client; it ends when there has
// been none for a while.
//
// Of the probes by which iroh looks at its network, nginx answers those by HTTP, and the
// TURN server those by STUN, at the same name. Those by QUIC (UDP port 7842) nobody
// answers: they find out the same.
package iroh

import (
	"context"
	"flag"
	"fmt"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/iroh/relay"
	"chatmaild/applets/service"
)

// Command is an iroh relay.
var Command = command.Command{
	Name: "iroh", Kind: command.Daemon,
	Synopsis: "relays apps' data between users whose devices find no direct path",
	Description: `It is a relay of iroh 0.35, behind nginx. chatmaild-iroh.socket starts it with the
first client, and it ends when there has been none for five minutes.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	if !config.Iroh(conf).Own() {
		return command.WithHint(fmt.Errorf("the configuration wants no iroh relay here"), "chatmaild run stops this daemon")
	}
	metrics := service.NewMetrics("iroh", time.Now())
	server := relay.New(relay.Options{
		Clients:         conf.MaxIrohClients,
		ClientBandwidth: int64(conf.MaxIrohClientBandwidth), Bandwidth: int64(conf.MaxIrohBandwidth),
		Events: NewMetrics(metrics), Log: env.Log(),
	})
	daemon := service.Service{
		Name: "iroh", Address: service.Unix(conf.Socket("iroh")), Serve: server.Serve,
		InUse:   server.Clients,
		Log:     env.Log(),
		Metrics: metrics, MetricsSocket: conf.MetricsSocket("iroh"),
	}
	return daemon.Run(ctx)
}

// Package websocket is the wiring of the daemon by which clients reach IMAP and submission
// in a WebSocket on port 443. systemd starts it with the first client; it ends when there
// has been none for a while.
package websocket

import (
	"context"
	"flag"
	"fmt"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/websocket/bridge"
)

// Command is the bridge from WebSockets to the mail servers.
var Command = command.Command{
	Name: "websocket", Kind: command.Daemon,
	Synopsis: "serves IMAP and SMTP in WebSockets",
	Description: `nginx passes requests for wss://HOST/imap and wss://HOST/smtp to it. It tells Dovecot
and filtermail-out the client's address. chatmaild-websocket.socket starts it with the first
client, and it ends when there has been none for five minutes.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	if !conf.Websocket {
		return command.WithHint(fmt.Errorf("the configuration wants no WebSockets"), "chatmaild run stops this daemon")
	}
	metrics := service.NewMetrics("websocket", time.Now())
	server := bridge.New(bridge.Options{
		Servers: map[string]string{
			config.WebsocketIMAP: fmt.Sprintf("127.0.0.1:%d", config.WebsocketIMAPPort),
			config.WebsocketSMTP: fmt.Sprintf("127.0.0.1:%d", config.WebsocketSMTPPort),
		},
		Clients: conf.MaxWebsocketClients,
		Events:  NewMetrics(metrics), Log: env.Log(),
	})
	daemon := service.Service{
		Name: "websocket", Address: service.Unix(conf.Socket("websocket")), Serve: server.Serve,
		InUse:   server.Clients,
		Log:     env.Log(),
		Metrics: metrics, MetricsSocket: conf.MetricsSocket("websocket"),
	}
	return daemon.Run(ctx)
}

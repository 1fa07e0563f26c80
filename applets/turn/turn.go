// Package turn is the wiring of the daemon by which calls reach users whose networks let
// nothing in. systemd starts it with the first packet; it ends when nobody has needed it
// for a while.
//
// There is no TLS (turns:). Delta Chat asks for turn: at an address, to which a
// certificate for the domain could not be held; calls are encrypted end to end, and a
// password is never sent, only proved.
package turn

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/turn/credential"
	"chatmaild/applets/turn/relay"
)

// Command is a TURN server.
var Command = command.Command{
	Name: "turn", Kind: command.Daemon,
	Synopsis: "relays calls between users whose networks let nothing in",
	Description: `It is a TURN server. chatmaild-turn.socket starts it with the first packet, and it
ends when there has been no allocation for five minutes.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

// gcPercent is the GC percentage. An allocation's memory is in use for minutes; by
// default there would be as much again for what is not.
const gcPercent = 10

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	debug.SetGCPercent(gcPercent)
	if !config.Turn(conf).Own() {
		return command.WithHint(fmt.Errorf("the configuration wants no TURN server here"), "chatmaild run stops this daemon")
	}
	secret, err := readSecret(env, conf)
	if err != nil {
		return err
	}
	metrics := service.NewMetrics("turn", time.Now())
	first, last := config.Turn(conf).Ports()
	server, err := relay.New(relay.Options{
		Realm: conf.MailDomain, Secret: secret, Now: time.Now,
		FirstPort: first, LastPort: last, External: config.Turn(conf).External(),
		PerUser:       conf.MaxTurnPerUser,
		UserBandwidth: int64(conf.MaxTurnUserBandwidth), MaxBandwidth: int64(conf.MaxTurnBandwidth),
		Events: NewMetrics(metrics),
	})
	if err != nil {
		return err
	}
	daemon := service.Service{
		Name: "turn", Address: service.Address{Network: "tcp", Addr: listenAddress(conf)}, Serve: server.Serve,
		More: []service.Endpoint{{
			Name: "turn-udp", Address: service.Address{Network: "udp", Addr: listenAddress(conf)}, Packets: server.ServePackets,
		}},
		InUse:   server.Allocations,
		Log:     env.Log(),
		Metrics: metrics, MetricsSocket: conf.MetricsSocket("turn"),
	}
	return daemon.Run(ctx)
}

// readSecret reads what systemd hands over (LoadCredential=), else the file itself.
func readSecret(env *command.Env, conf *config.Config) (credential.Secret, error) {
	path := config.Turn(conf).Secret()
	if dir := env.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		path = filepath.Join(dir, "turn-secret")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", command.WithHint(err, "chatmaild run makes it")
	}
	secret, err := credential.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return secret, nil
}

func listenAddress(conf *config.Config) string {
	host := "::"
	if conf.DisableIPv6 {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, fmt.Sprint(config.TurnPort))
}

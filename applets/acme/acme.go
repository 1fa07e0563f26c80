// Package acme is the wiring of the daemon that gets and renews certificates; renewal
// knows how.
package acme

import (
	"cmp"
	"context"
	"flag"
	"net"
	"os"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/acme/renewal"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
)

// Command gets and renews certificates.
var Command = command.Command{
	Name: "acme", Kind: command.Daemon,
	Synopsis: "gets and renews the certificate",
	Description: `It answers HTTP-01 challenges on port 80. It has nothing to do where the certificate
comes from elsewhere. The key stays the same: clients remember it.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, cfg *config.Config) error {
	log := env.Log()
	responder := renewal.NewResponder()
	s := &service.Service{
		Name:    "acme",
		Address: service.Loopback(config.ACMEPort),
		Serve: func(ctx context.Context, l net.Listener) error {
			return service.ServeHTTP(ctx, l, responder, log)
		},
		Log:     log,
		Metrics: NewMetrics(service.NewMetrics("acme", time.Now()), cfg), MetricsSocket: cfg.MetricsSocket("acme"),
	}
	// A relay whose certificate comes from elsewhere has nothing to ask for.
	if cfg.ACME() {
		authority := &renewal.Authority{
			Directory: cmp.Or(cfg.ACMEDirectory, renewal.LetsEncrypt), Email: cfg.ACMEEmail,
			UserAgent: "chatmaild/" + env.Version, Solver: responder, Challenge: "http-01",
		}
		if _, literal := cfg.Literal(); literal {
			authority.Profile = renewal.ShortLived
		}
		if cfg.ACMEDNSServer != "" {
			server, err := nameServer(cfg)
			if err != nil {
				return err
			}
			authority.Solver, authority.Challenge = server, "dns-01"
		}
		keeper := &renewal.Keeper{
			Files: renewal.Files(cfg.ACMEDir()), Names: cfg.CertificateNames(), Authority: authority, Log: log,
		}
		if config.Clustered(cfg) {
			shared, err := accounts.Certificates(cfg)
			if err != nil {
				return err
			}
			defer shared.Close()
			keeper.Shared = shared
			responder.Share(shared)
		}
		s.Background = keeper.Run
	}
	return s.Run(ctx)
}

// nameServer is where challenges are answered by DNS.
func nameServer(cfg *config.Config) (*renewal.NameServer, error) {
	text, err := os.ReadFile(cfg.ACMEDNSKey)
	if err != nil {
		return nil, command.Usagef("acme_dns_key: %v", err)
	}
	key, err := renewal.ParseUpdateKey(text)
	if err != nil {
		return nil, command.Usagef("acme_dns_key: %s: %v", cfg.ACMEDNSKey, err)
	}
	address := cfg.ACMEDNSServer
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "53")
	}
	return &renewal.NameServer{Address: address, Key: key, Now: time.Now}, nil
}

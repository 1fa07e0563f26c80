package applets

import (
	"context"
	"flag"
	"net"

	"chatmaild/applets/acme"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	webserver "chatmaild/applets/web"
)

var acmeDaemon = command.Command{
	Name: "acme", Kind: command.Daemon, Synopsis: "gets and renews certificates",
	Bind: func(*flag.FlagSet) command.Run { return runACME },
}

func runACME(ctx context.Context, env *command.Env, _ []string) error {
	cfg, err := env.Config()
	if err != nil {
		return err
	}
	log := env.Log()
	responder := acme.NewResponder()
	s := &service.Service{
		Name:    "acme",
		Address: service.Loopback(config.ACMEPort),
		Serve: func(ctx context.Context, l net.Listener) error {
			return webserver.Serve(ctx, l, responder, log)
		},
		Log: log,
	}
	// A relay whose certificate comes from elsewhere has nothing to ask for.
	if cfg.ACME() {
		keeper := &acme.Keeper{
			Folder: acme.Folder(cfg.ACMEDir()),
			Names:  cfg.CertificateNames(),
			Authority: &acme.Authority{
				Directory: cfg.ACMEDirectory, Email: cfg.ACMEEmail, UserAgent: "chatmaild/" + env.Version,
				Solver: responder, Challenge: "http-01",
			},
			Log: log,
		}
		if keeper.Authority.Directory == "" {
			keeper.Authority.Directory = acme.LetsEncrypt
		}
		s.Background = keeper.Run
	}
	return s.Run(ctx)
}

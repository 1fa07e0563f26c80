package applets

import (
	"context"
	"crypto/rand"
	"flag"
	"net"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	webserver "chatmaild/applets/web"
)

var web = command.Command{
	Name: "web", Kind: command.Daemon, Synopsis: "creates accounts over HTTP",
	Bind: func(*flag.FlagSet) command.Run { return runWeb },
}

func runWeb(ctx context.Context, env *command.Env, _ []string) error {
	cfg, err := env.Config()
	if err != nil {
		return err
	}
	log := env.Log()
	handler := webserver.New(webserver.Options{
		Host:         cfg.MailDomain,
		SelfSigned:   cfg.SelfSigned(),
		Registration: registration(cfg),
		Log:          log,
	})
	s := &service.Service{
		Name:    "web",
		Address: service.Unix(cfg.Socket("web")),
		Serve: func(ctx context.Context, l net.Listener) error {
			return webserver.Serve(ctx, l, handler, log)
		},
		Log: log,
	}
	return s.Run(ctx)
}

// registration is who may have an account, as the configuration has it.
func registration(cfg *config.Config) webserver.Registration {
	return &webserver.Open{
		Domain:       cfg.AddressDomain(),
		Lengths:      webserver.Lengths{Name: cfg.UsernameMaxLength, MinPassword: cfg.PasswordMinLength},
		NocreateFile: cfg.NocreateFile,
		Random:       rand.Reader,
	}
}

// Package web is the wiring of the daemon that creates accounts over HTTP; signup
// answers.
package web

import (
	"context"
	"flag"
	"net"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/service"
	"chatmaild/applets/web/signup"
)

// Command creates accounts over HTTP.
var Command = command.Command{
	Name: "web", Kind: command.Daemon,
	Synopsis: "creates accounts over HTTP",
	Bind:     func(*flag.FlagSet) command.Run { return run },
}

func run(ctx context.Context, env *command.Env, _ []string) error {
	cfg, err := env.Config()
	if err != nil {
		return err
	}
	log := env.Log()
	rules := policy.New(env.ConfigPath, cfg, log)
	metrics := service.NewMetrics("web", time.Now())
	counts := NewMetrics(metrics)
	handler := counts.requestsOf(signup.New(signup.Options{
		Host:         cfg.MailDomain,
		SelfSigned:   cfg.SelfSigned(),
		Registration: &Registrar{rules, cfg},
		Log:          log,
		Shown:        func() { counts.shown.Add(1) },
	}))
	s := &service.Service{
		Name:    "web",
		Address: service.Unix(cfg.Socket("web")),
		Serve: func(ctx context.Context, l net.Listener) error {
			return service.ServeHTTP(ctx, l, handler, log)
		},
		Background: rules.Watch,
		Log:        log,
		Metrics:    metrics, MetricsSocket: cfg.MetricsSocket("web"),
	}
	return s.Run(ctx)
}

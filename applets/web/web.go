// Package web is the wiring of the daemon that creates accounts over HTTP; signup
// answers.
package web

import (
	"context"
	"flag"
	"net"
	"os"
	"path/filepath"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/doveauth/policy"
	"chatmaild/applets/keys"
	"chatmaild/applets/service"
	"chatmaild/applets/web/signup"
)

// Command creates accounts over HTTP.
var Command = command.Command{
	Name: "web", Kind: command.Daemon,
	Synopsis: "creates accounts over HTTP",
	Bind:     func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, cfg *config.Config) error {
	log := env.Log()
	rules := policy.New(env.ConfigPath, cfg, log)
	metrics := service.NewMetrics("web", time.Now())
	counts := NewMetrics(metrics)
	registrar := &Registrar{Policy: rules, Config: cfg}
	if config.Clustered(cfg) {
		shared, err := accounts.Invites(cfg, true)
		if err != nil {
			return err
		}
		defer shared.Close()
		registrar.Shared = shared
	}
	handler := counts.requestsOf(signup.New(signup.Options{
		Host:         config.Host(cfg),
		SelfSigned:   cfg.SelfSigned(),
		Verified:     verified(env, cfg),
		Hidden:       cfg.Hidden,
		Registration: registrar,
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

// verified reports whether an authority has signed the certificate. systemd hands it over
// (LoadCredential=) where that changes what a link says; with another certificate the
// daemon is started again.
func verified(env *command.Env, cfg *config.Config) bool {
	directory := env.Getenv("CREDENTIALS_DIRECTORY")
	if directory == "" {
		return false
	}
	chain, err := os.ReadFile(filepath.Join(directory, "certificate"))
	return err == nil && keys.Verified(chain, config.Host(cfg), time.Now())
}

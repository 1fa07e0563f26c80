package applets

import (
	"context"
	"flag"
	"net"
	"time"

	"chatmaild/applets/command"
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
	policy := newPolicy(env.ConfigPath, cfg, log)
	metrics := service.NewMetrics("web", time.Now())
	counts := newWebMetrics(metrics)
	handler := counts.requestsOf(webserver.New(webserver.Options{
		Host:         cfg.MailDomain,
		SelfSigned:   cfg.SelfSigned(),
		Registration: &registrar{policy, cfg},
		Log:          log,
		Shown:        func() { counts.shown.Add(1) },
	}))
	s := &service.Service{
		Name:    "web",
		Address: service.Unix(cfg.Socket("web")),
		Serve: func(ctx context.Context, l net.Listener) error {
			return webserver.Serve(ctx, l, handler, log)
		},
		Background: policy.Watch,
		Log:        log,
		Metrics:    metrics, MetricsSocket: cfg.MetricsSocket("web"),
	}
	return s.Run(ctx)
}

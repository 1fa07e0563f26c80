package applets

import (
	"context"
	"flag"

	"chatmaild/applets/admin"
	"chatmaild/applets/command"
)

var certificate = command.Command{
	Name: "certificate", Kind: command.Oneshot,
	Synopsis: "has the servers take a certificate that changed",
	Bind: func(*flag.FlagSet) command.Run {
		return func(ctx context.Context, env *command.Env, _ []string) error {
			cfg, err := env.Config()
			if err != nil {
				return err
			}
			return admin.ReloadCertificate(ctx, cfg, env.Log())
		}
	},
}

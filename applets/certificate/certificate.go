// Package certificate is the job that has the servers take a certificate that changed.
package certificate

import (
	"context"
	"flag"

	"chatmaild/applets/admin"
	"chatmaild/applets/command"
)

// Command has the servers take a certificate that changed.
var Command = command.Command{
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

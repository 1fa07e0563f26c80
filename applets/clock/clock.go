// Package clock is the job that restarts what waits for a time that comes later, after
// the clock was set back.
package clock

import (
	"context"
	"flag"

	"chatmaild/applets/admin"
	"chatmaild/applets/command"
)

// Command has the servers go on after the clock was set back.
var Command = command.Command{
	Name: "clock", Kind: command.Oneshot,
	Synopsis: "has the servers go on after the clock was set back",
	Bind: func(*flag.FlagSet) command.Run {
		return func(ctx context.Context, env *command.Env, _ []string) error {
			if _, err := env.Config(); err != nil {
				return err
			}
			return admin.ClockSet(ctx, env.Log())
		}
	},
}

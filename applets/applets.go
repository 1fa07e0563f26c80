package applets

import (
	"context"
	"errors"
	"flag"

	"chatmaild/applets/admin"
	"chatmaild/applets/command"
)

// All returns every name that chatmaild answers to, in the order of the help
// text. Nothing registers itself elsewhere.
func All() []command.Command {
	daemons := []command.Command{
		filtermailOut,
		filtermailIn,
		doveauth,
		metadata,
		lastlogin,
		echobot,
		web,
		acmeDaemon,
		metrics,
		expire,
		quotaExpire,
		certificate,
	}
	return append(daemons, admin.Commands()...)
}

// errNotBuilt is the answer of a name that is reserved for a part of the relay
// that does not exist yet.
var errNotBuilt = errors.New("not built yet")

func notBuilt(name string, kind command.Kind, synopsis string) command.Command {
	return command.Command{
		Name: name, Kind: kind, Synopsis: synopsis + " (not built yet)",
		Bind: func(*flag.FlagSet) command.Run {
			return func(context.Context, *command.Env, []string) error { return errNotBuilt }
		},
	}
}

// Package nocreate stops and allows the creation of accounts, at once: by a file that
// doveauth and web look for before they create one. It is the emergency brake, so it
// needs no restart and no change of the configuration.
package nocreate

import (
	"context"
	"flag"
	"fmt"
	"os"

	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/nocreate"
)

// Command is chatmaild nocreate.
var Command = command.Command{
	Name: "nocreate", Kind: command.Admin, Args: "on | off | status",
	Synopsis:    "stops and allows the creation of accounts",
	Description: "It takes effect at once, whatever the configuration says about registration; on the\nother machines of a relay that is several, within seconds.",
	Examples: command.Examples{
		{"nocreate on", "create no more accounts"},
		{"nocreate off", "let the configuration decide again"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON, for programs")
		return func(ctx context.Context, env *command.Env, args []string) error {
			return brake(ctx, env, args, *asJSON)
		}
	},
}

// brake changes the file, if asked to, and prints what holds then.
func brake(ctx context.Context, env *command.Env, args []string, asJSON bool) error {
	cfg, err := env.Config()
	if err != nil {
		return err
	}
	what, rest, err := command.Subcommand(args, "on", "off", "status")
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return command.Usagef("unexpected argument %q", rest[0])
	}
	path := cfg.NocreateFile
	// A file and not a key of the configuration: it counts at once, without a run, since
	// doveauth looks for it at each new account.
	switch what {
	case "on":
		if err := nocreate.Pull(path); err != nil {
			return command.NeedsRoot(fmt.Errorf("stopping new accounts: %w", err))
		}
		if err := share(ctx, cfg, path); err != nil {
			return err
		}
	case "off":
		if err := membership.Share(ctx, cfg, membership.NoCreate, ""); err != nil {
			return err
		}
		if err := nocreate.Release(path); err != nil {
			return command.NeedsRoot(fmt.Errorf("allowing new accounts: %w", err))
		}
	}
	on, err := nocreate.Pulled(path)
	if err != nil {
		return err
	}
	if asJSON {
		return command.PrintJSON(env.Stdout, map[string]bool{"nocreate": on})
	}
	text := fmt.Sprintf("off: registration = %q decides about new accounts", cfg.Registration)
	if on {
		text = "on: no new accounts as long as " + path + " exists; undo: chatmaild nocreate off"
	}
	_, err = fmt.Fprintln(env.Stdout, text)
	return err
}

// share stops new accounts on all machines of a relay that is several. The file says so then,
// unless an operator has written into it: it goes when they are allowed again.
func share(ctx context.Context, cfg *config.Config, path string) error {
	if err := membership.Share(ctx, cfg, membership.NoCreate, "on"); err != nil {
		return command.WithHint(fmt.Errorf("no new accounts on this machine only: %w", err), "run the command on each machine")
	}
	if !config.Clustered(cfg) {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) > 0 {
		return err
	}
	return os.WriteFile(path, []byte(membership.Shut), 0o644)
}

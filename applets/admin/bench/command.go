package bench

import (
	"context"
	"flag"
	"fmt"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/command"
	"chatmaild/store/atomicfile"
)

// Command is chatmaild bench.
var Command = command.Command{
	Name: "bench", Kind: command.Admin, Args: "DOMAIN",
	Synopsis: "measures a running relay from outside",
	Description: `It measures how long connections, logins and messages take, and how many messages
a second get through before more clients no longer help. It takes a minute, and
keeps to the relay's limits. The accounts that it creates are not used again.`,
	Examples: command.Examples{
		{"bench chat.example.org", "print tables"},
		{"bench --html bench.html chat.example.org", "write a page with plots, too"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		f := &flags{network: remote.Flags(fs)}
		fs.BoolVar(&f.json, "json", false, "print JSON, for programs")
		fs.StringVar(&f.html, "html", "", "also write the results to `FILE` as a self-contained HTML page")
		fs.IntVar(&f.accounts, "accounts", 40, "share the load among `N` accounts")
		fs.StringVar(&f.invite, "invite", "", "create accounts with the invite `TOKEN`, which needs a use for each")
		fs.IntVar(&f.messages, "messages", 100, "time the delivery of `N` messages")
		fs.DurationVar(&f.level, "level", 4*time.Second, "keep each load level for `DURATION`")
		fs.IntVar(&f.perMinute, "per-minute", 60, "send at most `N` messages a minute from an account")
		fs.IntVar(&f.burst, "burst", 10, "send at most `N` messages at once from an account")
		fs.BoolVar(&f.lifted, "lifted", false, "send without limit: the relay has none")
		return f.run
	},
}

// flags are those of the command.
type flags struct {
	network            func() (remote.Network, error)
	json, lifted       bool
	html, invite       string
	accounts, messages int
	level              time.Duration
	perMinute, burst   int
}

// run measures and prints. What fails is more often the relay than the measurement, so
// the hint names the command that finds out.
func (f *flags) run(ctx context.Context, env *command.Env, args []string) error {
	if len(args) != 1 {
		return command.Usagef("missing DOMAIN")
	}
	if err := f.check(); err != nil {
		return err
	}
	relays, err := remote.Relays(ctx, args, f.network)
	if err != nil {
		return err
	}
	progress := command.NewProgress(env.Stderr)
	report, err := Run(ctx, Options{
		Relay: relays[0], Accounts: f.accounts, Messages: f.messages, Level: f.level, Invite: f.invite,
		PerMinute: f.limit(), Burst: f.burst, Progress: progress.Show,
	})
	progress.Clear()
	if err != nil {
		return command.WithHint(err, "chatmaild test %s shows what is wrong", args[0])
	}
	report.Version = env.Version
	if f.html != "" {
		page, err := report.HTML()
		if err == nil {
			err = atomicfile.Write(f.html, page, 0o644, nil)
		}
		if err != nil {
			return fmt.Errorf("writing the page: %w", err)
		}
	}
	if f.json {
		return command.PrintJSON(env.Stdout, report)
	}
	return report.Print(env.Stdout)
}

// check refuses values that would measure nothing.
func (f *flags) check() error {
	switch {
	case f.accounts < 2 || f.accounts > MaxAccounts:
		return command.Usagef("--accounts must be 2 to %d", MaxAccounts)
	case f.messages < 1 || f.perMinute < 1 || f.burst < 1:
		return command.Usagef("--messages, --per-minute and --burst must be at least 1")
	case f.level < time.Second:
		return command.Usagef("--level must be at least 1s")
	}
	return nil
}

// limit is how many messages an account may send in a minute; 0 means no limit.
func (f *flags) limit() int {
	if f.lifted {
		return 0
	}
	return f.perMinute
}

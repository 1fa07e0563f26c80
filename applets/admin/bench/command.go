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
	Synopsis: "measures a running relay",
	Bind: func(fs *flag.FlagSet) command.Run {
		f := &flags{network: remote.Flags(fs)}
		fs.BoolVar(&f.json, "json", false, "print one JSON object instead of a table")
		fs.StringVar(&f.html, "html", "", "write the results to `FILE`, too, as a page that needs nothing else")
		fs.IntVar(&f.accounts, "accounts", 40, "share the load among so many `ACCOUNTS`")
		fs.StringVar(&f.invite, "invite", "", "the `TOKEN` of an invite of a use for each account, if the relay asks for one")
		fs.IntVar(&f.messages, "messages", 100, "time the delivery of so many `MESSAGES`")
		fs.DurationVar(&f.level, "level", 4*time.Second, "keep each load up for so `LONG`")
		fs.IntVar(&f.perMinute, "per-minute", 60, "send no more than so many `MESSAGES` a minute from an account")
		fs.IntVar(&f.burst, "burst", 10, "send no more than so many `MESSAGES` at once from an account")
		fs.BoolVar(&f.lifted, "lifted", false, "send as fast as can be: the relay has no limit")
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

func (f *flags) run(ctx context.Context, env *command.Env, args []string) error {
	if len(args) != 1 {
		return command.Usagef("bench wants one argument: the relay's domain")
	}
	if err := f.check(); err != nil {
		return err
	}
	relays, err := remote.Relays(args, f.network)
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
		return command.WithHint(err, "chatmaild test %s says what is wrong", args[0])
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

func (f *flags) check() error {
	switch {
	case f.accounts < 2 || f.accounts > MaxAccounts:
		return command.Usagef("--accounts has to be from 2 to %d", MaxAccounts)
	case f.messages < 1 || f.perMinute < 1 || f.burst < 1:
		return command.Usagef("--messages, --per-minute and --burst have to be at least 1")
	case f.level < time.Second:
		return command.Usagef("--level has to be at least 1s")
	}
	return nil
}

// limit is how many messages an account may send in a minute; 0 is no limit.
func (f *flags) limit() int {
	if f.lifted {
		return 0
	}
	return f.perMinute
}

package admin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"chatmaild/applets/admin/measure"
	"chatmaild/applets/admin/outside"
	"chatmaild/applets/command"
	"chatmaild/store/atomicfile"
)

var benchCommand = command.Command{
	Name: "bench", Kind: command.Admin, Args: "DOMAIN",
	Synopsis: "measures a running relay",
	Bind: func(fs *flag.FlagSet) command.Run {
		b := &bench{network: networkFlags(fs)}
		fs.BoolVar(&b.json, "json", false, "print one JSON object instead of a table")
		fs.StringVar(&b.html, "html", "", "write the results to `FILE`, too, as a page that needs nothing else")
		fs.IntVar(&b.accounts, "accounts", 40, "share the load among so many `ACCOUNTS`")
		fs.StringVar(&b.invite, "invite", "", "the `TOKEN` of an invite of a use for each account, if the relay asks for one")
		fs.IntVar(&b.messages, "messages", 100, "time the delivery of so many `MESSAGES`")
		fs.DurationVar(&b.level, "level", 4*time.Second, "keep each load up for so `LONG`")
		fs.IntVar(&b.perMinute, "per-minute", 60, "send no more than so many `MESSAGES` a minute from an account")
		fs.IntVar(&b.burst, "burst", 10, "send no more than so many `MESSAGES` at once from an account")
		fs.BoolVar(&b.lifted, "lifted", false, "send as fast as can be: the relay has no limit")
		return b.run
	},
}

// bench is one run of the command.
type bench struct {
	network            func() (outside.Network, error)
	json, lifted       bool
	html, invite       string
	accounts, messages int
	level              time.Duration
	perMinute, burst   int
}

func (b *bench) run(ctx context.Context, env *command.Env, args []string) error {
	if len(args) != 1 {
		return command.Usagef("bench wants one argument: the relay's domain")
	}
	if err := b.check(); err != nil {
		return err
	}
	relays, err := relaysOf(args, b.network)
	if err != nil {
		return err
	}
	progress := newProgress(env)
	report, err := measure.Run(ctx, measure.Options{
		Relay: relays[0], Accounts: b.accounts, Messages: b.messages, Level: b.level, Invite: b.invite,
		PerMinute: b.limit(), Burst: b.burst, Progress: progress.say,
	})
	progress.clear()
	if err != nil {
		return command.WithHint(err, "chatmaild test %s says what is wrong", args[0])
	}
	report.Version = env.Version
	if b.html != "" {
		page, err := report.HTML()
		if err == nil {
			err = atomicfile.Write(b.html, page, 0o644, nil)
		}
		if err != nil {
			return fmt.Errorf("writing the page: %w", err)
		}
	}
	if b.json {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	return report.Print(env.Stdout)
}

func (b *bench) check() error {
	switch {
	case b.accounts < 2 || b.accounts > measure.MaxAccounts:
		return command.Usagef("--accounts has to be from 2 to %d", measure.MaxAccounts)
	case b.messages < 1 || b.perMinute < 1 || b.burst < 1:
		return command.Usagef("--messages, --per-minute and --burst have to be at least 1")
	case b.level < time.Second:
		return command.Usagef("--level has to be at least 1s")
	}
	return nil
}

// limit is how many messages an account may send in a minute; 0 is no limit.
func (b *bench) limit() int {
	if b.lifted {
		return 0
	}
	return b.perMinute
}

package selftest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/remote"
	"chatmaild/applets/command"
	"chatmaild/store/atomicfile"
)

// Command is chatmaild test.
var Command = command.Command{
	Name: "test", Kind: command.Admin, Args: "DOMAIN [OTHER]",
	Synopsis: "proves a running relay from outside in, end to end",
	Bind: func(fs *flag.FlagSet) command.Run {
		f := &flags{network: remote.Flags(fs)}
		fs.BoolVar(&f.json, "json", false, "print one JSON object instead of a table")
		fs.StringVar(&f.junit, "junit", "", "write the results to `FILE`, too, as JUnit XML")
		fs.BoolVar(&f.slow, "slow", false, "test the rate limit, too")
		fs.DurationVar(&f.timeout, "timeout", 15*time.Second, "give a check up after so `LONG`; a slow one after twelve times that")
		fs.StringVar(&f.skip, "skip", "", "leave out these checks or groups, a `LIST` with commas")
		fs.StringVar(&f.invite, "invite", "", "the `TOKEN` of an invite of four uses, five with --slow, if the relay asks for one")
		fs.StringVar(&f.selector, "selector", "opendkim", "the `NAME` of the relay's DKIM key")
		fs.BoolVar(&f.list, "list", false, "list the checks, and run none")
		return f.run
	},
}

// flags are those of the command.
type flags struct {
	network          func() (remote.Network, error)
	json, slow, list bool
	timeout          time.Duration
	junit, skip      string
	invite, selector string
}

func (f *flags) run(ctx context.Context, env *command.Env, args []string) error {
	if f.list {
		if len(args) > 0 {
			return command.Usagef("--list takes no domain")
		}
		return printChecks(env.Stdout)
	}
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("test wants one or two arguments: the relay's domain, and that of another relay to write to")
	}
	if f.timeout <= 0 {
		return command.Usagef("--timeout has to be more than 0")
	}
	skip, err := f.skipped()
	if err != nil {
		return err
	}
	relays, err := remote.Relays(args, f.network)
	if err != nil {
		return err
	}
	o := Options{
		Relay: relays[0], DKIMSelector: f.selector, Slow: f.slow, Skip: skip, Invite: f.invite,
		Now: time.Now(), Timeout: f.timeout,
	}
	if len(relays) == 2 {
		o.Other = relays[1]
	}
	progress := command.NewProgress(env.Stderr)
	o.Done = func(r Result) { progress.Show("%s %s", r.Name, r.State) }
	start := time.Now()
	results := Run(ctx, o)
	progress.Clear()
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing is proved") // which is no success
	}
	report := newReport(relays, env.Version, start, time.Since(start), results)
	if err := f.print(env, report); err != nil {
		return err
	}
	if !report.OK {
		return command.ErrFound
	}
	return nil
}

func (f *flags) print(env *command.Env, report report) error {
	if f.junit != "" {
		text, err := report.junit()
		if err == nil {
			err = atomicfile.Write(f.junit, text, 0o644, nil)
		}
		if err != nil {
			return fmt.Errorf("writing the JUnit file: %w", err)
		}
	}
	if f.json {
		return command.PrintJSON(env.Stdout, report)
	}
	return report.print(env.Stdout, command.IsTerminal(env.Stdout))
}

// skipped checks that there is something of each name to skip.
func (f *flags) skipped() ([]string, error) {
	if f.skip == "" {
		return nil, nil
	}
	names := strings.Split(f.skip, ",")
	for _, name := range names {
		if !slices.ContainsFunc(Checks(), func(c Check) bool { return c.Name == name || string(c.Group) == name }) {
			return nil, command.WithHint(command.Usagef("no check or group is called %q", name), "chatmaild test --list")
		}
	}
	return names, nil
}

func printChecks(w io.Writer) error {
	table := command.NewTable(w)
	for _, c := range Checks() {
		when := map[When]string{
			Named: "with a certificate of an authority", Slow: "with --slow", Paired: "with another relay",
			WithIPv6: "with an AAAA record",
		}[c.When]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Group, c.Name, c.Wanted, when)
	}
	return table.Flush()
}

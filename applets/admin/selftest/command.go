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
	Synopsis: "verifies a running relay from outside, end to end",
	Description: `It checks DNS, ports, TLS, accounts, IMAP, delivery of encrypted mail, and that
what must be refused is refused. Ports are checked over IPv4, and over IPv6 where
the domain has an AAAA record. It needs neither a configuration nor access to the
relay, and works with every chatmail relay. With OTHER, another relay, mail has to
get there and back. The accounts that it creates are not used again.`,
	Examples: command.Examples{
		{"test chat.example.org", "one relay"},
		{"test chat.example.org other.example.net", "mail to another relay and back"},
		{"test --junit report.xml chat.example.org", "write a file for CI, too"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		f := &flags{network: remote.Flags(fs)}
		fs.BoolVar(&f.json, "json", false, "print JSON, for programs")
		fs.StringVar(&f.junit, "junit", "", "also write the results to `FILE` as JUnit XML")
		fs.BoolVar(&f.slow, "slow", false, "also check the rate limit")
		fs.DurationVar(&f.timeout, "timeout", 15*time.Second, "abort a check after `DURATION`; a slow one after twelve times that")
		fs.StringVar(&f.skip, "skip", "", "skip checks or groups, a comma-separated `LIST`")
		fs.StringVar(&f.invite, "invite", "", "create accounts with the invite `TOKEN`, which needs four uses, or five with --slow")
		fs.BoolVar(&f.hidden, "hidden", false, "expect that nothing says to strangers what the relay is")
		fs.StringVar(&f.selector, "selector", "opendkim", "expect the DKIM selector `NAME`")
		fs.BoolVar(&f.list, "list", false, "list the checks, and exit")
		return f.run
	},
}

// flags are those of the command.
type flags struct {
	network          func() (remote.Network, error)
	json, slow, list bool
	hidden           bool
	timeout          time.Duration
	junit, skip      string
	invite, selector string
}

// run runs the checks and prints their results. An interrupted run is a failure: it has
// not shown that the relay works.
func (f *flags) run(ctx context.Context, env *command.Env, args []string) error {
	if f.list {
		if len(args) > 0 {
			return command.Usagef("--list takes no arguments")
		}
		return printChecks(env.Stdout)
	}
	switch {
	case len(args) == 0:
		return command.Usagef("missing DOMAIN")
	case len(args) > 2:
		return command.Usagef("unexpected argument %q", args[2])
	}
	if f.timeout <= 0 {
		return command.Usagef("--timeout must be more than 0")
	}
	skip, err := f.skipped()
	if err != nil {
		return err
	}
	relays, err := remote.Relays(ctx, args, f.network)
	if err != nil {
		return err
	}
	o := Options{
		Relay: relays[0], DKIMSelector: f.selector, Slow: f.slow, Skip: skip, Hidden: f.hidden, Invite: f.invite,
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
		return errors.New("interrupted: nothing is verified") // which is not a success
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

// print writes the file for CI first, so that it exists whatever becomes of the output.
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
			return nil, command.WithHint(command.Usagef("unknown check or group %q", name), "chatmaild test --list")
		}
	}
	return names, nil
}

// printChecks lists the checks, for --skip.
func printChecks(w io.Writer) error {
	table := command.NewTable(w)
	for _, c := range Checks() {
		when := map[When]string{
			Named: "with a certificate of an authority", Slow: "with --slow", Paired: "with another relay",
			WithIPv6: "with an AAAA record", Shown: "without --hidden", Hidden: "with --hidden",
		}[c.When]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Group, c.Name, c.Wanted, when)
	}
	return table.Flush()
}

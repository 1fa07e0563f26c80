package admin

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/outside"
	"chatmaild/applets/admin/proof"
	"chatmaild/applets/command"
	"chatmaild/store/atomicfile"
)

var testCommand = command.Command{
	Name: "test", Kind: command.Admin, Args: "DOMAIN [OTHER]",
	Synopsis: "proves a running relay from outside in, end to end",
	Bind: func(fs *flag.FlagSet) command.Run {
		t := &test{network: networkFlags(fs)}
		fs.BoolVar(&t.json, "json", false, "print one JSON object instead of a table")
		fs.StringVar(&t.junit, "junit", "", "write the results to `FILE`, too, as JUnit XML")
		fs.BoolVar(&t.slow, "slow", false, "test the rate limit, too")
		fs.DurationVar(&t.timeout, "timeout", 15*time.Second, "give a check up after so `LONG`; a slow one after twelve times that")
		fs.StringVar(&t.skip, "skip", "", "leave out these checks or groups, a `LIST` with commas")
		fs.StringVar(&t.invite, "invite", "", "the `TOKEN` of an invite of four uses, five with --slow, if the relay asks for one")
		fs.StringVar(&t.selector, "selector", "opendkim", "the `NAME` of the relay's DKIM key")
		fs.BoolVar(&t.list, "list", false, "list the checks, and run none")
		return t.run
	},
}

// test is one run of the command.
type test struct {
	network          func() (outside.Network, error)
	json, slow, list bool
	timeout          time.Duration
	junit, skip      string
	invite, selector string
}

func (t *test) run(ctx context.Context, env *command.Env, args []string) error {
	if t.list {
		if len(args) > 0 {
			return command.Usagef("--list takes no domain")
		}
		return listChecks(env.Stdout)
	}
	if len(args) < 1 || len(args) > 2 {
		return command.Usagef("test wants one or two arguments: the relay's domain, and that of another relay to write to")
	}
	if t.timeout <= 0 {
		return command.Usagef("--timeout has to be more than 0")
	}
	skip, err := t.skipped()
	if err != nil {
		return err
	}
	relays, err := relaysOf(args, t.network)
	if err != nil {
		return err
	}
	o := proof.Options{
		Relay: relays[0], DKIMSelector: t.selector, Slow: t.slow, Skip: skip, Invite: t.invite,
		Now: time.Now(), Timeout: t.timeout,
	}
	if len(relays) == 2 {
		o.Other = relays[1]
	}
	progress := newProgress(env)
	o.Done = func(r proof.Result) { progress.say("%s %s", r.Name, r.State) }
	start := time.Now()
	results := proof.Run(ctx, o)
	progress.clear()
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing is proved") // which is no success
	}
	report := newTestReport(relays, env.Version, start, time.Since(start), results)
	if err := t.print(env, report); err != nil {
		return err
	}
	if !report.OK {
		return command.ErrFound
	}
	return nil
}

func (t *test) print(env *command.Env, report testReport) error {
	if t.junit != "" {
		text, err := report.junit()
		if err == nil {
			err = atomicfile.Write(t.junit, text, 0o644, nil)
		}
		if err != nil {
			return fmt.Errorf("writing the JUnit file: %w", err)
		}
	}
	if t.json {
		return report.printJSON(env.Stdout)
	}
	return report.print(env.Stdout, command.IsTerminal(env.Stdout))
}

// skipped checks that there is something of each name to skip.
func (t *test) skipped() ([]string, error) {
	if t.skip == "" {
		return nil, nil
	}
	names := strings.Split(t.skip, ",")
	for _, name := range names {
		if !slices.ContainsFunc(proof.Checks(), func(c proof.Check) bool { return c.Name == name || string(c.Group) == name }) {
			return nil, command.WithHint(command.Usagef("no check or group is called %q", name), "chatmaild test --list")
		}
	}
	return names, nil
}

func listChecks(w io.Writer) error {
	table := newTable(w)
	for _, c := range proof.Checks() {
		when := map[proof.When]string{
			proof.Named: "with a certificate of an authority", proof.Slow: "with --slow", proof.Paired: "with another relay",
			proof.WithIPv6: "with an AAAA record",
		}[c.When]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Group, c.Name, c.Wanted, when)
	}
	return table.Flush()
}

// progress is what a terminal shows while people wait: one line, rewritten.
type progress struct {
	w     io.Writer
	width int // of what is there
}

func newProgress(env *command.Env) *progress {
	if !command.IsTerminal(env.Stderr) {
		return &progress{}
	}
	return &progress{w: env.Stderr}
}

func (p *progress) say(format string, args ...any) {
	if p.w == nil {
		return
	}
	const columns = 79
	text := fmt.Sprintf(format, args...)
	text = text[:min(len(text), columns)]
	fmt.Fprintf(p.w, "\r%-*s", p.width, text)
	p.width = len(text)
}

func (p *progress) clear() {
	if p.w != nil && p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
		p.width = 0
	}
}

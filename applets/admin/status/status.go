// Package status looks at each part of the relay on this machine and shows what is wrong
// and what to do about it. It changes nothing.
//
// A finding is ok, a note (nothing is broken, but an operator wants to know) or wrong.
// Only the last fails the command, so that it can serve as a check in monitoring. Each
// part is looked at on its own: an error in one is a finding, and the others are still
// examined.
package status

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

// Command is chatmaild status.
var Command = command.Command{
	Name: "status", Kind: command.Admin,
	Synopsis: "shows what runs, what does not, and what to do about it",
	Examples: command.Examples{
		{"status", "for people"},
		{"status --json", "for programs; the exit status is 1 if something is wrong"},
		{"status --health", "for a container's health check"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON, for programs")
		health := fs.Bool("health", false, "look only at services and ports, and print only what is wrong: at once")
		return func(ctx context.Context, env *command.Env, _ []string) error {
			return show(ctx, env, host.Host{}, form{json: *asJSON, health: *health})
		}
	},
}

// level is how well a part of the relay is.
type level string

const (
	fine    level = "ok"
	notice  level = "note" // nothing is wrong, but an operator wants to know
	trouble level = "wrong"
)

// finding is what status says about one part of the relay.
type finding struct {
	Part   string `json:"part"`
	Level  level  `json:"level"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do
}

// report is what status --json prints.
type report struct {
	MailDomain string    `json:"mail_domain"`
	Version    string    `json:"version"`
	OK         bool      `json:"ok"`
	Findings   []finding `json:"findings"`
}

// form is how much is looked at, and how it is printed.
type form struct{ json, health bool }

// show examines and prints; the exit status says whether something is wrong.
func show(ctx context.Context, env *command.Env, machine host.Host, as form) error {
	conf, err := env.Config()
	if as.health && errors.Is(err, fs.ErrNotExist) && machine.Systemd().Supervised() {
		fmt.Fprintln(env.Stdout, "healthy; there is no relay here yet")
		return nil
	}
	if err != nil {
		return err
	}
	if err := machine.RequireRoot(); err != nil {
		return err
	}
	e := examiner{conf: conf, configPath: env.ConfigPath, version: env.Version, machine: machine, now: time.Now()}
	if as.health {
		health(ctx, &e)
	} else {
		e.examine(ctx)
	}
	found := report{MailDomain: conf.MailDomain, Version: env.Version, OK: true, Findings: e.findings}
	for i, f := range found.Findings {
		found.OK = found.OK && f.Level != trouble
		found.Findings[i].Hint = command.Hint(f.Hint)
	}
	switch {
	case as.json:
		err = command.PrintJSON(env.Stdout, found)
	case as.health:
		found.printTrouble(env.Stdout)
	default:
		err = found.print(env.Stdout, command.IsTerminal(env.Stdout))
	}
	// After the output: a program that reads JSON gets it, whatever the exit status.
	if err == nil && !found.OK {
		return command.ErrFound
	}
	return err
}

// print writes the table first, then what to do: the last lines are what a terminal
// still shows.
func (r report) print(w io.Writer, colour bool) error {
	fmt.Fprintf(w, "chatmail relay %s, chatmaild %s\n\n", r.MailDomain, r.Version)
	table := command.NewTable(w)
	for _, f := range r.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", mark(f.Level, colour), f.Part, f.Detail)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var hints strings.Builder
	for _, f := range r.Findings {
		if f.Hint != "" {
			fmt.Fprintf(&hints, "  %s: %s\n", f.Part, f.Hint)
		}
	}
	if hints.Len() > 0 {
		fmt.Fprintf(w, "\nWhat to do:\n%s", hints.String())
	}
	return nil
}

// printTrouble prints a line for each part that is wrong, and if the relay is off on purpose
// one about that.
func (r report) printTrouble(w io.Writer) {
	if r.OK {
		fmt.Fprintln(w, "healthy")
	}
	for _, f := range r.Findings {
		if f.Level == trouble || f.Part == relayPart {
			fmt.Fprintf(w, "%s: %s\n", f.Part, f.Detail)
		}
	}
}

// mark is as wide for every level.
func mark(l level, colour bool) string {
	text := map[level]string{fine: "ok   ", notice: "note ", trouble: "WRONG"}[l]
	if !colour {
		return text
	}
	return map[level]command.Colour{fine: command.Green, notice: command.Yellow, trouble: command.Red}[l].Paint(text)
}

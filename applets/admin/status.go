package admin

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
)

var statusCommand = command.Command{
	Name: "status", Kind: command.Admin,
	Synopsis: "what runs, what does not, and what to do about it",
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print one JSON object instead of a table")
		return func(ctx context.Context, env *command.Env, _ []string) error {
			return status(ctx, env, host.Host{}, *asJSON)
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

// statusReport is what status --json prints.
type statusReport struct {
	MailDomain string    `json:"mail_domain"`
	Version    string    `json:"version"`
	OK         bool      `json:"ok"`
	Findings   []finding `json:"findings"`
}

func status(ctx context.Context, env *command.Env, machine host.Host, asJSON bool) error {
	conf, err := env.Config()
	if err != nil {
		return err
	}
	if err := machine.RequireRoot(); err != nil {
		return err
	}
	e := examiner{
		planner: planner{conf: conf, configPath: env.ConfigPath, version: env.Version, machine: machine, now: time.Now()},
	}
	report := statusReport{MailDomain: conf.MailDomain, Version: env.Version, OK: true, Findings: e.examine(ctx)}
	for _, f := range report.Findings {
		report.OK = report.OK && f.Level != trouble
	}
	if asJSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.print(env.Stdout, command.IsTerminal(env.Stdout))
	}
	if err == nil && !report.OK {
		return command.ErrFound
	}
	return err
}

func (r statusReport) print(w io.Writer, colour bool) error {
	fmt.Fprintf(w, "chatmail relay %s, chatmaild %s\n\n", r.MailDomain, r.Version)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
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

// mark keeps the width of the column: the colour codes are the same length for
// every level.
func mark(l level, colour bool) string {
	text := map[level]string{fine: "ok   ", notice: "note ", trouble: "WRONG"}[l]
	if !colour {
		return text
	}
	return map[level]string{fine: "\x1b[32m", notice: "\x1b[33m", trouble: "\x1b[31m"}[l] + text + "\x1b[0m"
}

// Package push shows what becomes of push notifications. The metadata daemon owns their
// queue, and its database is locked while it runs: so it is asked over its socket.
package push

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"time"

	"chatmaild/applets/command"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// askTimeout bounds asking the metadata daemon.
const askTimeout = 5 * time.Second

// Command is chatmaild push.
var Command = command.Command{
	Name: "push", Kind: command.Admin, Args: "status",
	Synopsis: "shows the queue of push notifications and their services",
	Examples: command.Examples{
		{"push status", "for people"},
		{"push status --json", "for programs"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		asJSON := flags.Bool("json", false, "print JSON, for programs")
		return func(ctx context.Context, env *command.Env, args []string) error {
			if _, rest, err := command.Subcommand(args, "status"); err != nil {
				return err
			} else if len(rest) > 0 {
				return command.Usagef("unexpected argument %q", rest[0])
			}
			conf, err := env.Config()
			if err != nil {
				return err
			}
			// The database is the daemon's alone while it runs, and what is being sent is in
			// its memory: only the daemon can answer.
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			text, err := dict.Ask(ctx, conf.Socket("metadata"), push.ReportKey)
			if err != nil {
				return command.WithHint(fmt.Errorf("asking the metadata daemon: %w", err), "is the daemon running, and are you root? (see: systemctl status chatmaild-metadata)")
			}
			if *asJSON {
				_, err := fmt.Fprintf(env.Stdout, "%s\n", text)
				return err
			}
			var report push.Report
			if err := json.Unmarshal([]byte(text), &report); err != nil {
				return fmt.Errorf("reading the metadata daemon's answer: %w", err)
			}
			return writeReport(env.Stdout, &report)
		}
	},
}

// writeReport writes a report for people.
func writeReport(w io.Writer, r *push.Report) error {
	t := command.NewTable(w)
	// By the daemon's clock, of the moment of the report.
	age := func(at *time.Time) string { return r.Time.Sub(*at).Round(time.Second).String() }
	for _, s := range r.Services {
		state := "alive"
		if !s.Alive {
			state = fmt.Sprintf("down for %s, retried in %s", age(s.DeadSince), max(-r.Time.Sub(*s.NextProbe), 0).Round(time.Second))
		}
		fmt.Fprintf(t, "service\t%s: %s\n", s.Name, state)
		if s.LastErrorAt != nil {
			fmt.Fprintf(t, "  last error\t%s ago: %s\n", age(s.LastErrorAt), s.LastError)
		}
	}
	fmt.Fprintf(t, "queue\t%d of at most %d\n", r.Queue.Entries, r.Queue.Limit)
	if r.Queue.Oldest != nil {
		fmt.Fprintf(t, "  oldest\t%s\n", age(r.Queue.Oldest))
	}
	fmt.Fprintf(t, "  being sent\t%d\n", r.InFlight)
	fmt.Fprintf(t, "delivered\t%d since the daemon started\n", r.Delivered)
	// That a token is gone is an answer of a service that works.
	if tries := r.Delivered + r.Gone + r.Failed; tries > 0 {
		fmt.Fprintf(t, "  success\t%.1f %% of %d attempts\n", 100*float64(r.Delivered+r.Gone)/float64(tries), tries)
	}
	fmt.Fprintf(t, "  tokens gone\t%d\n", r.Gone)
	fmt.Fprintf(t, "  given up\t%d after %s, %d because the queue was full\n", r.Expired, push.MaxRetryAge, r.Queue.Evicted)
	fmt.Fprintf(t, "  delayed\t%d because %d were being sent for the account\n", r.PutOff, push.AccountInFlight)
	fmt.Fprintf(t, "latency\tp50 / p95 / p99 of the last deliveries\n")
	fmt.Fprintf(t, "  service\t%.1f / %.1f / %.1f ms\n", r.PostMillis.P50, r.PostMillis.P95, r.PostMillis.P99)
	fmt.Fprintf(t, "  since mail\t%.1f / %.1f / %.1f ms\n", r.TotalMillis.P50, r.TotalMillis.P95, r.TotalMillis.P99)
	return t.Flush()
}

// Package report counts accounts and messages, by last login, age and size. It walks the
// whole store once, and keeps its figures, so that the next report can say what has
// changed since.
//
// It never names a mailbox: the figures are for planning disks and for public
// statistics.
package report

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/atomicfile"
	"chatmaild/store/expire"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// Command is chatmaild report.
var Command = command.Command{
	Name: "report", Kind: command.Admin,
	Synopsis:    "counts accounts and messages, by last login, age and size",
	Description: "It also says what has changed since the last report.",
	Examples: command.Examples{
		{"report", "print tables"},
		{"report --prometheus /var/lib/prometheus/node-exporter/chatmail.prom", "write a file for node_exporter"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		var r report
		flags.BoolVar(&r.json, "json", false, "print JSON, for programs")
		flags.StringVar(&r.prometheus, "prometheus", "", "also write the figures to `FILE`, for the textfile collector of node_exporter")
		return command.Configured(r.run)
	},
}

// report is one survey of the store.
type report struct {
	json       bool
	prometheus string
}

// figures is what a report says. It is kept in STATE/report.json, for the
// next one's growth.
type figures struct {
	// The names are kept, also those that say "folders" and "octets": programs read them, and
	// the next report reads this one.
	Time      time.Time       `json:"time"`
	Accounts  int64           `json:"accounts"`
	NoAccount int64           `json:"folders_without_account"`
	Logins    []loginClass    `json:"logins"`
	Messages  expire.Tally    `json:"messages"`
	Unseen    expire.Tally    `json:"unseen"`
	ByAge     []ageClass      `json:"by_age"`
	BySize    []sizeClass     `json:"by_size"`
	Other     expire.Tally    `json:"other_files"`
	Undated   int64           `json:"undated"`
	Faults    int64           `json:"faults"`
	Kinds     []maildir.Fault `json:"fault_kinds"`
	Growth    *growth         `json:"growth,omitempty"` // since the last report
}

// A class ends below its bound; the last one has none, and a bound of 0.
type loginClass struct {
	Days     int   `json:"below_days"`
	Accounts int64 `json:"accounts"`
}

// ageClass are messages by the days since they arrived.
type ageClass struct {
	Days int `json:"below_days"`
	expire.Tally
}

// sizeClass are messages by size.
type sizeClass struct {
	Size int64 `json:"below_octets"`
	expire.Tally
}

// growth is the difference to the last report.
type growth struct {
	Since    time.Time    `json:"since"`
	Accounts int64        `json:"accounts"`
	Messages expire.Tally `json:"messages"`
}

// run prints before it keeps the figures: a disk that is full still has a report.
func (r *report) run(ctx context.Context, env *command.Env, conf *config.Config) error {
	// Whole seconds, as the last logins and the kept report have them.
	now := time.Now().UTC().Truncate(time.Second)
	var faults maildir.Faults
	var survey expire.Survey
	// As the mailboxes' owner: a link that a daemon's user left leads root nowhere.
	err := safefs.As(conf.MailboxesDir, func() error {
		mail, err := expire.Open(conf.MailboxesDir)
		if err != nil {
			return err
		}
		defer mail.Close()
		// A fault in one mailbox is counted, and the rest are still read.
		survey, err = mail.Survey(ctx, now, &maildir.Progress{}, &faults)
		return err
	})
	if err != nil {
		return err
	}
	figures := newFigures(now, survey, &faults)
	kept := filepath.Join(conf.StateDir, "report.json")
	if figures.Growth, err = growthSince(kept, figures); err != nil {
		env.Log().Warn("cannot read the last report; this one shows no growth", "error", err)
	}
	if err := r.print(env, figures); err != nil {
		return err
	}
	if r.prometheus != "" {
		// In one step, since node_exporter may read it at any time; and readable by its user.
		if err := atomicfile.Write(r.prometheus, prometheusText(figures), 0o644, nil); err != nil {
			return fmt.Errorf("writing the Prometheus file: %w", err)
		}
	}
	if err := keep(kept, figures); err != nil {
		return fmt.Errorf("keeping the report for the next one: %w", err)
	}
	// Last: what could be counted is worth more than the fault.
	if err := faults.Err(); err != nil {
		for _, k := range faults.Kinds() {
			env.Log().Warn(err.Error(), "doing", k.Doing, "error", k.Error, "count", k.Count, "first", k.Name)
		}
		return command.WithHint(err, "chatmaild expire --dry-run --debug names the mailboxes")
	}
	return nil
}

// newFigures arranges the survey by classes.
func newFigures(now time.Time, s expire.Survey, faults *maildir.Faults) figures {
	f := figures{
		Time: now, Accounts: s.Accounts, NoAccount: s.NoAccount,
		Messages: s.Messages, Unseen: s.Unseen, Other: s.Other,
		Undated: s.Undated, Faults: faults.Total(), Kinds: faults.Kinds(),
	}
	for i, n := range s.Logins {
		f.Logins = append(f.Logins, loginClass{bound(expire.LoginDays, i), n})
	}
	for i, t := range s.ByAge {
		f.ByAge = append(f.ByAge, ageClass{bound(expire.MessageDays, i), t})
	}
	for i, t := range s.BySize {
		f.BySize = append(f.BySize, sizeClass{bound(expire.MessageSizes, i), t})
	}
	return f
}

// bound is the upper bound of class i; 0 means no bound.
func bound[N int | int64](bounds []N, i int) N {
	if i < len(bounds) {
		return bounds[i]
	}
	return 0
}

// growthSince compares with the report that is kept at path, if there is one.
func growthSince(path string, now figures) (*growth, error) {
	text, err := safefs.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var last figures
	if err := json.Unmarshal(text, &last); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &growth{
		Since:    last.Time,
		Accounts: now.Accounts - last.Accounts,
		Messages: expire.Tally{Count: now.Messages.Count - last.Messages.Count, Size: now.Messages.Size - last.Messages.Size},
	}, nil
}

// keep saves the figures for the next report.
func keep(path string, f figures) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'), 0o640, nil)
}

package report

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"chatmaild/applets/command"
	"chatmaild/store/expire"
)

// print writes for programs or for people.
func (r *report) print(env *command.Env, f figures) error {
	if r.json {
		return command.PrintJSON(env.Stdout, f)
	}
	return f.table(env.Stdout)
}

// table writes the figures for people.
func (f figures) table(out io.Writer) error {
	w := command.NewNumberTable(out)
	fmt.Fprintf(w, "last login\taccounts\t\n")
	low := 0
	for _, c := range f.Logins {
		fmt.Fprintf(w, "%s\t%d\t\n", between(low, c.Days, "days", nil), c.Accounts)
		low = c.Days
	}
	fmt.Fprintf(w, "all\t%d\t\n", f.Accounts)
	fmt.Fprintf(w, "\nmessages, by age\tcount\tsize\t\n")
	low = 0
	for _, c := range f.ByAge {
		tallyRow(w, between(low, c.Days, "days", nil), c.Tally)
		low = c.Days
	}
	fmt.Fprintf(w, "\nmessages, by size\tcount\tsize\t\n")
	lowSize := int64(0)
	for _, c := range f.BySize {
		tallyRow(w, between(lowSize, c.Size, "", command.FormatSize), c.Tally)
		lowSize = c.Size
	}
	fmt.Fprintf(w, "\ntotal\tcount\tsize\t\n")
	tallyRow(w, "messages", f.Messages)
	tallyRow(w, "not seen yet", f.Unseen)
	tallyRow(w, "other files", f.Other)
	if g := f.Growth; g != nil {
		fmt.Fprintf(w, "\nsince %s\t\t\t\n", g.Since.Format(time.DateTime))
		fmt.Fprintf(w, "accounts\t%+d\t\t\n", g.Accounts)
		fmt.Fprintf(w, "messages\t%+d\t%s\t\n", g.Messages.Count, signed(g.Messages.Size))
	}
	return w.Flush()
}

// tallyRow is a line of the table.
func tallyRow(w io.Writer, what string, t expire.Tally) {
	fmt.Fprintf(w, "%s\t%d\t%s\t\n", what, t.Count, command.FormatSize(t.Size))
}

// between names the class from low to high; a high of 0 means no bound.
func between[N int | int64](low, high N, unit string, format func(N) string) string {
	if format == nil {
		format = func(n N) string { return fmt.Sprint(n) }
	}
	if unit != "" {
		unit = " " + unit
	}
	switch {
	case high == 0:
		return format(low) + unit + " and more"
	case low == 0:
		return "below " + format(high) + unit
	}
	return format(low) + " to " + format(high) + unit
}

// signed writes a difference of sizes with its sign.
func signed(size int64) string {
	if size < 0 {
		return "-" + command.FormatSize(-size)
	}
	return "+" + command.FormatSize(size)
}

// prometheusText writes the figures in the text exposition format:
// prometheus.io/docs/instrumenting/exposition_formats. A class is a label with its
// lower bound, so that classes add up.
// Gauges and not counters: all of them can fall.
func prometheusText(f figures) []byte {
	var b bytes.Buffer
	metric := func(name, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
	}
	metric("chatmaild_accounts", "Accounts, by the days since their last login.")
	low := 0
	for _, c := range f.Logins {
		fmt.Fprintf(&b, "chatmaild_accounts{last_login_days_from=\"%d\"} %d\n", low, c.Accounts)
		low = c.Days
	}
	ages := func(name string, value func(expire.Tally) int64) {
		low := 0
		for _, c := range f.ByAge {
			fmt.Fprintf(&b, "%s{age_days_from=\"%d\"} %d\n", name, low, value(c.Tally))
			low = c.Days
		}
	}
	sizes := func(name string, value func(expire.Tally) int64) {
		low := int64(0)
		for _, c := range f.BySize {
			fmt.Fprintf(&b, "%s{size_bytes_from=\"%d\"} %d\n", name, low, value(c.Tally))
			low = c.Size
		}
	}
	count := func(t expire.Tally) int64 { return t.Count }
	size := func(t expire.Tally) int64 { return t.Size }
	metric("chatmaild_messages_by_age", "Messages in the store, by the days since their arrival.")
	ages("chatmaild_messages_by_age", count)
	metric("chatmaild_message_bytes_by_age", "Bytes of the messages in the store, by the days since their arrival.")
	ages("chatmaild_message_bytes_by_age", size)
	metric("chatmaild_messages_by_size", "Messages in the store, by size.")
	sizes("chatmaild_messages_by_size", count)
	metric("chatmaild_message_bytes_by_size", "Bytes of the messages in the store, by the size of the message.")
	sizes("chatmaild_message_bytes_by_size", size)
	for _, g := range []struct {
		name, help string
		value      int64
	}{
		{"chatmaild_messages_unseen", "Messages that no client has seen yet.", f.Unseen.Count},
		{"chatmaild_other_file_bytes", "Bytes of the files in mailboxes that are not messages.", f.Other.Size},
		{"chatmaild_report_faults", "Parts of the store that the report could not read.", f.Faults},
		{"chatmaild_report_timestamp_seconds", "When the report was made.", f.Time.Unix()},
	} {
		metric(g.name, g.help)
		fmt.Fprintf(&b, "%s %d\n", g.name, g.value)
	}
	return b.Bytes()
}

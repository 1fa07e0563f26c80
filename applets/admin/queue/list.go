package queue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/command"
	"chatmaild/packaging/postfix/queue"
)

// maxListed bounds how many messages are listed one by one.
const maxListed = 10000

// destination is a line of the list, as JSON has it.
type destination struct {
	Domain     string         `json:"destination"`
	Rule       queue.Rule     `json:"rule,omitempty"`
	Messages   int            `json:"messages"`
	Recipients int            `json:"recipients"`
	Size       int64          `json:"size"` // bytes
	Queues     map[string]int `json:"queues"`
	Oldest     *time.Time     `json:"oldest,omitempty"`
	Reason     string         `json:"reason,omitempty"`
}

// report is what queue list prints.
type report struct {
	Messages     int             `json:"messages"`
	Size         int64           `json:"size"` // bytes
	Destinations []destination   `json:"destinations"`
	Listed       []queue.Message `json:"listed,omitempty"` // with --addresses
}

// list prints what waits: for one destination, or for all if it is "".
func (q *job) list(ctx context.Context, only string) error {
	rules, err := host.MailRules(q.machine)
	if err != nil {
		return err
	}
	var all queue.Destinations
	var found report
	if err := q.each(ctx, func(m queue.Message) {
		if only != "" && !m.For(only) {
			return
		}
		all.Add(m)
		// The sums are of the whole queue; only what is kept for printing is bounded.
		if q.addresses && len(found.Listed) < maxListed {
			found.Listed = append(found.Listed, m)
		}
	}); err != nil {
		return err
	}
	found.Messages, found.Size = all.Messages, all.Size
	found.Destinations = withRules(all.Sorted(), rules.All(), only)
	if q.json {
		return command.PrintJSON(q.env.Stdout, found)
	}
	return q.printList(&found)
}

// withRules adds to each destination its rule, and those that have a rule though
// nothing waits for them.
func withRules(found []queue.Destination, rules map[string]queue.Rule, only string) []destination {
	// Not nil: JSON has [] then, which programs can go through.
	list := []destination{}
	for _, d := range found {
		if only != "" && d.Domain != only {
			continue
		}
		list = append(list, destination{
			d.Domain, rules[d.Domain], d.Messages, d.Recipients, d.Size, d.Queues, &d.Oldest, d.Reason,
		})
		delete(rules, d.Domain)
	}
	for _, domain := range slices.Sorted(maps.Keys(rules)) {
		if only == "" || domain == only {
			list = append(list, destination{Domain: domain, Rule: rules[domain]})
		}
	}
	return list
}

// printList prints a line for each destination, those with the most mail first.
func (q *job) printList(r *report) error {
	if len(r.Destinations) == 0 {
		_, err := fmt.Fprintln(q.env.Stdout, "the queue is empty")
		return err
	}
	t := command.NewTable(q.env.Stdout)
	fmt.Fprintln(t, "destination\tmessages\toldest\tsize\tstate")
	for _, d := range r.Destinations {
		oldest := "-"
		if d.Oldest != nil {
			oldest = command.FormatDuration(q.now.Sub(*d.Oldest))
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", d.Domain, d.Messages, oldest, command.FormatSize(d.Size), d.state())
	}
	fmt.Fprintf(t, "all\t%d\t\t%s\n", r.Messages, command.FormatSize(r.Size))
	if len(r.Listed) > 0 {
		fmt.Fprintln(t)
	}
	for _, m := range r.Listed {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\tfrom %s\n", m.ID, m.Queue, command.FormatDuration(q.now.Sub(m.Arrived())), command.FormatSize(m.Size), m.Sender)
		for _, to := range m.Recipients {
			fmt.Fprintf(t, "\t\t\t\t  to %s  %s\n", to.Address, to.Reason)
		}
	}
	return t.Flush()
}

// state says what becomes of the mail for a destination, and why it waits.
func (d destination) state() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(d.Queues)) {
		parts = append(parts, fmt.Sprintf("%d %s", d.Queues[name], name))
	}
	text := strings.Join(parts, ", ")
	switch d.Rule {
	case queue.Hold, queue.Discard:
		return fmt.Sprintf("%s; undo: chatmaild queue release %s", d.Rule.Word(), d.Domain)
	case queue.Other:
		text = strings.TrimPrefix(text+"; a transport of its own", "; ")
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	return cmp.Or(text, "-")
}

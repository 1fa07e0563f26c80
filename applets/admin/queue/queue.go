// Package queue shows the mail that Postfix has not delivered yet, by destination, and
// lets an operator hold, discard, release and retry a destination.
//
// A rule is a line in the relay's transport map (transport(5)), so it holds for mail
// that is queued and for mail to come, survives a reboot, and needs no daemon of ours.
// Addresses are shown only if asked for: by default the output can be pasted into a bug
// report.
package queue

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/postfix/queue"
)

// maxRetries is how many messages are tried one by one. When more wait for one
// destination, a try of the whole queue costs less.
const maxRetries = 500

// Command is chatmaild queue.
var Command = command.Command{
	Name: "queue", Kind: command.Admin,
	Args:     "list [DOMAIN] | routes [HOST] | hold DOMAIN | discard DOMAIN | release DOMAIN | flush DOMAIN",
	Synopsis: "shows queued mail by destination; holds, discards or releases it",
	Description: `list shows how much mail is queued, for how long, and why; addresses only with
--addresses. routes shows by which way mail gets to each host of other relays, and what
failed last. hold defers mail to a destination, old and new; it bounces after
two days. discard drops it; its senders are not notified. release undoes both. flush
retries what is queued now, also where a host that has not answered would be tried later.
Rules survive a reboot, and each change says how to undo it.`,
	Examples: command.Examples{
		{"queue", "all destinations"},
		{"queue routes", "the ways to other relays"},
		{"queue hold example.org", "defer mail to example.org"},
		{"queue release example.org", "deliver it again"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON, for programs")
		addresses := fs.Bool("addresses", false, "list each message, with its addresses")
		return func(ctx context.Context, env *command.Env, args []string) error {
			conf, err := env.Config()
			if err != nil {
				return err
			}
			q := job{env: env, conf: conf, now: time.Now(), json: *asJSON, addresses: *addresses}
			return q.run(ctx, args)
		}
	},
}

// job is what the subcommands of queue work with.
type job struct {
	env       *command.Env
	conf      *config.Config
	machine   host.Host
	now       time.Time
	json      bool
	addresses bool
}

// run checks the whole command line before it asks Postfix for anything.
func (q *job) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"list"}
	}
	what, rest, err := command.Subcommand(args, "list", "routes", "hold", "discard", "release", "flush")
	if err != nil {
		return err
	}
	change := map[string]func(context.Context, string) (ruling, error){
		"hold": q.hold, "discard": q.discard, "release": q.release, "flush": q.flush,
	}[what]
	switch {
	case len(rest) > 1:
		return command.Usagef("unexpected argument %q", rest[1])
	case change != nil && len(rest) == 0:
		return command.Usagef("%s: missing DOMAIN, the part after the @ of an address", what)
	}
	if what == "routes" {
		return q.routes(ctx, strings.Join(rest, ""))
	}
	var destination string
	if len(rest) == 1 {
		var err error
		// The domain becomes a key in a file that Postfix reads: nothing else may get in there.
		if destination, err = queue.ParseDestination(rest[0]); err != nil {
			return command.Usagef("%s: %v", what, err)
		}
	}
	if err := q.machine.RequireRoot(); err != nil {
		return err
	}
	if change == nil {
		return q.list(ctx, destination)
	}
	done, err := change(ctx, destination)
	if err != nil {
		return err
	}
	return q.print(done)
}

// ruling says what was done about a destination, and how to undo it.
type ruling struct {
	Destination string `json:"destination"`
	Done        string `json:"done"`
	Messages    int    `json:"messages"`       // that wait for it
	Undo        string `json:"undo,omitempty"` // a command, or ""
}

// String names the way back, also where there is none.
func (r ruling) String() string {
	undo := "there is nothing to undo"
	if r.Undo != "" {
		undo = "undo: " + r.Undo
	}
	return fmt.Sprintf("%s: %s (%d queued)\n%s", r.Destination, r.Done, r.Messages, undo)
}

// print writes what was done.
func (q *job) print(r ruling) error {
	if q.json {
		return command.PrintJSON(q.env.Stdout, r)
	}
	_, err := fmt.Fprintln(q.env.Stdout, r)
	return err
}

// hold only writes the rule: what is deferred already stays so until it is due, and
// meets the rule then.
func (q *job) hold(ctx context.Context, destination string) (ruling, error) {
	if err := q.rule(ctx, destination, queue.Hold); err != nil {
		return ruling{}, err
	}
	n, _, err := q.waiting(ctx, destination)
	return ruling{
		destination, "held: mail to it is deferred, old and new, and bounces after two days",
		n, "chatmaild queue release " + destination,
	}, err
}

// discard refuses the relay's own domain: that would be everybody's mail.
func (q *job) discard(ctx context.Context, destination string) (ruling, error) {
	if destination == strings.ToLower(q.conf.AddressDomain()) {
		return ruling{}, command.WithHint(fmt.Errorf("%s is this relay itself, and its users' mail is not discarded", destination),
			"chatmaild run --disable-mail turns all mail off; chatmaild queue hold %s defers it", destination)
	}
	if err := q.rule(ctx, destination, queue.Discard); err != nil {
		return ruling{}, err
	}
	n, err := q.retry(ctx, destination)
	return ruling{
		destination, "discarded: mail to it is dropped, old and new, and senders are not notified; this cannot be undone for dropped mail",
		n, "chatmaild queue release " + destination,
	}, err
}

// release retries at once what the rule had deferred. The way back is the rule that was.
func (q *job) release(ctx context.Context, destination string) (ruling, error) {
	rules, err := host.MailRules(q.machine)
	if err != nil {
		return ruling{}, err
	}
	was := rules.All()[destination]
	if was == queue.Deliver {
		n, _, err := q.waiting(ctx, destination)
		return ruling{destination, "neither held nor discarded: nothing to do", n, ""}, err
	}
	if err := q.rule(ctx, destination, queue.Deliver); err != nil {
		return ruling{}, err
	}
	if err := q.wake(ctx, destination); err != nil {
		return ruling{}, err
	}
	n, err := q.retry(ctx, destination)
	return ruling{
		destination, "released: mail to it is delivered again, and queued mail is retried now",
		n, fmt.Sprintf("chatmaild queue %s %s", was, destination),
	}, err
}

// flush does not touch the rules, so it refuses a destination that is held: its mail
// would only be deferred again.
func (q *job) flush(ctx context.Context, destination string) (ruling, error) {
	rules, err := host.MailRules(q.machine)
	if err != nil {
		return ruling{}, err
	}
	if rules.All()[destination] == queue.Hold {
		return ruling{}, command.WithHint(fmt.Errorf("%s is held", destination), "chatmaild queue release %s", destination)
	}
	if err := q.wake(ctx, destination); err != nil {
		return ruling{}, err
	}
	n, err := q.retry(ctx, destination)
	return ruling{destination, "queued mail to it is retried now", n, ""}, err
}

// rule changes the transport map of this machine, and of all others of the relay.
func (q *job) rule(ctx context.Context, destination string, rule queue.Rule) error {
	rules, err := host.MailRules(q.machine)
	if err != nil {
		return err
	}
	if rules, err = rules.Set(destination, rule); err != nil {
		return command.WithHint(err, "edit %s, then: systemctl reload postfix", desired.TransportMap)
	}
	if err := membership.Share(ctx, q.conf, membership.Mail+destination, string(rule)); err != nil {
		return err
	}
	return host.SetMailRules(ctx, q.machine, rules)
}

// waiting counts the messages for a destination, and returns the identifiers of
// those that are deferred, up to one more than maxRetries.
func (q *job) waiting(ctx context.Context, destination string) (n int, deferred []string, err error) {
	err = q.each(ctx, func(m queue.Message) {
		if !m.For(destination) {
			return
		}
		n++
		// What is active is being tried, and what is incoming will be in a moment.
		if m.Queue == "deferred" && len(deferred) <= maxRetries {
			deferred = append(deferred, m.ID)
		}
	})
	return n, deferred, err
}

// each calls do for every queued message.
func (q *job) each(ctx context.Context, do func(queue.Message)) error {
	return q.machine.Postfix().Each(ctx, do)
}

// retry has Postfix try what waits for a destination.
func (q *job) retry(ctx context.Context, destination string) (waiting int, err error) {
	waiting, deferred, err := q.waiting(ctx, destination)
	if err != nil {
		return waiting, err
	}
	if len(deferred) > maxRetries {
		return waiting, q.machine.Postfix().Flush(ctx)
	}
	for _, id := range deferred {
		// It may have left the queue meanwhile.
		if err := q.machine.Postfix().Retry(ctx, id); err != nil {
			q.env.Log().Debug("message not tried", "queue_id", id, "error", err)
		}
	}
	return waiting, nil
}

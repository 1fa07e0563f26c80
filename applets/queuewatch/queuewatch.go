// Package queuewatch is the job that has Postfix try deferred mail again as soon as what
// it waited for is back: Dovecot, room on the disk, name servers.
//
// It is not a daemon, because a process of ours takes 4 MB however little it does:
// chatmaild-queuewatch.path starts it once there is deferred mail, and it ends when
// there is none. It acts on mail, so it is not part of metrics, which only looks.
package queuewatch

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/queuewatch/retry"
	"chatmaild/packaging/postfix/queue"
)

const (
	// interval is how often Postfix's queue is looked at: mail that waits for something
	// which is back is tried after two looks.
	interval = 3 * time.Second
	// share is how much longer than a look the pause after it is. Postfix opens each
	// message for a look.
	share = 20
	// linger is how long the job stays without deferred mail. What is tried is not
	// deferred meanwhile, and may be again.
	linger = time.Minute

	lookTimeout = 10 * time.Second
	// nameTimeout is how long name servers may take to show that they answer.
	nameTimeout = 2 * time.Second
)

// gcPercent is the GC percentage: the job leaves what it read, and has time.
const gcPercent = 15

// Command has Postfix try deferred mail.
var Command = command.Command{
	Name: "queuewatch", Kind: command.Oneshot,
	Synopsis: "retries deferred mail once its destination is back",
	Description: `It watches Dovecot, free disk space and name servers. Postfix alone would wait for up
to an hour. chatmaild-queuewatch.path starts it when mail is deferred, and it ends when
none is.`,
	Bind: func(*flag.FlagSet) command.Run { return command.Configured(run) },
}

func run(ctx context.Context, env *command.Env, conf *config.Config) error {
	debug.SetGCPercent(gcPercent)
	w := &watch{
		retry: retry.New(conf.AddressDomain(), rand.IntN), log: env.Log(),
		look: queue.Look, try: queue.Try, resolves: resolves,
	}
	for needed := time.Now(); ; {
		start := time.Now()
		if w.round(ctx) {
			needed = time.Now()
		}
		if time.Since(needed) >= linger {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(interval, share*time.Since(start))):
		}
	}
}

// watch looks at the queue, again and again.
type watch struct {
	retry    *retry.Retry
	log      *slog.Logger
	failed   bool // the last look
	look     func(context.Context, func(queue.Waiting)) (map[string]queue.Count, error)
	try      func(ctx context.Context, id string) error
	resolves func(ctx context.Context, domain string) bool
}

// round looks once and has Postfix try what has waited enough. It reports whether the
// job is still needed: mail is deferred, or nobody knows.
func (w *watch) round(ctx context.Context) (needed bool) {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	w.retry.Begin()
	found, err := w.look(looking, w.retry.See)
	if err != nil {
		if !w.failed && ctx.Err() == nil {
			w.log.Warn("cannot look at Postfix's queue; deferred mail is tried when Postfix itself does", "error", err)
		}
		w.failed = true
		return true
	}
	w.failed = false
	try, domain := w.retry.End(time.Now())
	w.send(ctx, try)
	if domain != "" && w.resolves(ctx, domain) {
		w.send(ctx, w.retry.Resolved(time.Now()))
	}
	return found["deferred"].Messages > 0
}

// send has Postfix try messages at once.
func (w *watch) send(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for _, id := range ids {
		if err := w.try(ctx, id); err != nil {
			w.log.Warn("Postfix does not retry deferred mail", "error", err)
			return
		}
	}
	if len(ids) > 1 {
		w.log.Info("what deferred mail waited for is back: it is retried", "messages", len(ids))
	}
}

// resolves reports whether name servers know where mail to a domain goes, or that there
// is no such domain.
func resolves(ctx context.Context, domain string) bool {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	_, err := net.DefaultResolver.LookupMX(ctx, domain+".")
	var failure *net.DNSError
	return err == nil || errors.As(err, &failure) && failure.IsNotFound
}

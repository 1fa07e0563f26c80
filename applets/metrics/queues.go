package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/metric"
	"chatmaild/packaging/postfix"
)

const (
	// queueInterval is how often Postfix's queues are looked at: mail that waits for
	// something which is there again is tried after two looks.
	queueInterval = 3 * time.Second
	// queueShare is how much longer than a look the pause after it is. Postfix opens
	// each message for a look.
	queueShare = 20
	// nameTimeout is how long name servers may take to show that they answer.
	nameTimeout = 2 * time.Second
)

// Postfix's services; both are for group postdrop.
const (
	showqSocket = "/var/spool/postfix/public/showq"
	flushSocket = "/var/spool/postfix/public/flush"
)

// watchQueues looks at Postfix's queues, and has it try mail that has waited enough,
// until ctx is done.
func (m *relayMetrics) watchQueues(ctx context.Context, conf *config.Config, log *slog.Logger) {
	retry := postfix.NewRetry(conf.AddressDomain(), rand.IntN)
	queues := &lookout{at: lookingAtQueues, look: func(ctx context.Context) error { return m.queues(ctx, retry) }}
	for {
		start := time.Now()
		m.look(ctx, queues, log)
		took := time.Since(start)
		if ctx.Err() == nil && !queues.failed {
			tryAgain(ctx, retry, log)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(queueInterval, queueShare*took)):
		}
	}
}

// queues counts what is in the queues, and shows it to retry.
func (m *relayMetrics) queues(ctx context.Context, retry *postfix.Retry) error {
	retry.Begin()
	found, err := readQueues(ctx, retry.See)
	now := time.Now()
	for _, name := range postfix.Queues() {
		if err != nil {
			m.messages.At(name).Set(metric.Unknown)
			m.oldest.At(name).Set(metric.Unknown)
			continue
		}
		q := found[name]
		m.messages.At(name).Set(float64(q.Messages))
		m.oldest.At(name).Set(0)
		if q.Messages > 0 {
			m.oldest.At(name).Set(max(now.Sub(q.Oldest).Seconds(), 0))
		}
	}
	return err
}

func readQueues(ctx context.Context, waits func(postfix.Waiting)) (map[string]postfix.Queue, error) {
	conn, err := connect(ctx, "unix", showqSocket)
	if err != nil {
		return nil, fmt.Errorf("asking for Postfix's queues: %w", err)
	}
	defer conn.Close()
	return postfix.ReadQueues(conn, waits)
}

// tryAgain ends a look, and does what follows from it.
func tryAgain(ctx context.Context, retry *postfix.Retry, log *slog.Logger) {
	try, domain := retry.End(time.Now())
	send(ctx, try, log)
	if domain != "" && resolves(ctx, domain) {
		send(ctx, retry.Resolved(time.Now()), log)
	}
}

// send has Postfix try messages at once.
func send(ctx context.Context, ids []string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for _, id := range ids {
		if err := sendOne(ctx, id); err != nil {
			log.Warn("postfix does not try mail that waits", "error", err)
			return
		}
	}
	if len(ids) > 1 {
		log.Info("what mail waited for is there again: it is tried", "messages", len(ids))
	}
}

func sendOne(ctx context.Context, id string) error {
	conn, err := connect(ctx, "unix", flushSocket)
	if err != nil {
		return err
	}
	defer conn.Close()
	return postfix.AskSend(conn, id)
}

// resolves says whether name servers tell where mail to a domain goes, or that there is
// no such domain.
func resolves(ctx context.Context, domain string) bool {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	_, err := net.DefaultResolver.LookupMX(ctx, domain+".")
	var failure *net.DNSError
	return err == nil || errors.As(err, &failure) && failure.IsNotFound
}

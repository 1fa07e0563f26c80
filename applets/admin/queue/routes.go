package queue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/transport/routes"
)

// lookAtTransport is the hint where it does not answer.
const lookAtTransport = "systemctl status chatmaild-transport"

// socket is where the transport answers.
func (q *job) socket() string { return filepath.Join(q.machine.Root, config.RoutesSocket(q.conf)) }

// wake has the transport try the hosts of a destination at the next message: one that did not
// answer would rest for up to half an hour.
func (q *job) wake(ctx context.Context, destination string) error {
	if !config.OwnTransport(q.conf) {
		return nil
	}
	if err := routes.Retry(ctx, q.socket(), destination); err != nil {
		return command.WithHint(err, lookAtTransport)
	}
	return nil
}

// routes prints what the transport knows of the ways to other relays: of one host, or of all
// if it is "".
func (q *job) routes(ctx context.Context, only string) error {
	if err := q.machine.RequireRoot(); err != nil {
		return err
	}
	if !config.OwnTransport(q.conf) {
		return command.WithHint(errors.New(`with transport = "postfix", Postfix itself finds a way for each message`),
			"chatmaild queue shows why mail is queued")
	}
	list, err := routes.Read(ctx, q.socket())
	if err != nil {
		return command.WithHint(err, lookAtTransport)
	}
	if only != "" {
		list = slices.DeleteFunc(list, func(r routes.Route) bool { return r.Host != only })
	}
	if q.json {
		return command.PrintJSON(q.env.Stdout, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(q.env.Stdout, "no host yet, since the transport was started")
		return err
	}
	for _, r := range list {
		if _, err := fmt.Fprintln(q.env.Stdout, q.line(r)); err != nil {
			return err
		}
	}
	return nil
}

// line is a route in words: "mx.example.org: HTTPS since 2026-11-29 23:10, last message 12:01:07".
func (q *job) line(r routes.Route) string {
	text := r.Host + ": no message accepted yet"
	if r.Since != nil {
		way := map[string]string{"https": "HTTPS", "smtp": "SMTP"}[r.Way]
		text = fmt.Sprintf("%s: %s since %s, last message %s ago", r.Host, way, r.Since.Format(time.DateTime), q.ago(*r.Last))
	}
	if r.Failed != nil {
		text += fmt.Sprintf("; last error %s ago: %s", q.ago(*r.Failed), r.Error)
	}
	if r.Resting != nil {
		text += fmt.Sprintf("; no answer since %s, next attempt %s", r.Resting.Format(time.DateTime), r.Next.Format(time.TimeOnly))
	}
	return text
}

func (q *job) ago(when time.Time) time.Duration { return max(q.now.Sub(when), 0).Round(time.Second) }

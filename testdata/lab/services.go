package lab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chatmaild/testdata/kit/dovecottest"
)

// processPoll is how often we look for processes on a host.
const processPoll = 500 * time.Millisecond

// Services lists the units of the relay that run: ours, and those of the
// programs that we set up.
func (r *Relay) Services(ctx context.Context) ([]string, error) {
	out, err := r.Run(ctx, "systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend",
		"chatmaild-*", r.PostfixUnit(), "dovecot.service", "nginx.service")
	if err != nil {
		return nil, err
	}
	var units []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 0 {
			units = append(units, fields[0])
		}
	}
	return units, nil
}

// WaitHibernated waits until every IMAP session waits in Dovecot's imap-hibernate, so that no
// imap process has one.
func (r *Relay) WaitHibernated(ctx context.Context) error {
	for {
		status, err := r.Run(ctx, "doveadm", "-f", "tab", "service", "status", "imap")
		if err != nil {
			return err
		}
		busy, err := dovecottest.Busy(status)
		if busy == 0 || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for hibernation: %w; imap processes with a session: %d", ctx.Err(), busy)
		case <-time.After(processPoll):
		}
	}
}
